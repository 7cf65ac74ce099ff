//! The errors of add-ons and their servers.
//!
//! Owns the error texts that operators and app owners read. Must not know when an error occurs.

use crate::handle::ControlError;
use grid::desired::AddonService;

/// Maximum number of memcached servers: each is contacted before an add-on is created.
pub(super) const MEMCACHED_SERVERS_MAX: usize = 16;

/// The reason for which the settings of a server are not valid. The text contains no part of a URL, which is a
/// secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceConfigError {
    /// The URL cannot be parsed.
    #[error("the URL is not of the form {0}")]
    Url(&'static str),
    /// The URL requires TLS.
    #[error("TLS to this service is not supported yet: use a server on a network of your own")]
    Tls,
    /// The URL has no address that apps could connect to.
    #[error("the URL names no single HOST:PORT: give the address that apps are to dial as `reach`")]
    Address,
    /// The list of servers is empty or too long.
    #[error("give 1 to {max} servers", max = MEMCACHED_SERVERS_MAX)]
    Servers,
    /// The limit on connections is outside the allowed range.
    #[error("`connections` is a number from 1 to 10000")]
    Connections,
}

/// The reason for which an add-on was not created, or not destroyed. The text is for the app's owner, and contains
/// no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// The operator has configured no server for this service.
    #[error(
        "this server offers no {0}: its operator can name one in the settings, as [services.{0}]"
    )]
    NotOffered(AddonService),
    /// The service's server cannot be reached.
    #[error("the {service} server at {place} cannot be reached ({why}): try again later")]
    Unreachable {
        /// The service.
        service: AddonService,
        /// Its address.
        place: String,
        /// Such as `Connection refused`.
        why: String,
    },
    /// The server rejects the platform's login.
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
    /// The server has an object of this name that does not belong to the add-on.
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
    /// The server refused a command, or the connection was lost.
    #[error("the {service} server at {place} failed: {why}")]
    Failed {
        /// The service.
        service: AddonService,
        /// Its address.
        place: String,
        /// The server's message.
        why: String,
    },
    /// The time limit was exceeded.
    #[error("the {service} server at {place} did not answer in time: try again later")]
    Timeout {
        /// The service.
        service: AddonService,
        /// Its address.
        place: String,
    },
    /// The add-on was removed meanwhile, or could not be written to the ledger.
    #[error("the add-on was not kept: {0}")]
    Overtaken(String),
}

impl ProvisionError {
    /// Whether an attempt that failed with this error has created nothing on the server.
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

/// The reason for which a request for an add-on failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AddonError {
    /// The change was rejected or could not be written. Nothing was created.
    #[error(transparent)]
    Refused(#[from] ControlError),
    /// The service's server failed.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
}
