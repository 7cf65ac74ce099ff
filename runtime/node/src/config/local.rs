//! The settings of a node for one app on a developer's machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dyno::EgressOpening;
use grid::name::AppName;
use slugs::store::Store;

use super::{DrainGrace, ListenOn, NodeConfig, NodeKind};
use crate::log_queue::NodeLogWriter;

/// Ctrl-C ends the local runner within a second.
pub(super) const DRAIN_GRACE: DrainGrace = DrainGrace {
    requests: Duration::from_millis(300),
    dynos: Duration::from_millis(100),
};

/// Addresses of this machine. The developer is its operator, so apps may connect to them.
const LOOPBACK: [(IpAddr, u8); 2] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// The settings of a node for one app.
pub struct LocalSettings {
    /// The app; it answers on every hostname.
    pub app: AppName,
    /// The address on which the app is served.
    pub listen: SocketAddr,
    /// Destinations that apps may connect to, besides public addresses and loopback.
    pub egress_allow: Vec<EgressOpening>,
    /// The slugs that are deployed.
    pub slugs: Arc<Store>,
    /// A folder of this run alone: for the dynos' own files, and for responses that slow clients have not read.
    pub run_folder: PathBuf,
    /// Compiled code, kept between runs.
    pub compiled_folder: PathBuf,
    /// Takes all log lines.
    pub log: Box<dyn NodeLogWriter>,
}

/// A checked [`LocalSettings`].
pub(crate) struct LocalConfig {
    pub(crate) app: AppName,
    pub(crate) slugs: Arc<Store>,
    pub(crate) run_folder: PathBuf,
    pub(crate) compiled_folder: PathBuf,
    pub(crate) log: Box<dyn NodeLogWriter>,
}

impl LocalSettings {
    /// A node with these settings.
    pub fn build(self) -> NodeConfig {
        NodeConfig {
            listen: ListenOn::Address(self.listen),
            egress_allow: open_loopback(&self.egress_allow),
            kind: NodeKind::Local(LocalConfig {
                app: self.app,
                slugs: self.slugs,
                run_folder: self.run_folder,
                compiled_folder: self.compiled_folder,
                log: self.log,
            }),
        }
    }
}

/// Loopback, and what else is open.
pub(crate) fn open_loopback(further: &[EgressOpening]) -> Vec<EgressOpening> {
    let loopback = LOOPBACK.map(|(address, bits)| EgressOpening::network(address, bits));
    loopback
        .into_iter()
        .chain(further.iter().copied())
        .collect()
}

impl std::fmt::Debug for LocalConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalConfig")
            .field("app", &self.app)
            .field("run_folder", &self.run_folder)
            .finish_non_exhaustive()
    }
}
