//! Redis: a user for each add-on, which may use only names with its prefix; or a database number, where there are no
//! users (before version 6). Version 6.0 has users without channels, and is refused.
//!
//! Owns the commands. A user is known as an add-on's by the digest of its password. Users are set in one command, so
//! that none is ever there by halves. A database number is taken by nothing but the ledger: there is nothing to make.

use super::backend::{AddonServer, SERVER_CONNECT_TIMEOUT};
use super::error::{ProvisionError, ServiceConfigError};
use super::names::{endpoint, hex, identifier};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use grid::desired::{AddonDetails, AddonService, ConfigVars, NewAddon};
use grid::name::Endpoint;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisError,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Until a command is answered.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Keys that are looked at, and removed, in one command.
const KEYS_PER_STEP: usize = 1_000;
/// Database numbers that are given to add-ons; 0 is everybody's, and a server has 16 unless it is told otherwise.
const NUMBERS: std::ops::Range<u16> = 1..16;
const FORM: &str = "redis://USER:PASSWORD@HOST:PORT";

/// What a user may do beside what its prefix limits: everything but what concerns the server or others. A list of
/// names, other databases, and what scripts and functions leave behind would show or change what is others'. INFO shows
/// numbers of the server as a whole; clients ask for its version.
const RIGHTS: [&str; 16] = [
    "+@all",
    "-@admin",
    "-@dangerous",
    "-@scripting",
    "-scan",
    "-randomkey",
    "-dbsize",
    "-move",
    "-copy",
    "-pubsub",
    "-select",
    "-client",
    "+select|0",
    "+info",
    "+eval",
    "+evalsha",
];
/// What is allowed besides where the server knows it.
const RIGHTS_IF_KNOWN: [&str; 12] = [
    "+sort_ro",
    "+client|setname",
    "+client|getname",
    "+client|setinfo",
    "+client|id",
    "+client|info",
    "+client|reply",
    "+client|no-touch",
    "+eval_ro",
    "+evalsha_ro",
    "+script|load",
    "+script|exists",
];

/// The operator's Redis server.
#[derive(Clone)]
pub struct RedisService {
    /// How to log in: as somebody who may do everything.
    admin: ConnectionInfo,
    /// What apps dial.
    reach: Endpoint,
}

/// Without the login.
impl fmt::Debug for RedisService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

/// Whose a user is.
enum RedisUserOwner {
    /// There are no users at all.
    NoUsers,
    Nobody,
    Ours,
    Another,
}

impl RedisService {
    /// The server at a URL, which apps dial at `reach` if that is another address.
    pub fn new(url: &str, reach: Option<Endpoint>) -> Result<Self, ServiceConfigError> {
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
        Ok(RedisService {
            reach: reach.map_or_else(address, Ok)?,
            admin,
        })
    }

