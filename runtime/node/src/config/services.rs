//! The database and cache servers of the operator: the tables `[services.NAME]` of the settings file, or environment
//! variables.
//!
//! Owns their form. No error quotes a URL, which may hold a password. For the same reason there are no flags: every user
//! of a machine can read the flags of a process.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use control::addons::{
    AddonServers, MemcachedService, PostgresqlService, RedisService, ServiceConfigError,
};
use grid::name::{Endpoint, EndpointError};
use serde::Deserialize;

use super::settings::SettingsError;

/// The bits of a file's mode that let others than its owner read or write it.
const MODE_OF_OTHERS: u32 = 0o077;
/// Start of the variables' names: `DYNO_SERVICE_POSTGRESQL` is a URL, and `DYNO_SERVICE_POSTGRESQL_REACH` the address
/// that apps dial.
const VARIABLE_PREFIX: &str = "DYNO_SERVICE_";

/// The tables as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    postgresql: Option<ServiceTable>,
    redis: Option<ServiceTable>,
    memcached: Option<ServiceTable>,
}

/// One table. Each service uses some of the keys.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    url: Option<String>,
    reach: Option<String>,
    connections: Option<u32>,
    servers: Option<Vec<String>>,
}

/// Why a server for databases or caches cannot be used. No text holds a URL.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A variable is in another encoding. Its value may be a secret.
    #[error("{0} is not UTF-8")]
    VariableNotUtf8(String),
    /// A key does not belong in this service's table.
    #[error("{0}")]
    UnknownKey(&'static str),
    /// A key is missing.
    #[error("there is no `{0}`")]
    MissingKey(&'static str),
    /// An address cannot be read.
    #[error("in `{key}`")]
    Address {
        /// The key.
        key: &'static str,
        /// The error in the address.
        #[source]
        source: EndpointError,
    },
    /// The service does not take these values.
    #[error(transparent)]
    Config(#[from] ServiceConfigError),
}

impl std::fmt::Debug for ServiceTable {
    /// Without the URL.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceTable { … }")
    }
}

impl ServiceSettings {
    /// These tables, with the variables of the environment over them. An empty variable counts as unset.
    ///
    /// # Errors
    /// A variable is not UTF-8.
    pub fn with_environment(
        mut self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<ServiceSettings, ServiceError> {
        let text = |name: &str| {
            let name = format!("{VARIABLE_PREFIX}{name}");
            let value = variable(&name).filter(|value| !value.is_empty());
            let text = value.map(OsString::into_string).transpose();
            text.map_err(|_| ServiceError::VariableNotUtf8(name))
        };
        for (name, table) in [
            ("POSTGRESQL", &mut self.postgresql),
            ("REDIS", &mut self.redis),
        ] {
            if let Some(url) = text(name)? {
                table.get_or_insert_default().url = Some(url);
            }
            if let Some(reach) = text(&format!("{name}_REACH"))? {
                table.get_or_insert_default().reach = Some(reach);
            }
        }
        if let Some(servers) = text("MEMCACHED")? {
            let servers = servers.split(',').map(|server| server.trim().to_owned());
            self.memcached.get_or_insert_default().servers = Some(servers.collect());
        }
        Ok(self)
    }

    /// Whether a file that these tables come from holds a login, and other users of the machine may read the file.
    pub fn exposes_logins(&self, file: &Path) -> bool {
        let mut tables = [&self.postgresql, &self.redis].into_iter().flatten();
        let has_login = tables.any(|table| table.url.is_some());
        let mode = file.metadata().map_or(0, |file| file.permissions().mode());
        has_login && mode & MODE_OF_OTHERS != 0
    }

    /// These tables, and those of `other` that are missing here.
    pub(super) fn or(self, other: ServiceSettings) -> ServiceSettings {
        ServiceSettings {
            postgresql: self.postgresql.or(other.postgresql),
            redis: self.redis.or(other.redis),
            memcached: self.memcached.or(other.memcached),
        }
    }

    /// The servers, checked. No connection is opened.
    pub(super) fn build(&self) -> Result<AddonServers, SettingsError> {
        let mut servers = AddonServers::default();
        if let Some(table) = &self.postgresql {
            let server = build_postgresql(table).map_err(in_table("postgresql"))?;
            servers = servers.with_postgresql(server);
        }
        if let Some(table) = &self.redis {
            servers = servers.with_redis(build_redis(table).map_err(in_table("redis"))?);
        }
        if let Some(table) = &self.memcached {
            let server = build_memcached(table).map_err(in_table("memcached"))?;
            servers = servers.with_memcached(server);
        }
        Ok(servers)
    }
}

fn in_table(name: &'static str) -> impl Fn(ServiceError) -> SettingsError {
    move |source| SettingsError::Service { name, source }
}

fn build_postgresql(table: &ServiceTable) -> Result<PostgresqlService, ServiceError> {
    if table.servers.is_some() {
        let text = "`servers` is for memcached: give a `url`";
        return Err(ServiceError::UnknownKey(text));
    }
    let url = table
        .url
        .as_deref()
        .ok_or(ServiceError::MissingKey("url"))?;
    Ok(PostgresqlService::new(
        url,
        parse_reach(table)?,
        table.connections,
    )?)
}

fn build_redis(table: &ServiceTable) -> Result<RedisService, ServiceError> {
    if table.servers.is_some() || table.connections.is_some() {
        return Err(ServiceError::UnknownKey("there are only `url` and `reach`"));
    }
    let url = table
        .url
        .as_deref()
        .ok_or(ServiceError::MissingKey("url"))?;
    Ok(RedisService::new(url, parse_reach(table)?)?)
}

fn build_memcached(table: &ServiceTable) -> Result<MemcachedService, ServiceError> {
    if table.url.is_some() || table.reach.is_some() || table.connections.is_some() {
        let text = "there are only `servers`, such as [\"127.0.0.1:11211\"]";
        return Err(ServiceError::UnknownKey(text));
    }
    let servers = table.servers.as_deref();
    let servers = servers.ok_or(ServiceError::MissingKey("servers"))?;
    let servers = servers.iter().map(|text| parse_address("servers", text));
    let servers: Result<Vec<Endpoint>, _> = servers.collect();
    Ok(MemcachedService::new(servers?)?)
}

fn parse_reach(table: &ServiceTable) -> Result<Option<Endpoint>, ServiceError> {
    let reach = table.reach.as_deref();
    reach.map(|text| parse_address("reach", text)).transpose()
}

fn parse_address(key: &'static str, text: &str) -> Result<Endpoint, ServiceError> {
    text.parse()
        .map_err(|source| ServiceError::Address { key, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AddonServers, SettingsError> {
        let tables: ServiceSettings = toml::from_str(text).expect("tables");
        tables.build()
    }

    fn offered(servers: &AddonServers) -> Vec<String> {
        let offered = servers.offered();
        offered
            .map(|(service, place)| format!("{service} {place}"))
            .collect()
    }

    #[test]
    fn each_service_has_a_table() {
        let servers = read(
            "[postgresql]\nurl = \"postgres://me:hunter2@10.0.0.1/postgres\"\nconnections = 5\n\
             [redis]\nurl = \"redis://:hunter2@10.0.0.2\"\nreach = \"cache.internal:7000\"\n\
             [memcached]\nservers = [\"10.0.0.3:11211\", \"[::1]:11211\"]\n",
        );
        let servers = servers.expect("servers");
        assert_eq!(
            offered(&servers),
            [
                "postgresql 10.0.0.1:5432",
                "redis cache.internal:7000",
                "memcached 10.0.0.3:11211,[::1]:11211"
            ]
        );
        assert!(!format!("{servers:?}").contains("hunter2"));
    }

    #[test]
    fn environment_overrides_the_file_and_needs_none() {
        let file: ServiceSettings =
            toml::from_str("[redis]\nurl = \"redis://old\"\n").expect("tables");
        let services = file.with_environment(|name| match name {
            "DYNO_SERVICE_REDIS" => Some("redis://new".into()),
            "DYNO_SERVICE_REDIS_REACH" => Some("public:1".into()),
            "DYNO_SERVICE_MEMCACHED" => Some("a:1, b:2".into()),
            "DYNO_SERVICE_POSTGRESQL" => Some("".into()),
            _ => None,
        });
        let servers = services.expect("tables").build().expect("servers");
        assert_eq!(offered(&servers), ["redis public:1", "memcached a:1,b:2"]);
    }

    #[test]
    fn error_names_the_mistake_without_the_password() {
        for (text, named) in [
            ("[postgresql]\nurl = \"hunter2\"", "postgres://USER"),
            ("[postgresql]\nreach = \"a:1\"", "no `url`"),
            ("[redis]\nurl = \"rediss://:hunter2@a\"", "TLS"),
            (
                "[redis]\nurl = \"redis://:hunter2@a\"\nreach = \"a\"",
                "HOST:PORT",
            ),
            (
                "[redis]\nurl = \"redis://:hunter2@a\"\nconnections = 3",
                "only",
            ),
            ("[memcached]\nservers = []", "1 to 16"),
            ("[memcached]\nurl = \"hunter2\"", "only"),
        ] {
            let error = grid::text::error_chain(&read(text).expect_err(text));
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
