//! A server's settings after the checks.

use std::path::PathBuf;
use std::time::Duration;

use api::ApiHost;
use control::addons::AddonServers;
use grid::name::Hostname;
use grid::plan::Policy;
use grid::usage::DynoPrices;
use router::TrustedProxies;

use super::ListenOn;

/// The parts of a server that a node of one app does not have.
#[derive(Debug)]
pub(crate) struct ServerConfig {
    pub(crate) data_folder: PathBuf,
    /// None: in the data folder.
    pub(crate) log_folder: Option<PathBuf>,
    pub(crate) api: ListenOn,
    /// Hosts at which the API answers, besides loopback and its own addresses.
    pub(crate) api_hosts: Vec<ApiHost>,
    /// Below which each app has a hostname.
    pub(crate) domain: Hostname,
    pub(crate) policy: Policy,
    pub(crate) prices: DynoPrices,
    pub(crate) drain_grace: Duration,
    /// Proxies whose forwarding headers are believed.
    pub(crate) trusted_proxies: TrustedProxies,
    /// The servers on which add-ons (databases and caches) are created.
    pub(crate) addon_servers: AddonServers,
}