    /// Logs in, to a database.
    async fn connect(&self, number: u16) -> Result<MultiplexedConnection, ProvisionError> {
        let login = self.admin.redis_settings().clone().set_db(number.into());
        let admin = self.admin.clone().set_redis_settings(login);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(SERVER_CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connected = async {
            let client = Client::open(admin)?;
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await
        };
        connected.await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &RedisError) -> ProvisionError {
        let (service, place) = (AddonService::Redis, self.address());
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

    fn refused(&self, error: &RedisError) -> ProvisionError {
        ProvisionError::Failed {
            service: AddonService::Redis,
            place: self.address(),
            why: error.to_string(),
        }
    }

    async fn ask<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
        words: &[&str],
    ) -> Result<T, ProvisionError> {
        let mut command = redis::Cmd::new();
        command.arg(words);
        let answer = command.query_async(connection).await;
        answer.map_err(|error| match error.code() {
            Some("NOAUTH" | "NOPERM") => self.unreachable(&error),
            _ => self.refused(&error),
        })
    }

    async fn owner(
        &self,
        connection: &mut MultiplexedConnection,
        addon: &NewAddon,
    ) -> Result<RedisUserOwner, ProvisionError> {
        let mut command = redis::cmd("ACL");
        command.arg("GETUSER").arg(identifier(&addon.name));
        let found: Result<Option<BTreeMap<String, redis::Value>>, RedisError> =
            command.query_async(connection).await;
        let user = match found {
            Ok(None) => return Ok(RedisUserOwner::Nobody),
            Ok(Some(user)) => user,
            Err(error) if is_unknown_command(&error) => return Ok(RedisUserOwner::NoUsers),
            Err(error) if error.code() == Some("NOPERM") => return Err(self.unreachable(&error)),
            Err(error) => return Err(self.refused(&error)),
        };
        let digests = user.get("passwords").cloned();
        let digests = digests.map(Vec::<String>::from_redis_value).transpose();
        let digests = digests.ok().flatten().unwrap_or_default();
        let own = hex(&Sha256::digest(addon.password.0.as_bytes()));
        Ok(match digests.contains(&own) {
            true => RedisUserOwner::Ours,
            false => RedisUserOwner::Another,
        })
    }

    async fn make(
        &self,
        addon: &NewAddon,
        numbers: &BTreeSet<u16>,
    ) -> Result<AddonDetails, ProvisionError> {
        let mut connection = self.connect(0).await?;
        match self.owner(&mut connection, addon).await? {
            RedisUserOwner::NoUsers => self.take_number(numbers).await,
            RedisUserOwner::Another => Err(ProvisionError::Taken {
                service: AddonService::Redis,
                what: format!("a user {}", identifier(&addon.name)),
            }),
            RedisUserOwner::Nobody | RedisUserOwner::Ours => {
                self.set_user(&mut connection, addon).await?;
                let (user, password) = (identifier(&addon.name), &addon.password.0);
                let url = format!("redis://{user}:{password}@{}/0", self.reach);
                Ok(self.made(url, &prefix(addon), None))
            }
        }
    }

    fn made(&self, url: String, prefix: &str, number: Option<u16>) -> AddonDetails {
        let values = [("URL", url), ("PREFIX", prefix.to_owned())];
        let values = values.map(|(ending, value)| (ending.to_owned(), value));
        AddonDetails {
            values: ConfigVars(Arc::new(BTreeMap::from(values))),
            reach: Arc::new(BTreeSet::from([self.reach.clone()])),
            number,
        }
    }

    async fn set_user(
        &self,
        connection: &mut MultiplexedConnection,
        addon: &NewAddon,
    ) -> Result<(), ProvisionError> {
        let (user, prefix) = (identifier(&addon.name), prefix(addon));
        let (keys, channels) = (format!("~{prefix}*"), format!("&{prefix}*"));
        // The digest instead of the password: what the server logs tells nobody.
        let password = format!("#{}", hex(&Sha256::digest(addon.password.0.as_bytes())));
        let mut words = vec!["ACL", "SETUSER", &user, "reset", "on", &password];
        words.extend([keys.as_str(), "resetchannels", channels.as_str()]);
        words.extend(RIGHTS);
        let () = self.ask(connection, &words).await?;
        for right in RIGHTS_IF_KNOWN {
            let mut command = redis::cmd("ACL");
            command.arg(&["SETUSER", &user, right]);
            let set: Result<(), RedisError> = command.query_async(connection).await;
            match set {
                Err(error) if error.is_io_error() => return Err(self.refused(&error)),
                // An older server does not know the command that this is about.
                Ok(()) | Err(_) => {}
            }
        }
        self.keep_users(connection).await;
        Ok(())
    }

    /// Has the server keep its users over a restart, if it has a file for them; if not, they are set again by
    /// [`Server::tend`].
    async fn keep_users(&self, connection: &mut MultiplexedConnection) {
        let kept: Result<(), RedisError> =
            redis::cmd("ACL").arg("SAVE").query_async(connection).await;
        drop(kept);
    }

    /// The first database that is nobody's, and empty.
    async fn take_number(&self, numbers: &BTreeSet<u16>) -> Result<AddonDetails, ProvisionError> {
        for number in NUMBERS.filter(|number| !numbers.contains(number)) {
            let mut connection = match self.connect(number).await {
                Ok(connection) => connection,
                // A server may have fewer.
                Err(error @ ProvisionError::Login { .. }) => return Err(error),
                Err(_) => break,
            };
            let keys: u64 = self.ask(&mut connection, &["DBSIZE"]).await?;
            if keys == 0 {
                let login = self.admin.redis_settings();
                let user = login.username().unwrap_or_default();
                let password = login.password().unwrap_or_default();
                let login = match password.is_empty() {
                    true => String::new(),
                    false => format!("{}:{}@", escaped(user), escaped(password)),
                };
                let url = format!("redis://{login}{}/{number}", self.reach);
                return Ok(self.made(url, "", Some(number)));
            }
        }
        Err(ProvisionError::Full)
    }

    async fn remove(
        &self,
        addon: &NewAddon,
        made: Option<&AddonDetails>,
    ) -> Result<(), ProvisionError> {
        if let Some(number) = made.and_then(|made| made.number) {
            let mut connection = self.connect(number).await?;
            return self.remove_keys(&mut connection, "").await;
        }
        let mut connection = self.connect(0).await?;
        let user = identifier(&addon.name);
        match self.owner(&mut connection, addon).await? {
            RedisUserOwner::Ours => {
                // Nobody writes any more; but the user stays, disabled, until its keys are gone.
                let off = ["ACL", "SETUSER", &user, "off"];
                let () = self.ask(&mut connection, &off).await?;
                self.end_sessions(&mut connection, &user).await?;
            }
            // A server that forgot its users has not forgotten their keys.
            RedisUserOwner::Nobody if made.is_some() => {}
            RedisUserOwner::Nobody | RedisUserOwner::NoUsers | RedisUserOwner::Another => {
                return Ok(());
            }
        }
        self.remove_keys(&mut connection, &prefix(addon)).await?;
        let gone = ["ACL", "DELUSER", &user];
        let _: u64 = self.ask(&mut connection, &gone).await?;
        self.keep_users(&mut connection).await;
        Ok(())
    }

    /// Ends connections of a user: one that is logged in already stays so when its user is switched off.
    async fn end_sessions(
        &self,
        connection: &mut MultiplexedConnection,
        user: &str,
    ) -> Result<(), ProvisionError> {
        let end = ["CLIENT", "KILL", "USER", user];
        let _: u64 = self.ask(connection, &end).await?;
        Ok(())
    }

    /// Removes every key with this prefix, some at a time.
    async fn remove_keys(
        &self,
        connection: &mut MultiplexedConnection,
        prefix: &str,
    ) -> Result<(), ProvisionError> {
        let (pattern, count) = (format!("{prefix}*"), KEYS_PER_STEP.to_string());
        let mut cursor = "0".to_owned();
        loop {
            let scan = ["SCAN", &cursor, "MATCH", &pattern, "COUNT", &count];
            let (next, keys): (String, Vec<Vec<u8>>) = self.ask(connection, &scan).await?;
            for keys in keys.chunks(KEYS_PER_STEP) {
                let removed = redis::cmd("UNLINK").arg(keys).query_async(connection).await;
                let _: u64 = removed.map_err(|error| self.refused(&error))?;
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// A server without a file for its users forgets them when it ends.
    async fn restore(&self, addon: &NewAddon) -> Result<(), ProvisionError> {
        let mut connection = self.connect(0).await?;
        match self.owner(&mut connection, addon).await? {
            RedisUserOwner::Nobody => self.set_user(&mut connection, addon).await,
            RedisUserOwner::Ours | RedisUserOwner::NoUsers | RedisUserOwner::Another => Ok(()),
        }
    }
}

/// What every name of an add-on begins with.
fn prefix(addon: &NewAddon) -> String {
    format!("{}:", addon.name)
}

fn is_unknown_command(error: &RedisError) -> bool {
    error.to_string().contains("unknown command")
}

/// All characters of a URL but the unreserved ones of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A part of a URL.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

impl AddonServer for RedisService {
    fn address(&self) -> String {
        self.reach.to_string()
    }

    fn create_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        numbers: &'a BTreeSet<u16>,
    ) -> BoxFuture<'a, Result<AddonDetails, ProvisionError>> {
        self.make(addon, numbers).boxed()
    }

    fn destroy_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: Option<&'a AddonDetails>,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        self.remove(addon, made).boxed()
    }

    fn tend_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: &'a AddonDetails,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        match made.number {
            Some(_) => async { Ok(()) }.boxed(),
            None => self.restore(addon).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_what_apps_dial_and_is_never_shown() {
        let server = RedisService::new("redis://:hunter2@cache.internal", None).expect("a server");
        assert_eq!(server.address(), "cache.internal:6379");
        assert!(!format!("{server:?}").contains("hunter2"));
        let reach = "[::1]:7".parse().expect("an address");
        let other = RedisService::new("redis://127.0.0.1:6380", Some(reach));
        assert_eq!(other.expect("a server").address(), "[::1]:7");
        for (url, error) in [
            ("hunter2", ServiceConfigError::Url(FORM)),
            ("redis://me:hunter2@", ServiceConfigError::Url(FORM)),
            ("rediss://me:hunter2@cache", ServiceConfigError::Tls),
        ] {
            let refused = RedisService::new(url, None).expect_err(url);
            assert_eq!(refused, error, "{url}");
            assert!(!refused.to_string().contains("hunter2"));
        }
        assert_eq!(escaped("a:b@é"), "a%3Ab%40%C3%A9");
    }
}
