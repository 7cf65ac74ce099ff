//! Add-ons: services of the operator's servers, made for apps.
//!
//! Owns which servers there are, and the [`Keeper`], the one task that makes and destroys what the ledger says. Must
//! not know HTTP, nor what an app does with its services.
//!
//! # Nothing is half made
//!
//! What is to be made is in the ledger before anything is: its name and its password. A keeper that finds an add-on
//! *creating* makes it, finds what an earlier one has made of it, or takes that back; one that finds it *destroying*
//! goes on until nothing is left. So a server may be killed at any time. Each operation may be done again: see the
//! modules of the services for how each knows its own from what is somebody else's.
//!
//! | task | ends |
//! |---|---|
//! | the keeper, which waits for the ledger, for time, and for what it has begun | when whoever runs it drops it |
//! | one for each add-on that is made or destroyed, eight at a time; one that tends | by itself, or with the keeper |
//!
//! Each operation has a time limit, and none is waited for by the reconciler: what came of one is a command of its own.

mod keeper;
mod memcached;
mod postgresql;
mod redis;

pub use keeper::{AddonError, Addons, Destroyed, Keeper};
pub use memcached::Memcached;
pub use postgresql::Postgresql;
pub use redis::Redis;

use futures_util::future::BoxFuture;
use grid::desired::{AddonDetails, AddonService, NewAddon, SecretText};
use grid::name::{AddonName, Endpoint};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Until a service's server has accepted a connection, and its login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of chance in a password, and in a name that nobody chose.
const PASSWORD_BYTES: usize = 24;
const NAME_BYTES: usize = 4;

/// Why a server's settings cannot be used. The text names no part of a URL, which is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The URL cannot be read.
    #[error("the URL is not of the form {0}")]
    Url(&'static str),
    /// It asks for TLS.
    #[error("TLS to this service is not supported yet: use a server on a network of your own")]
    Tls,
    /// It names no address that apps could dial.
    #[error("the URL names no single HOST:PORT: give the address that apps are to dial as `reach`")]
    Address,
    /// A list of servers is empty, or too long.
    #[error("give 1 to {max} servers", max = memcached::SERVERS_MAX)]
    Servers,
    /// A limit on connections is none.
    #[error("`connections` is a number from 1 to 10000")]
    Connections,
}

/// Why an add-on was not made, or not destroyed. The text is for its app's owner, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// The operator named no server for this service.
    #[error(
        "this server offers no {0}: its operator can name one in the settings, as [services.{0}]"
    )]
    NotOffered(AddonService),
    /// There is no way to the service's server.
    #[error("the {service} server at {place} cannot be reached ({why}): try again later")]
    Unreachable {
        /// The service.
        service: AddonService,
        /// Its address.
        place: String,
        /// Such as `Connection refused`.
        why: String,
    },
    /// It does not let the platform in.
    #[error(
        "the {service} server at {place} refuses the platform's login: its operator has to check \
         [services.{service}]"
    )]
    Login {
        /// The service.
        service: AddonService,
        /// Its address.
        place: String,
    },
    /// Somebody else has what the add-on would be called.
    #[error(
        "the {service} server has {what} already, of somebody else: give another name with --name"
    )]
    Taken {
        /// The service.
        service: AddonService,
        /// Such as `a role dyno_shop`.
        what: String,
    },
    /// No database number is free.
    #[error("the redis server has no empty database left: destroy an add-on that is not needed")]
    Full,
    /// The server refused something, or went away in the midst of it.
    #[error("the {service} server at {place} failed: {why}")]
    Failed {
        /// The service.
        service: AddonService,
        /// Its address.
        place: String,
        /// What it said.
        why: String,
    },
    /// It took too long.
    #[error("the {service} server at {place} did not answer in time: try again later")]
    Timeout {
        /// The service.
        service: AddonService,
        /// Its address.
        place: String,
    },
    /// It was taken back meanwhile, or could not be written down.
    #[error("the add-on was not kept: {0}")]
    Overtaken(String),
}

impl ProvisionError {
    /// Whether an attempt that ended like this has made nothing.
    fn made_nothing(&self) -> bool {
        match self {
            ProvisionError::NotOffered(_)
            | ProvisionError::Unreachable { .. }
            | ProvisionError::Login { .. }
            | ProvisionError::Taken { .. }
            | ProvisionError::Full => true,
            ProvisionError::Failed { .. }
            | ProvisionError::Timeout { .. }
            | ProvisionError::Overtaken(_) => false,
        }
    }
}

/// A server of the operator's that makes services for apps. Everything may be done twice.
trait Server: fmt::Debug + Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> String;

    /// Makes what an add-on is, or completes it. `numbers` are those of Redis databases that others have.
    fn create<'a>(
        &'a self,
        addon: &'a NewAddon,
        numbers: &'a BTreeSet<u16>,
    ) -> BoxFuture<'a, Result<AddonDetails, ProvisionError>>;

    /// Removes all that there is of an add-on, and nothing of anybody else's.
    fn destroy<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: Option<&'a AddonDetails>,
    ) -> BoxFuture<'a, Result<(), ProvisionError>>;

    /// Restores what the server may have forgotten of an add-on that is there.
    fn tend<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: &'a AddonDetails,
    ) -> BoxFuture<'a, Result<(), ProvisionError>>;
}

/// The operator's servers, at most one for each service.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    all: BTreeMap<AddonService, Arc<dyn Server>>,
}

impl Servers {
    /// With this PostgreSQL server.
    pub fn with_postgresql(mut self, server: Postgresql) -> Self {
        self.all.insert(AddonService::Postgresql, Arc::new(server));
        self
    }

    /// With this Redis server.
    pub fn with_redis(mut self, server: Redis) -> Self {
        self.all.insert(AddonService::Redis, Arc::new(server));
        self
    }

    /// With these memcached servers.
    pub fn with_memcached(mut self, servers: Memcached) -> Self {
        self.all.insert(AddonService::Memcached, Arc::new(servers));
        self
    }

    /// The services that are offered, and where their servers are.
    pub fn offered(&self) -> impl Iterator<Item = (AddonService, String)> {
        let all = self.all.iter();
        all.map(|(service, server)| (*service, server.place()))
    }

    fn get(&self, service: AddonService) -> Result<&Arc<dyn Server>, ProvisionError> {
        let server = self.all.get(&service);
        server.ok_or(ProvisionError::NotOffered(service))
    }
}

/// What a role, a database or a user of an add-on is called.
fn identifier(addon: &AddonName) -> String {
    format!("dyno_{}", addon.as_str().replace('-', "_"))
}

/// The address that a URL or an operator names.
fn endpoint(host: &str, port: u16) -> Result<Endpoint, ConfigError> {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let endpoint = format!("{host}:{port}").parse();
    endpoint.map_err(|_| ConfigError::Address)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new password: 192 bits as hexadecimal digits, so that it needs no escapes in a URL.
pub(crate) fn password() -> SecretText {
    SecretText(hex(&crate::random::bytes::<PASSWORD_BYTES>()).into())
}

/// A name for an add-on that nobody named.
pub(crate) fn name(service: AddonService) -> AddonName {
    let chance = hex(&crate::random::bytes::<NAME_BYTES>());
    let name = format!("{service}-{chance}").parse();
    name.expect("a service's name and digits are a name")
}
