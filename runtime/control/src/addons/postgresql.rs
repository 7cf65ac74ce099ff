//! PostgreSQL: a database and a role for each add-on.
//!
//! Owns the statements. A role is known as an add-on's by its comment, which is set in the transaction that makes the
//! role; a database by its owner. What bears the name without these is somebody else's, and is not touched. The server
//! sees no password, only what SCRAM makes of it.
//!
//! Sessions bear the add-on's name: one that was left behind, since the platform was killed, is ended before anything
//! else is done, so that what it was about to do does not come late.

use super::backend::{AddonServer, SERVER_CONNECT_TIMEOUT};
use super::error::{ProvisionError, ServiceConfigError};
use super::names::{endpoint, hex, identifier};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use grid::desired::{AddonDetails, AddonService, ConfigVars, NewAddon};
use grid::name::Endpoint;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls};

/// Connections that a role may have at once when the operator did not say how many.
const CONNECTIONS_DEFAULT: u32 = 20;
const CONNECTIONS_MAX: u32 = 10_000;
/// The port of a URL without one.
const PORT_DEFAULT: u16 = 5_432;
/// The server's own functions and tables, and no others: where the admin's database lets anybody create things (by
/// default up to version 14), an app could put a better fitting one of its own in their place, and have it run as admin.
const OWN_NAMES_ONLY: &str = "SET search_path = pg_catalog, pg_temp";
/// Between two looks whether a session that was ended has gone.
const LOOK: Duration = Duration::from_millis(50);
const FORM: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";

/// The operator's PostgreSQL server, version 13 or later.
#[derive(Clone)]
pub struct PostgresqlService {
    /// How to log in: as a superuser, or as a role that may create roles and databases.
    admin: Config,
    /// What apps dial.
    reach: Endpoint,
    /// Connections of a role at once.
    connections: u32,
}

/// Without the login.
impl fmt::Debug for PostgresqlService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgresql")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

/// Whose a role is.
enum PostgresqlRoleOwner {
    Nobody,
    Ours,
    Another,
}

