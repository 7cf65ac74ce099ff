//! PostgreSQL: a database and a role for each add-on.
//!
//! Owns the statements. An add-on's role is recognised by its comment, which is set in the transaction that creates
//! the role; an add-on's database is recognised by its owner. Other objects of the same name are never changed. The
//! server never sees a password, only its SCRAM verifier.
//!
//! The module `connection` ends sessions that an earlier run of the server left behind.

mod connection;

use super::backend::AddonServer;
use super::error::{ProvisionError, ServiceConfigError};
use super::names::{hex, identifier};
use connection::PostgresqlServer;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use grid::desired::{AddonDetails, AddonService, ConfigVars, NewAddon};
use grid::name::Endpoint;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_postgres::Client;

/// Default limit of an add-on's simultaneous connections, and the highest limit that an operator may set.
const CONNECTIONS_DEFAULT: u32 = 20;
const CONNECTIONS_MAX: u32 = 10_000;

/// Creates add-ons on the operator's PostgreSQL server.
#[derive(Clone, Debug)]
pub struct PostgresqlService {
    server: PostgresqlServer,
    /// Maximum number of connections of one add-on's role.
    connections: u32,
}

/// The owner of a role.
enum PostgresqlRoleOwner {
    Nobody,
    Ours,
    Another,
}

impl PostgresqlService {
    /// Creates the service for the server at a URL. Apps connect to `reach`, or to the URL's address. Each add-on
    /// may have at most `connections` simultaneous connections (20 by default).
    pub fn new(
        url: &str,
        reach: Option<Endpoint>,
        connections: Option<u32>,
    ) -> Result<Self, ServiceConfigError> {
        let server = PostgresqlServer::new(url, reach)?;
        let connections = connections.unwrap_or(CONNECTIONS_DEFAULT);
        if !(1..=CONNECTIONS_MAX).contains(&connections) {
            return Err(ServiceConfigError::Connections);
        }
        Ok(PostgresqlService {
            server,
            connections,
        })
    }

    async fn find_role_owner(
        &self,
        client: &Client,
        role: &str,
        mark: &str,
    ) -> Result<PostgresqlRoleOwner, ProvisionError> {
        let look =
            "SELECT shobj_description(oid, 'pg_authid'::name) FROM pg_roles WHERE rolname = $1";
        let found = client.query_opt(look, &[&role]).await;
        let found = found.map_err(|error| self.server.statement_error(error))?;
        Ok(match found.map(|row| row.get::<_, Option<String>>(0)) {
            None => PostgresqlRoleOwner::Nobody,
            Some(comment) if comment.as_deref() == Some(mark) => PostgresqlRoleOwner::Ours,
            Some(_) => PostgresqlRoleOwner::Another,
        })
    }

    /// The owner of the database of this name, if the database exists.
    async fn find_database_owner(
        &self,
        client: &Client,
        name: &str,
    ) -> Result<Option<String>, ProvisionError> {
        let look = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1";
        let found = client.query_opt(look, &[&name]).await;
        let found = found.map_err(|error| self.server.statement_error(error))?;
        Ok(found.map(|row| row.get(0)))
    }

    /// Creates the role, or sets its password again.
    async fn create_role(
        &self,
        client: &Client,
        addon: &NewAddon,
        name: &str,
    ) -> Result<(), ProvisionError> {
        let mark = role_comment(addon);
        let password = postgres_protocol::password::scram_sha_256(addon.password.0.as_bytes());
        let rights = format!(
            "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT {} PASSWORD '{password}'",
            self.connections
        );
        match self.find_role_owner(client, name, &mark).await? {
            PostgresqlRoleOwner::Another => return Err(taken_error("role", name)),
            // Without NOSUPERUSER, which only a superuser may use.
            PostgresqlRoleOwner::Ours => {
                let limit = self.connections;
                let again = format!(
                    "ALTER ROLE {name} LOGIN CONNECTION LIMIT {limit} PASSWORD '{password}'"
                );
                self.server.run_statement(client, &again).await?;
            }
            PostgresqlRoleOwner::Nobody => {
                // The server runs all statements of one message in one transaction.
                let make =
                    format!("CREATE ROLE {name} {rights}; COMMENT ON ROLE {name} IS '{mark}'");
                self.server.run_statement(client, &make).await?;
            }
        }
        // An admin without superuser rights must be a member of the role to give it a database and to drop that
        // database.
        let join = format!(
            "DO $$ BEGIN IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \
             THEN GRANT {name} TO CURRENT_USER; END IF; END $$"
        );
        self.server.run_statement(client, &join).await
    }

    /// Creates the role and the database. Connections are only allowed after the rights of all other roles are
    /// revoked.
    async fn create_database(
        &self,
        client: &Client,
        addon: &NewAddon,
    ) -> Result<AddonDetails, ProvisionError> {
        let name = identifier(&addon.name);
        let owner = self.find_database_owner(client, &name).await?;
        if owner.as_ref().is_some_and(|owner| *owner != name) {
            return Err(taken_error("database", &name));
        }
        self.create_role(client, addon, &name).await?;
        if owner.is_none() {
            let create = format!(
                "CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ALLOW_CONNECTIONS false"
            );
            self.server.run_statement(client, &create).await?;
        }
        let close = format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC");
        self.server.run_statement(client, &close).await?;
        let open = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
        self.server.run_statement(client, &open).await?;
        let (password, reach) = (&addon.password.0, &self.server.reach);
        let url = format!("postgres://{name}:{password}@{reach}/{name}");
        Ok(AddonDetails {
            values: ConfigVars(Arc::new(BTreeMap::from([("URL".to_owned(), url)]))),
            reach: Arc::new(BTreeSet::from([reach.clone()])),
            number: None,
        })
    }

