//! Why an add-on is not made, or not destroyed.
//!
//! Owns the texts that operators and app owners read. Must not know when an error occurs.

use crate::handle::ControlError;
use grid::desired::AddonService;

/// memcached servers at most: each is asked before an add-on is made.
pub(super) const MEMCACHED_SERVERS_MAX: usize = 16;

/// Why a server's settings cannot be used. The text names no part of a URL, which is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceConfigError {
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
    #[error("give 1 to {max} servers", max = MEMCACHED_SERVERS_MAX)]
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
    pub(super) fn leaves_nothing_behind(&self) -> bool {
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

/// Why an add-on is not as it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AddonError {
    /// The ledger does not take it. Nothing was made.
    #[error(transparent)]
    Refused(#[from] ControlError),
    /// The service's server stood in the way.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
}
