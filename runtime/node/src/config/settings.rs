//! A server's settings: from optional values, as flags and file give them, to a checked configuration.
//!
//! Owns the defaults and the bounds. Must not know the source of a value, nor its effect.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use api::ApiHost;
use dyno::EgressOpening;
use grid::name::{Hostname, HostnameError};
use grid::plan::Policy;
use grid::usage::DynoPrices;
use router::TrustedProxy;

use super::services::{ServiceError, ServiceSettings};
use super::values::{HourlyPrice, TimeOrOff};
use super::{ListenOn, NodeConfig, NodeKind, ServerConfig, absolute_path};

/// The default listening address of apps.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The default listening address of the API.
const API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
/// The default domain of apps. Browsers and most resolvers send all of `*.localhost` to this machine.
const DOMAIN: &str = "localhost";
/// A handler dyno without requests gives its memory back after this time, by default.
const IDLE_AFTER: Duration = Duration::from_secs(30 * 60);
/// How long running requests may take to finish when the server is stopped, by default.
const DRAIN_GRACE: Duration = Duration::from_secs(30);
/// Longest grace: whoever stops a server does not wait for ever.
const DRAIN_GRACE_MAX: Duration = Duration::from_secs(600);
/// Longest time until a dyno sleeps or is replaced. A longer one is a slip of the finger.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);
/// Most releases of an app that can be kept; the flag has the same bound.
const RELEASES_KEPT_MAX: u32 = 1_000;
/// Most openings: each is compared whenever an app connects.
const OPENINGS_MAX: usize = 256;
/// Most trusted proxies: each is compared whenever a client connects.
const PROXIES_MAX: usize = 256;

/// A server's settings as the operator gives them. A setting that is not given has its default.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// The folder of the server's state; the only setting that has to be given.
    pub data_folder: Option<PathBuf>,
    /// The listening address of apps.
    pub listen: Option<SocketAddr>,
    /// The listening address of the API.
    pub api: Option<SocketAddr>,
    /// The domain below which each app has a hostname.
    pub domain: Option<String>,
    /// Releases of an app that can be rolled back to.
    pub releases_kept: Option<u32>,
    /// When a dyno without requests goes to sleep.
    pub idle_after: Option<TimeOrOff>,
    /// When a dyno is replaced by a fresh one.
    pub cycle_after: Option<TimeOrOff>,
    /// The price of each dyno of an app beyond the free ones.
    pub price: Option<HourlyPrice>,
    /// Dynos of an app that cost nothing.
    pub free_dynos: Option<u32>,
    /// How long running requests may take to finish when the server is stopped.
    pub drain_grace: Option<Duration>,
    /// Destinations that apps may connect to, besides public addresses.
    pub egress_allow: Vec<EgressOpening>,
    /// Hosts at which the API answers, beside loopback and its own addresses.
    pub api_hosts: Vec<ApiHost>,
    /// The folder of the apps' logs.
    pub log_folder: Option<PathBuf>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// The servers on which add-ons (databases and caches) are created.
    pub services: ServiceSettings,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No data folder is given.
    #[error("the server has no folder for its data")]
    NoDataFolder,
    /// A relative path cannot be resolved.
    #[error("cannot tell where {} is", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A time is zero.
    #[error("{0} must be longer than nothing, or off")]
    TimeZero(&'static str),
    /// A time is too long.
    #[error("{0} is more than a year: write off")]
    TimeTooLong(&'static str),
    /// Apps cannot have hostnames below this domain.
    #[error("{domain:?} is not a domain under which apps can have names: write example.com")]
    Domain {
        /// The domain.
        domain: String,
        /// The error in the hostname of an app below this domain.
        #[source]
        source: HostnameError,
    },
    /// The number of releases is out of bounds.
    #[error("keep-releases is {0}: write 1 to {RELEASES_KEPT_MAX}")]
    ReleasesKept(u32),
    /// A list is too long.
    #[error("{name} has {count} entries, and at most {max}")]
    ListTooLong {
        /// The setting.
        name: &'static str,
        /// How many entries there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// The grace is too long.
    #[error(
        "grace is {}, and at most {}",
        humantime::format_duration(*.0),
        humantime::format_duration(DRAIN_GRACE_MAX)
    )]
    DrainGrace(Duration),
    /// A server for databases or caches cannot be used.
    #[error("in [services.{name}]")]
    Service {
        /// The service.
        name: &'static str,
        /// The error in the service's settings.
        #[source]
        source: ServiceError,
    },
}

