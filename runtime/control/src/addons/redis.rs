//! Redis: a user for each add-on, restricted to names with the add-on's prefix; or a database number on servers
//! without users (before version 6). Version 6.0 cannot restrict a user's channels, and is refused.
//!
//! Owns the commands. An add-on's user is recognised by the digest of its password. A user is set in one command,
//! so that it is never incomplete. A database number is only reserved in the ledger: nothing is created on the
//! server.

mod connection;
mod rights;

use super::backend::AddonServer;
use super::error::{ProvisionError, ServiceConfigError};
use super::names::{hex, identifier};
use connection::RedisServer;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use grid::desired::{AddonDetails, AddonService, ConfigVars, NewAddon};
use grid::name::Endpoint;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError};
use rights::{RIGHTS, RIGHTS_IF_KNOWN};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Number of keys that one command scans or removes.
const KEYS_PER_STEP: usize = 1_000;
/// Database numbers for add-ons. Database 0 is shared, and a server has 16 databases by default.
const NUMBERS: std::ops::Range<u16> = 1..16;

/// Creates add-ons on the operator's Redis server.
#[derive(Clone, Debug)]
pub struct RedisService {
    server: RedisServer,
}

/// The owner of a user.
enum RedisUserOwner {
    /// The server has no users.
    NoUsers,
    Nobody,
    Ours,
    Another,
}

impl RedisService {
    /// Creates the service for the server at a URL. Apps connect to `reach`, or to the URL's address.
    pub fn new(url: &str, reach: Option<Endpoint>) -> Result<Self, ServiceConfigError> {
        let server = RedisServer::new(url, reach)?;
        Ok(RedisService { server })
    }

