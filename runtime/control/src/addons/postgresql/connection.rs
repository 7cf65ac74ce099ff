//! The operator's PostgreSQL server: its address, its login, and sessions.
//!
//! Owns the connection, and the meaning of the server's errors. Must not know roles and databases of add-ons.
//!
//! Each session is named for its add-on. A session of the same name that was left behind, because the platform was
//! killed, is ended first, so that none of its statements takes effect late.

use crate::addons::backend::SERVER_CONNECT_TIMEOUT;
use crate::addons::error::{ProvisionError, ServiceConfigError};
use crate::addons::names::endpoint;
use grid::desired::{AddonService, NewAddon};
use grid::name::Endpoint;
use std::fmt;
use std::time::Duration;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls};

/// The port of a URL without a port.
const PORT_DEFAULT: u16 = 5_432;
/// The form of the URL, for error texts.
pub(super) const FORM: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";
/// Restricts names to the server's own functions and tables. Where any role may create objects in the admin's database
/// (the default up to version 14), an app could create a function that shadows one of the server's, and have it run as
/// admin.
const OWN_NAMES_ONLY: &str = "SET search_path = pg_catalog, pg_temp";
/// Pause between two checks whether a terminated session has ended.
const SESSION_END_POLL: Duration = Duration::from_millis(50);

/// The operator's PostgreSQL server, version 13 or later.
#[derive(Clone)]
pub(super) struct PostgresqlServer {
    /// The login: a superuser, or a role that may create roles and databases.
    admin: Config,
    /// The address that apps connect to.
    pub(super) reach: Endpoint,
}

/// Prints no login.
impl fmt::Debug for PostgresqlServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresqlServer")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl PostgresqlServer {
    /// The server at a URL. Apps connect to `reach`, or to the URL's address.
    pub(super) fn new(url: &str, reach: Option<Endpoint>) -> Result<Self, ServiceConfigError> {
        let schemes = ["postgres://", "postgresql://"];
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(ServiceConfigError::Url(FORM));
        }
        let mut admin: Config = url.parse().map_err(|_| ServiceConfigError::Url(FORM))?;
        if admin.get_ssl_mode() == SslMode::Require {
            return Err(ServiceConfigError::Tls);
        }
        admin.ssl_mode(SslMode::Disable);
        admin.connect_timeout(SERVER_CONNECT_TIMEOUT);
        Ok(PostgresqlServer {
            reach: reach.map_or_else(|| login_address(&admin), Ok)?,
            admin,
        })
    }

    fn failed(&self, why: String) -> ProvisionError {
        ProvisionError::Failed {
            service: AddonService::Postgresql,
            place: self.reach.to_string(),
            why,
        }
    }

    /// The error for a failed login.
    fn connect_error(&self, error: Error) -> ProvisionError {
        let (service, place) = (AddonService::Postgresql, self.reach.to_string());
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
            None => error_cause(error),
        };
        ProvisionError::Unreachable {
            service,
            place,
            why,
        }
    }

    /// The error for a failed statement.
    pub(super) fn statement_error(&self, error: Error) -> ProvisionError {
        let said = error.as_db_error().map(|said| said.message().to_owned());
        self.failed(said.unwrap_or_else(|| error_cause(error)))
    }

    /// Opens a session for an add-on, ends earlier sessions of the same add-on, and runs `work`.
    pub(super) async fn with_session<T>(
        &self,
        addon: &NewAddon,
        work: impl AsyncFnOnce(&Client) -> Result<T, ProvisionError>,
    ) -> Result<T, ProvisionError> {
        let session = format!("dyno add-on {}", addon.name);
        let mut config = self.admin.clone();
        config.application_name(&session);
        let connected = config.connect(NoTls).await;
        let (client, connection) = connected.map_err(|error| self.connect_error(error))?;
        let work = async move {
            self.run_statement(&client, OWN_NAMES_ONLY).await?;
            self.end_other_sessions(&client, &session).await?;
            // The connection ends when its client is dropped.
            work(&client).await
        };
        let (done, _) = tokio::join!(work, connection);
        done
    }

    async fn end_other_sessions(
        &self,
        client: &Client,
        session: &str,
    ) -> Result<(), ProvisionError> {
        // Restricted to our own user: any user may give a session this name.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = $1 AND usename = current_user AND pid <> pg_backend_pid()";
        loop {
            let left = client.query(end, &[&session]).await;
            if left
                .map_err(|error| self.statement_error(error))?
                .is_empty()
            {
                return Ok(());
            }
            tokio::time::sleep(SESSION_END_POLL).await;
        }
    }

    /// Runs one or more statements without a result.
    pub(super) async fn run_statement(
        &self,
        client: &Client,
        statement: &str,
    ) -> Result<(), ProvisionError> {
        let done = client.batch_execute(statement).await;
        done.map_err(|error| self.statement_error(error))
    }

    /// Runs a statement in another database of the server.
    pub(super) async fn run_in_database(
        &self,
        database: String,
        statement: &str,
    ) -> Result<(), ProvisionError> {
        let mut config = self.admin.clone();
        config.dbname(database);
        let connected = config.connect(NoTls).await;
        let (client, connection) = connected.map_err(|error| self.connect_error(error))?;
        let statement = format!("{OWN_NAMES_ONLY}; {statement}");
        let work = async move { self.run_statement(&client, &statement).await };
        let (done, _) = tokio::join!(work, connection);
        done
    }
}

/// The only TCP address of a login.
fn login_address(config: &Config) -> Result<Endpoint, ServiceConfigError> {
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

/// The cause of an error of the client library.
fn error_cause(error: Error) -> String {
    let text = error.to_string();
    error
        .into_source()
        .map_or(text, |source| source.to_string())
}
