//! The servers whose services apps can have: the tables `[services.NAME]` of the settings, or variables of the
//! environment.
//!
//! Owns their form. What is said of a wrong one never holds a URL, which is a secret; so there are no flags for them,
//! since everybody on a machine may read those.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use control::addons::{AddonServers, MemcachedService, PostgresqlService, RedisService};
use grid::name::Endpoint;
use serde::Deserialize;

use crate::term;

/// What of a file's mode lets others than its owner in.
const OTHERS: u32 = 0o077;
/// Before the names of variables: `DYNO_SERVICE_POSTGRESQL` is a URL, and `DYNO_SERVICE_POSTGRESQL_REACH` the address
/// that apps dial.
const VARIABLE: &str = "DYNO_SERVICE_";

/// The tables as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Services {
    postgresql: Option<Table>,
    redis: Option<Table>,
    memcached: Option<Table>,
}

/// One table; each service has its part of it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: Option<String>,
    reach: Option<String>,
    connections: Option<u32>,
    servers: Option<Vec<String>>,
}

/// Without the URL.
impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Table { … }")
    }
}

impl Services {
    /// With what the environment says, which wins.
    pub(super) fn with_environment(
        mut self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Services> {
        let text = |name: &str| {
            let name = format!("{VARIABLE}{name}");
            let value = variable(&name).filter(|value| !value.is_empty());
            let text = value.map(|value| value.into_string()).transpose();
            // The value may be a secret, or hold one.
            text.map_err(|_| anyhow::anyhow!("{name} is not UTF-8"))
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

    /// Tells an operator whose file with logins others may read.
    pub(super) fn warn_of_readers(&self, file: &Path) {
        let tables = [&self.postgresql, &self.redis];
        let has_login = tables
            .into_iter()
            .flatten()
            .any(|table| table.url.is_some());
        let mode = file.metadata().map_or(0, |file| file.permissions().mode());
        if has_login && mode & OTHERS != 0 {
            let file = file.display();
            term::warning(&format!(
                "others on this machine may read {file}, which holds logins: chmod 600 {file}"
            ));
        }
    }

    /// The servers, checked; nothing is asked of them.
    pub(super) fn servers(&self) -> Result<AddonServers> {
        let mut servers = AddonServers::default();
        if let Some(table) = &self.postgresql {
            let server = postgresql(table).context("in [services.postgresql]")?;
            servers = servers.with_postgresql(server);
        }
        if let Some(table) = &self.redis {
            servers = servers.with_redis(redis(table).context("in [services.redis]")?);
        }
        if let Some(table) = &self.memcached {
            let server = memcached(table).context("in [services.memcached]")?;
            servers = servers.with_memcached(server);
        }
        Ok(servers)
    }
}

fn postgresql(table: &Table) -> Result<PostgresqlService> {
    if table.servers.is_some() {
        bail!("`servers` is for memcached: give a `url`");
    }
    let url = table.url.as_deref().context("there is no `url`")?;
    Ok(PostgresqlService::new(
        url,
        reach(table)?,
        table.connections,
    )?)
}

fn redis(table: &Table) -> Result<RedisService> {
    if table.servers.is_some() || table.connections.is_some() {
        bail!("there are only `url` and `reach`");
    }
    let url = table.url.as_deref().context("there is no `url`")?;
    Ok(RedisService::new(url, reach(table)?)?)
}

fn memcached(table: &Table) -> Result<MemcachedService> {
    if table.url.is_some() || table.reach.is_some() || table.connections.is_some() {
        bail!("there are only `servers`, such as [\"127.0.0.1:11211\"]");
    }
    let servers = table.servers.as_deref().context("there are no `servers`")?;
    let servers: Result<Vec<Endpoint>> = servers.iter().map(|text| endpoint(text)).collect();
    Ok(MemcachedService::new(servers.context("in `servers`")?)?)
}

fn reach(table: &Table) -> Result<Option<Endpoint>> {
    let reach = table.reach.as_deref().map(endpoint).transpose();
    reach.context("in `reach`")
}

fn endpoint(text: &str) -> Result<Endpoint> {
    Ok(text.parse::<Endpoint>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AddonServers> {
        toml::from_str::<Services>(text)?.servers()
    }

    fn offered(servers: &AddonServers) -> Vec<String> {
        let offered = servers.offered();
        offered
            .map(|(service, place)| format!("{service} {place}"))
            .collect()
    }

    #[test]
    fn a_table_a_service() {
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
    fn the_environment_wins_and_needs_no_file() {
        let file: Services = toml::from_str("[redis]\nurl = \"redis://old\"\n").expect("tables");
        let services = file.with_environment(|name| match name {
            "DYNO_SERVICE_REDIS" => Some("redis://new".into()),
            "DYNO_SERVICE_REDIS_REACH" => Some("public:1".into()),
            "DYNO_SERVICE_MEMCACHED" => Some("a:1, b:2".into()),
            "DYNO_SERVICE_POSTGRESQL" => Some("".into()),
            _ => None,
        });
        let servers = services.expect("tables").servers().expect("servers");
        assert_eq!(offered(&servers), ["redis public:1", "memcached a:1,b:2"]);
    }

    #[test]
    fn what_is_wrong_is_named_without_the_secret() {
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
            let error = format!("{:#}", read(text).expect_err(text));
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