impl ServerSettings {
    /// These settings, and where there are none those of `other`. A list takes the place of the whole other list.
    #[must_use]
    pub fn or(self, other: ServerSettings) -> ServerSettings {
        fn or_list<T>(list: Vec<T>, other: Vec<T>) -> Vec<T> {
            if list.is_empty() { other } else { list }
        }
        ServerSettings {
            data_folder: self.data_folder.or(other.data_folder),
            listen: self.listen.or(other.listen),
            api: self.api.or(other.api),
            domain: self.domain.or(other.domain),
            releases_kept: self.releases_kept.or(other.releases_kept),
            idle_after: self.idle_after.or(other.idle_after),
            cycle_after: self.cycle_after.or(other.cycle_after),
            price: self.price.or(other.price),
            free_dynos: self.free_dynos.or(other.free_dynos),
            drain_grace: self.drain_grace.or(other.drain_grace),
            egress_allow: or_list(self.egress_allow, other.egress_allow),
            api_hosts: or_list(self.api_hosts, other.api_hosts),
            log_folder: self.log_folder.or(other.log_folder),
            trusted_proxies: or_list(self.trusted_proxies, other.trusted_proxies),
            services: self.services.or(other.services),
        }
    }

    /// A server with these settings.
    ///
    /// # Errors
    /// A setting is out of bounds, or there is no data folder.
    pub fn build(self) -> Result<NodeConfig, SettingsError> {
        let data_folder = self.data_folder.ok_or(SettingsError::NoDataFolder)?;
        let log_folder = self.log_folder.as_deref().map(absolute_path).transpose()?;
        check_length("egress-allow", self.egress_allow.len(), OPENINGS_MAX)?;
        check_length("trust-proxy", self.trusted_proxies.len(), PROXIES_MAX)?;
        let idle_after = self.idle_after.unwrap_or(TimeOrOff::After(IDLE_AFTER));
        let cycle_after = self.cycle_after.unwrap_or(TimeOrOff::Off);
        let server = ServerConfig {
            data_folder: absolute_path(&data_folder)?,
            log_folder,
            api: ListenOn::Address(self.api.unwrap_or(API)),
            api_hosts: self.api_hosts,
            domain: check_domain(self.domain.as_deref().unwrap_or(DOMAIN))?,
            policy: Policy {
                idle_after: check_time("idle-after", idle_after)?,
                cycle_after: check_time("cycle", cycle_after)?,
                releases_kept: check_releases_kept(self.releases_kept)?,
            },
            prices: prices(self.price, self.free_dynos),
            drain_grace: check_drain_grace(self.drain_grace.unwrap_or(DRAIN_GRACE))?,
            trusted_proxies: self.trusted_proxies.into(),
            addon_servers: self.services.build()?,
        };
        Ok(NodeConfig {
            listen: ListenOn::Address(self.listen.unwrap_or(LISTEN)),
            egress_allow: self.egress_allow,
            kind: NodeKind::Server(Box::new(server)),
        })
    }
}

fn check_length(name: &'static str, count: usize, max: usize) -> Result<(), SettingsError> {
    match count > max {
        true => Err(SettingsError::ListTooLong { name, count, max }),
        false => Ok(()),
    }
}

fn check_time(name: &'static str, time: TimeOrOff) -> Result<Option<Duration>, SettingsError> {
    match time {
        TimeOrOff::Off => Ok(None),
        TimeOrOff::After(time) if time.is_zero() => Err(SettingsError::TimeZero(name)),
        TimeOrOff::After(time) if time > TIME_MAX => Err(SettingsError::TimeTooLong(name)),
        TimeOrOff::After(time) => Ok(Some(time)),
    }
}

/// A domain below which apps can have hostnames is a hostname itself.
fn check_domain(text: &str) -> Result<Hostname, SettingsError> {
    let refused = |source| SettingsError::Domain {
        domain: text.to_owned(),
        source,
    };
    let _app: Hostname = format!("app.{text}").parse().map_err(refused)?;
    text.to_ascii_lowercase().parse().map_err(refused)
}

fn check_releases_kept(kept: Option<u32>) -> Result<usize, SettingsError> {
    match kept {
        None => Ok(Policy::default().releases_kept),
        Some(kept) if (1..=RELEASES_KEPT_MAX).contains(&kept) => Ok(kept as usize),
        Some(kept) => Err(SettingsError::ReleasesKept(kept)),
    }
}

fn check_drain_grace(grace: Duration) -> Result<Duration, SettingsError> {
    match grace > DRAIN_GRACE_MAX {
        true => Err(SettingsError::DrainGrace(grace)),
        false => Ok(grace),
    }
}

fn prices(price: Option<HourlyPrice>, free_dynos: Option<u32>) -> DynoPrices {
    let default = DynoPrices::default();
    DynoPrices {
        free_dynos: free_dynos.unwrap_or(default.free_dynos),
        micros_per_hour: price.map_or(default.micros_per_hour, |price| price.0),
    }
}

#[cfg(test)]
mod tests;