    async fn find_user_owner(
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
            Err(error) if error.code() == Some("NOPERM") => {
                return Err(self.server.connect_error(&error));
            }
            Err(error) => return Err(self.server.command_error(&error)),
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

    async fn create_user_or_database(
        &self,
        addon: &NewAddon,
        numbers: &BTreeSet<u16>,
    ) -> Result<AddonDetails, ProvisionError> {
        let mut connection = self.server.connect(0).await?;
        match self.find_user_owner(&mut connection, addon).await? {
            RedisUserOwner::NoUsers => self.choose_database(numbers).await,
            RedisUserOwner::Another => Err(ProvisionError::Taken {
                service: AddonService::Redis,
                what: format!("a user {}", identifier(&addon.name)),
            }),
            RedisUserOwner::Nobody | RedisUserOwner::Ours => {
                self.set_user(&mut connection, addon).await?;
                let (user, password) = (identifier(&addon.name), &addon.password.0);
                let url = format!("redis://{user}:{password}@{}/0", self.server.reach);
                Ok(self.addon_details(url, &key_prefix(addon), None))
            }
        }
    }

    fn addon_details(&self, url: String, prefix: &str, number: Option<u16>) -> AddonDetails {
        let values = [("URL", url), ("PREFIX", prefix.to_owned())];
        let values = values.map(|(ending, value)| (ending.to_owned(), value));
        AddonDetails {
            values: ConfigVars(Arc::new(BTreeMap::from(values))),
            reach: Arc::new(BTreeSet::from([self.server.reach.clone()])),
            number,
        }
    }

    async fn set_user(
        &self,
        connection: &mut MultiplexedConnection,
        addon: &NewAddon,
    ) -> Result<(), ProvisionError> {
        let (user, prefix) = (identifier(&addon.name), key_prefix(addon));
        let (keys, channels) = (format!("~{prefix}*"), format!("&{prefix}*"));
        // The digest instead of the password, so that the server's logs reveal nothing.
        let password = format!("#{}", hex(&Sha256::digest(addon.password.0.as_bytes())));
        let mut words = vec!["ACL", "SETUSER", &user, "reset", "on", &password];
        words.extend([keys.as_str(), "resetchannels", channels.as_str()]);
        words.extend(RIGHTS);
        let () = self.server.run_command(connection, &words).await?;
        for right in RIGHTS_IF_KNOWN {
            let mut command = redis::cmd("ACL");
            command.arg(&["SETUSER", &user, right]);
            let set: Result<(), RedisError> = command.query_async(connection).await;
            match set {
                Err(error) if error.is_io_error() => return Err(self.server.command_error(&error)),
                // An older server does not know the command.
                Ok(()) | Err(_) => {}
            }
        }
        self.save_users(connection).await;
        Ok(())
    }

    /// Saves the users, if the server has a file for them. If not, [`AddonServer::tend_addon`] sets them again
    /// after a restart.
    async fn save_users(&self, connection: &mut MultiplexedConnection) {
        let kept: Result<(), RedisError> =
            redis::cmd("ACL").arg("SAVE").query_async(connection).await;
        drop(kept);
    }

    /// Chooses the first database that is empty and not used by another add-on.
    async fn choose_database(
        &self,
        numbers: &BTreeSet<u16>,
    ) -> Result<AddonDetails, ProvisionError> {
        for number in NUMBERS.filter(|number| !numbers.contains(number)) {
            let mut connection = match self.server.connect(number).await {
                Ok(connection) => connection,
                // A server may have fewer than 16 databases.
                Err(error @ ProvisionError::Login { .. }) => return Err(error),
                Err(_) => break,
            };
            let keys: u64 = self
                .server
                .run_command(&mut connection, &["DBSIZE"])
                .await?;
            if keys == 0 {
                let url = self.server.database_url(number);
                return Ok(self.addon_details(url, "", Some(number)));
            }
        }
        Err(ProvisionError::Full)
    }

    async fn remove_addon(
        &self,
        addon: &NewAddon,
        made: Option<&AddonDetails>,
    ) -> Result<(), ProvisionError> {
        if let Some(number) = made.and_then(|made| made.number) {
            let mut connection = self.server.connect(number).await?;
            return self.remove_keys(&mut connection, "").await;
        }
        let mut connection = self.server.connect(0).await?;
        let user = identifier(&addon.name);
        match self.find_user_owner(&mut connection, addon).await? {
            RedisUserOwner::Ours => {
                // Disables the user, so that nothing more is written. The user is removed after its keys.
                let off = ["ACL", "SETUSER", &user, "off"];
                let () = self.server.run_command(&mut connection, &off).await?;
                self.end_sessions(&mut connection, &user).await?;
            }
            // A server that lost its users at a restart may still have their keys.
            RedisUserOwner::Nobody if made.is_some() => {}
            RedisUserOwner::Nobody | RedisUserOwner::NoUsers | RedisUserOwner::Another => {
                return Ok(());
            }
        }
        self.remove_keys(&mut connection, &key_prefix(addon))
            .await?;
        let gone = ["ACL", "DELUSER", &user];
        let _: u64 = self.server.run_command(&mut connection, &gone).await?;
        self.save_users(&mut connection).await;
        Ok(())
    }

    /// Ends the connections of a user: disabling a user does not end its connections.
    async fn end_sessions(
        &self,
        connection: &mut MultiplexedConnection,
        user: &str,
    ) -> Result<(), ProvisionError> {
        let end = ["CLIENT", "KILL", "USER", user];
        let _: u64 = self.server.run_command(connection, &end).await?;
        Ok(())
    }

    /// Removes all keys with this prefix, in batches.
    async fn remove_keys(
        &self,
        connection: &mut MultiplexedConnection,
        prefix: &str,
    ) -> Result<(), ProvisionError> {
        let (pattern, count) = (format!("{prefix}*"), KEYS_PER_STEP.to_string());
        let mut cursor = "0".to_owned();
        loop {
            let scan = ["SCAN", &cursor, "MATCH", &pattern, "COUNT", &count];
            let (next, keys): (String, Vec<Vec<u8>>) =
                self.server.run_command(connection, &scan).await?;
            for keys in keys.chunks(KEYS_PER_STEP) {
                let removed = redis::cmd("UNLINK").arg(keys).query_async(connection).await;
                let _: u64 = removed.map_err(|error| self.server.command_error(&error))?;
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Sets the user again: a server without a file for its users loses them at a restart.
    async fn restore_user(&self, addon: &NewAddon) -> Result<(), ProvisionError> {
        let mut connection = self.server.connect(0).await?;
        match self.find_user_owner(&mut connection, addon).await? {
            RedisUserOwner::Nobody => self.set_user(&mut connection, addon).await,
            RedisUserOwner::Ours | RedisUserOwner::NoUsers | RedisUserOwner::Another => Ok(()),
        }
    }
}

/// The prefix of all names of an add-on.
fn key_prefix(addon: &NewAddon) -> String {
    format!("{}:", addon.name)
}

fn is_unknown_command(error: &RedisError) -> bool {
    error.to_string().contains("unknown command")
}

impl AddonServer for RedisService {
    fn address(&self) -> String {
        self.server.reach.to_string()
    }

    fn create_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        numbers: &'a BTreeSet<u16>,
    ) -> BoxFuture<'a, Result<AddonDetails, ProvisionError>> {
        self.create_user_or_database(addon, numbers).boxed()
    }

    fn destroy_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: Option<&'a AddonDetails>,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        self.remove_addon(addon, made).boxed()
    }

    fn tend_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: &'a AddonDetails,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        match made.number {
            Some(_) => async { Ok(()) }.boxed(),
            None => self.restore_user(addon).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::connection::FORM;
    use super::*;

    #[test]
    fn service_url_gives_the_address_and_hides_the_password() {
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
    }
}