    /// Drops the database and the role. The role is dropped last: while the role exists, the remaining objects are
    /// recognised as the add-on's.
    async fn drop_database(&self, client: &Client, addon: &NewAddon) -> Result<(), ProvisionError> {
        let name = identifier(&addon.name);
        match self
            .find_role_owner(client, &name, &role_comment(addon))
            .await?
        {
            PostgresqlRoleOwner::Ours => {}
            PostgresqlRoleOwner::Nobody | PostgresqlRoleOwner::Another => return Ok(()),
        }
        self.server
            .run_statement(client, &format!("ALTER ROLE {name} NOLOGIN"))
            .await?;
        if self.find_database_owner(client, &name).await?.as_ref() == Some(&name) {
            let close = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
            self.server.run_statement(client, &close).await?;
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            self.server.run_statement(client, &drop).await?;
        }
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
        let ended = client.query(end, &[&name]).await;
        ended.map_err(|error| self.server.statement_error(error))?;
        self.drop_objects_elsewhere(client, &name).await?;
        let drop = format!("DROP OWNED BY {name}; DROP ROLE {name}");
        self.server.run_statement(client, &drop).await
    }

    /// Drops a role's objects in other databases, which the operator may have left open to all roles. The role
    /// cannot be dropped before.
    async fn drop_objects_elsewhere(
        &self,
        client: &Client,
        name: &str,
    ) -> Result<(), ProvisionError> {
        let look = "SELECT DISTINCT datname::text FROM pg_shdepend JOIN pg_database ON pg_database.oid = dbid \
                    WHERE refclassid = 'pg_authid'::regclass AND datname <> current_database() \
                    AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1)";
        let found = client.query(look, &[&name]).await;
        for row in found.map_err(|error| self.server.statement_error(error))? {
            let drop = format!("DROP OWNED BY {name}");
            self.server.run_in_database(row.get(0), &drop).await?;
        }
        Ok(())
    }
}

fn taken_error(what: &str, name: &str) -> ProvisionError {
    ProvisionError::Taken {
        service: AddonService::Postgresql,
        what: format!("a {what} {name}"),
    }
}

/// The comment by which a role is recognised. It contains a digest of the password, which nobody else knows.
fn role_comment(addon: &NewAddon) -> String {
    let digest = Sha256::digest(format!("dyno add-on {}", addon.password.0));
    let digest = hex(&digest[..8]);
    format!("dyno add-on {} ({digest})", addon.name)
}

impl AddonServer for PostgresqlService {
    fn address(&self) -> String {
        self.server.reach.to_string()
    }

    fn create_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        _: &'a BTreeSet<u16>,
    ) -> BoxFuture<'a, Result<AddonDetails, ProvisionError>> {
        let work = async |client: &Client| self.create_database(client, addon).await;
        self.server.with_session(addon, work).boxed()
    }

    fn destroy_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        _: Option<&'a AddonDetails>,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        let work = async |client: &Client| self.drop_database(client, addon).await;
        self.server.with_session(addon, work).boxed()
    }

    fn tend_addon<'a>(
        &'a self,
        _: &'a NewAddon,
        _: &'a AddonDetails,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        async { Ok(()) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::connection::FORM;
    use super::*;

    #[test]
    fn service_url_gives_the_address_and_hides_the_password() {
        let server =
            PostgresqlService::new("postgres://me:hunter2@db.internal/postgres", None, None);
        let server = server.expect("a server");
        assert_eq!(server.address(), "db.internal:5432");
        assert!(!format!("{server:?}").contains("hunter2"));
        let reach = "10.0.0.7:6000".parse().expect("an address");
        let other = PostgresqlService::new("postgres://me:x@[::1]:5433/x", Some(reach), Some(3));
        assert_eq!(other.expect("a server").address(), "10.0.0.7:6000");
        let local = PostgresqlService::new("postgres://me:x@[::1]:5433/x", None, None);
        assert_eq!(local.expect("a server").address(), "[::1]:5433");
        for (url, error) in [
            ("hunter2", ServiceConfigError::Url(FORM)),
            ("mysql://me:hunter2@db/x", ServiceConfigError::Url(FORM)),
            (
                "postgres://me:hunter2@db/x?sslmode=require",
                ServiceConfigError::Tls,
            ),
            ("postgres://me:hunter2@a,b/x", ServiceConfigError::Address),
            (
                "postgres:///x?host=/run/postgresql",
                ServiceConfigError::Address,
            ),
        ] {
            let refused = PostgresqlService::new(url, None, None).expect_err(url);
            assert_eq!(refused, error, "{url}");
            assert!(!refused.to_string().contains("hunter2"));
        }
        let none = PostgresqlService::new("postgres://me:x@db/x", None, Some(0));
        assert_eq!(none.err(), Some(ServiceConfigError::Connections));
    }
}
