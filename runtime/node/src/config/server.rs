//! A server's settings after the checks.

use std::path::PathBuf;
use std::time::Duration;

use api::ApiHost;
use control::addons::Servers;
use grid::name::Hostname;
use grid::plan::Policy;
use grid::usage::DynoPrices;
use router::TrustedProxies;

use super::ListenOn;

/// What a server has beyond a node of one app.
#[derive(Debug)]
pub(crate) struct ServerConfig {
    pub(crate) data_folder: PathBuf,
    /// None: in the data folder.
    pub(crate) log_folder: Option<PathBuf>,
    pub(crate) api: ListenOn,
    /// Hosts at which the API answers, beside loopback and its own addresses.
    pub(crate) api_hosts: Vec<ApiHost>,
    /// Below which each app has a hostname.
    pub(crate) domain: Hostname,
    pub(crate) policy: Policy,
    pub(crate) prices: DynoPrices,
    pub(crate) drain_grace: Duration,
    /// Proxies whose forwarding headers are believed.
    pub(crate) trusted_proxies: TrustedProxies,
    /// Where apps get databases and caches.
    pub(crate) addon_servers: Servers,
}