impl PostgresqlService {
    /// The server at a URL, which apps dial at `reach` if that is another address, each with at most so many
    /// `connections` at once (20 by default).
    pub fn new(
        url: &str,
        reach: Option<Endpoint>,
        connections: Option<u32>,
    ) -> Result<Self, ServiceConfigError> {
        let is_url = ["postgres://", "postgresql://"];
        if !is_url.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(ServiceConfigError::Url(FORM));
        }
        let mut admin: Config = url.parse().map_err(|_| ServiceConfigError::Url(FORM))?;
        if admin.get_ssl_mode() == SslMode::Require {
            return Err(ServiceConfigError::Tls);
        }
        admin.ssl_mode(SslMode::Disable);
        admin.connect_timeout(SERVER_CONNECT_TIMEOUT);
        let connections = connections.unwrap_or(CONNECTIONS_DEFAULT);
        if !(1..=CONNECTIONS_MAX).contains(&connections) {
            return Err(ServiceConfigError::Connections);
        }
        Ok(PostgresqlService {
            reach: reach.map_or_else(|| address(&admin), Ok)?,
            admin,
            connections,
        })
    }

    fn failed(&self, why: String) -> ProvisionError {
        ProvisionError::Failed {
            service: AddonService::Postgresql,
            place: self.address(),
            why,
        }
    }

    fn taken(what: &str, name: &str) -> ProvisionError {
        ProvisionError::Taken {
            service: AddonService::Postgresql,
            what: format!("a {what} {name}"),
        }
    }

    /// Why there is no session.
    fn unreachable(&self, error: Error) -> ProvisionError {
        let (service, place) = (AddonService::Postgresql, self.address());
        if let Some(said) = error.as_db_error() {
            let login = [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            ];
            if login.contains(said.code()) {
                return ProvisionError::Login { service, place };
            }
        }
        let why = match error.as_db_error() {
            Some(said) => said.message().to_owned(),
            None => cause(error),
        };
        ProvisionError::Unreachable {
            service,
            place,
            why,
        }
    }

    /// Why a statement came to nothing.
    fn refused(&self, error: Error) -> ProvisionError {
        let said = error.as_db_error().map(|said| said.message().to_owned());
        self.failed(said.unwrap_or_else(|| cause(error)))
    }

    /// Logs in, ends what an earlier session for this add-on left, and does something.
    async fn with<T>(
        &self,
        addon: &NewAddon,
        work: impl AsyncFnOnce(&Client) -> Result<T, ProvisionError>,
    ) -> Result<T, ProvisionError> {
        let session = format!("dyno add-on {}", addon.name);
        let mut config = self.admin.clone();
        config.application_name(&session);
        let connected = config.connect(NoTls).await;
        let (client, connection) = connected.map_err(|error| self.unreachable(error))?;
        let work = async move {
            self.run(&client, OWN_NAMES_ONLY).await?;
            self.end_others(&client, &session).await?;
            // The connection ends when its client is dropped.
            work(&client).await
        };
        let (done, _) = tokio::join!(work, connection);
        done
    }

    async fn end_others(&self, client: &Client, session: &str) -> Result<(), ProvisionError> {
        // Anybody may give a session this name.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = $1 AND usename = current_user AND pid <> pg_backend_pid()";
        loop {
            let left = client.query(end, &[&session]).await;
            if left.map_err(|error| self.refused(error))?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn run(&self, client: &Client, statement: &str) -> Result<(), ProvisionError> {
        let done = client.batch_execute(statement).await;
        done.map_err(|error| self.refused(error))
    }

    async fn owner(
        &self,
        client: &Client,
        role: &str,
        mark: &str,
    ) -> Result<PostgresqlRoleOwner, ProvisionError> {
        let look =
            "SELECT shobj_description(oid, 'pg_authid'::name) FROM pg_roles WHERE rolname = $1";
        let found = client.query_opt(look, &[&role]).await;
        let found = found.map_err(|error| self.refused(error))?;
        Ok(match found.map(|row| row.get::<_, Option<String>>(0)) {
            None => PostgresqlRoleOwner::Nobody,
            Some(comment) if comment.as_deref() == Some(mark) => PostgresqlRoleOwner::Ours,
            Some(_) => PostgresqlRoleOwner::Another,
        })
    }

    /// The owner of a database, if there is one of this name.
    async fn database(
        &self,
        client: &Client,
        name: &str,
    ) -> Result<Option<String>, ProvisionError> {
        let look = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1";
        let found = client.query_opt(look, &[&name]).await;
        let found = found.map_err(|error| self.refused(error))?;
        Ok(found.map(|row| row.get(0)))
    }

    /// Makes the role, or gives it its password again.
    async fn make_role(
        &self,
        client: &Client,
        addon: &NewAddon,
        name: &str,
    ) -> Result<(), ProvisionError> {
        let mark = mark(addon);
        let password = postgres_protocol::password::scram_sha_256(addon.password.0.as_bytes());
        let rights = format!(
            "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT {} PASSWORD '{password}'",
            self.connections
        );
        match self.owner(client, name, &mark).await? {
            PostgresqlRoleOwner::Another => return Err(Self::taken("role", name)),
            // Without NOSUPERUSER, which only a superuser may say.
            PostgresqlRoleOwner::Ours => {
                let limit = self.connections;
                let again = format!(
                    "ALTER ROLE {name} LOGIN CONNECTION LIMIT {limit} PASSWORD '{password}'"
                );
                self.run(client, &again).await?;
            }
            PostgresqlRoleOwner::Nobody => {
                // One message is one transaction.
                let make =
                    format!("CREATE ROLE {name} {rights}; COMMENT ON ROLE {name} IS '{mark}'");
                self.run(client, &make).await?;
            }
        }
        // Whoever is no superuser must be of the role to give it a database, and to take that away.
        let join = format!(
            "DO $$ BEGIN IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \
             THEN GRANT {name} TO CURRENT_USER; END IF; END $$"
        );
        self.run(client, &join).await
    }

    /// Nobody can connect to the database before it is closed to everybody else.
    async fn make(
        &self,
        client: &Client,
        addon: &NewAddon,
    ) -> Result<AddonDetails, ProvisionError> {
        let name = identifier(&addon.name);
        let owner = self.database(client, &name).await?;
        if owner.as_ref().is_some_and(|owner| *owner != name) {
            return Err(Self::taken("database", &name));
        }
        self.make_role(client, addon, &name).await?;
        if owner.is_none() {
            let create = format!(
                "CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ALLOW_CONNECTIONS false"
            );
            self.run(client, &create).await?;
        }
        let close = format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC");
        self.run(client, &close).await?;
        let open = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
        self.run(client, &open).await?;
        let (password, reach) = (&addon.password.0, &self.reach);
        let url = format!("postgres://{name}:{password}@{reach}/{name}");
        Ok(AddonDetails {
            values: ConfigVars(Arc::new(BTreeMap::from([("URL".to_owned(), url)]))),
            reach: Arc::new(BTreeSet::from([reach.clone()])),
            number: None,
        })
    }

    /// The role goes last: as long as it is there, what is left is known as the add-on's.
    async fn remove(&self, client: &Client, addon: &NewAddon) -> Result<(), ProvisionError> {
        let name = identifier(&addon.name);
        match self.owner(client, &name, &mark(addon)).await? {
            PostgresqlRoleOwner::Ours => {}
            PostgresqlRoleOwner::Nobody | PostgresqlRoleOwner::Another => return Ok(()),
        }
        self.run(client, &format!("ALTER ROLE {name} NOLOGIN"))
            .await?;
        if self.database(client, &name).await?.as_ref() == Some(&name) {
            let close = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
            self.run(client, &close).await?;
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            self.run(client, &drop).await?;
        }
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
        let ended = client.query(end, &[&name]).await;
        ended.map_err(|error| self.refused(error))?;
        self.drop_elsewhere(client, &name).await?;
        let drop = format!("DROP OWNED BY {name}; DROP ROLE {name}");
        self.run(client, &drop).await
    }

    /// Drops what a role has in databases that are not its own: those that the operator leaves open to everybody. The
    /// role cannot go before.
    async fn drop_elsewhere(&self, client: &Client, name: &str) -> Result<(), ProvisionError> {
        let look = "SELECT DISTINCT datname::text FROM pg_shdepend JOIN pg_database ON pg_database.oid = dbid \
                    WHERE refclassid = 'pg_authid'::regclass AND datname <> current_database() \
                    AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1)";
        let found = client.query(look, &[&name]).await;
        for row in found.map_err(|error| self.refused(error))? {
            let mut config = self.admin.clone();
            config.dbname(row.get::<_, String>(0));
            let connected = config.connect(NoTls).await;
            let (client, connection) = connected.map_err(|error| self.unreachable(error))?;
            let drop = format!("{OWN_NAMES_ONLY}; DROP OWNED BY {name}");
            let work = async move { self.run(&client, &drop).await };
            let (done, _) = tokio::join!(work, connection);
            done?;
        }
        Ok(())
    }
}

/// What a role's comment says, by which it is known again: nobody else knows the password that it is made of.
fn mark(addon: &NewAddon) -> String {
    let digest = Sha256::digest(format!("dyno add-on {}", addon.password.0));
    let digest = hex(&digest[..8]);
    format!("dyno add-on {} ({digest})", addon.name)
}

/// The one TCP address that a login names.
fn address(config: &Config) -> Result<Endpoint, ServiceConfigError> {
    let port = match config.get_ports() {
        [] => PORT_DEFAULT,
        [port] => *port,
        _ => return Err(ServiceConfigError::Address),
    };
    match config.get_hosts() {
        [Host::Tcp(host)] => endpoint(host, port),
        _ => Err(ServiceConfigError::Address),
    }
}

/// What lies behind an error of the client's own.
fn cause(error: Error) -> String {
    let text = error.to_string();
    error
        .into_source()
        .map_or(text, |source| source.to_string())
}

impl AddonServer for PostgresqlService {
    fn address(&self) -> String {
        self.reach.to_string()
    }

    fn create_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        _: &'a BTreeSet<u16>,
    ) -> BoxFuture<'a, Result<AddonDetails, ProvisionError>> {
        let work = async |client: &Client| self.make(client, addon).await;
        self.with(addon, work).boxed()
    }

    fn destroy_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        _: Option<&'a AddonDetails>,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        let work = async |client: &Client| self.remove(client, addon).await;
        self.with(addon, work).boxed()
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
    use super::*;

    #[test]
    fn a_url_tells_what_apps_dial_and_is_never_shown() {
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
