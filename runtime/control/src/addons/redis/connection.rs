//! The operator's Redis server: its address, its login, and connections.
//!
//! Owns the connection, and the meaning of the server's errors. Must not know users and databases of add-ons.

use crate::addons::backend::SERVER_CONNECT_TIMEOUT;
use crate::addons::error::{ProvisionError, ServiceConfigError};
use crate::addons::names::endpoint;
use grid::desired::AddonService;
use grid::name::Endpoint;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisError,
};
use std::fmt;
use std::time::Duration;

/// Time limit of one command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The form of the URL, for error texts.
pub(super) const FORM: &str = "redis://USER:PASSWORD@HOST:PORT";
/// The characters that are escaped in a URL: all but the unreserved ones of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The operator's Redis server.
#[derive(Clone)]
pub(super) struct RedisServer {
    /// The login: a user without restrictions.
    admin: ConnectionInfo,
    /// The address that apps connect to.
    pub(super) reach: Endpoint,
}

/// Prints no login.
impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl RedisServer {
    /// The server at a URL. Apps connect to `reach`, or to the URL's address.
    pub(super) fn new(url: &str, reach: Option<Endpoint>) -> Result<Self, ServiceConfigError> {
        if url.starts_with("rediss://") {
            return Err(ServiceConfigError::Tls);
        }
        if !url.starts_with("redis://") {
            return Err(ServiceConfigError::Url(FORM));
        }
        let admin = url.into_connection_info();
        let admin = admin.map_err(|_| ServiceConfigError::Url(FORM))?;
        let address = || match admin.addr() {
            ConnectionAddr::Tcp(host, port) => endpoint(host, *port),
            _ => Err(ServiceConfigError::Address),
        };
        Ok(RedisServer {
            reach: reach.map_or_else(address, Ok)?,
            admin,
        })
    }

    /// The URL of a database with the operator's own login, for servers without users.
    pub(super) fn database_url(&self, number: u16) -> String {
        let settings = self.admin.redis_settings();
        let user = settings.username().unwrap_or_default();
        let password = settings.password().unwrap_or_default();
        let login = match password.is_empty() {
            true => String::new(),
            false => format!("{}:{}@", escape_url_part(user), escape_url_part(password)),
        };
        format!("redis://{login}{}/{number}", self.reach)
    }

    /// Logs in, and selects a database.
    pub(super) async fn connect(
        &self,
        number: u16,
    ) -> Result<MultiplexedConnection, ProvisionError> {
        let login = self.admin.redis_settings().clone().set_db(number.into());
        let admin = self.admin.clone().set_redis_settings(login);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(SERVER_CONNECT_TIMEOUT))
            .set_response_timeout(Some(COMMAND_TIMEOUT));
        let connected = async {
            let client = Client::open(admin)?;
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await
        };
        connected.await.map_err(|error| self.connect_error(&error))
    }

    /// The error for a failed login.
    pub(super) fn connect_error(&self, error: &RedisError) -> ProvisionError {
        let (service, place) = (AddonService::Redis, self.reach.to_string());
        let login = [Some("NOAUTH"), Some("WRONGPASS"), Some("NOPERM")];
        if error.kind() == ErrorKind::AuthenticationFailed || login.contains(&error.code()) {
            return ProvisionError::Login { service, place };
        }
        let why = if error.is_timeout() {
            "no answer".to_owned()
        } else {
            error.to_string()
        };
        ProvisionError::Unreachable {
            service,
            place,
            why,
        }
    }

    /// The error for a failed command.
    pub(super) fn command_error(&self, error: &RedisError) -> ProvisionError {
        ProvisionError::Failed {
            service: AddonService::Redis,
            place: self.reach.to_string(),
            why: error.to_string(),
        }
    }

    /// Runs a command.
    pub(super) async fn run_command<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
        words: &[&str],
    ) -> Result<T, ProvisionError> {
        let mut command = redis::Cmd::new();
        command.arg(words);
        let answer = command.query_async(connection).await;
        answer.map_err(|error| match error.code() {
            Some("NOAUTH" | "NOPERM") => self.connect_error(&error),
            _ => self.command_error(&error),
        })
    }
}

/// Escapes a part of a URL.
fn escape_url_part(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_part_keeps_unreserved_characters_only() {
        assert_eq!(escape_url_part("a:b@é-._~"), "a%3Ab%40%C3%A9-._~");
    }
}
