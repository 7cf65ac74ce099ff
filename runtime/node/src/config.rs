//! The configuration of a node: the operator's settings, checked once, before anything starts.
//!
//! Owns the forms and the defaults. Must not know the command line, the environment, or the effect of a setting.

mod file;
mod local;
mod server;
mod services;
mod settings;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dyno::EgressOpening;

pub use file::SettingsFileError;
pub use local::LocalSettings;
pub use services::{ServiceError, ServiceSettings};
pub use settings::{ServerSettings, SettingsError};
pub use values::{HourlyPrice, HourlyPriceError, TimeOrOff, TimeOrOffError};

pub(crate) use local::{LocalConfig, open_loopback};
pub(crate) use server::ServerConfig;

/// The socket on which a node accepts connections.
#[derive(Debug)]
pub enum ListenOn {
    /// At this address; port 0 takes a free one.
    Address(SocketAddr),
    /// On this socket, which listens already. A parent process has passed it on.
    Socket(std::net::TcpListener),
}

/// A node's settings, checked. [`RunningNode::spawn`](crate::RunningNode::spawn) takes it.
#[derive(Debug)]
pub struct NodeConfig {
    pub(crate) listen: ListenOn,
    pub(crate) egress_allow: Vec<EgressOpening>,
    pub(crate) kind: NodeKind,
}

/// How long the parts of a node may take to finish when it is drained.
#[derive(Clone, Copy, Debug)]
pub struct DrainGrace {
    /// For running requests.
    pub requests: Duration,
    /// For dynos, after the requests.
    pub dynos: Duration,
}

/// The two uses of a node.
#[derive(Debug)]
pub(crate) enum NodeKind {
    /// One app on a developer's machine. Nothing outlives the run, and there is no API.
    Local(LocalConfig),
    /// A server: apps, releases and tokens are kept in a data folder, and changed by the API.
    Server(Box<ServerConfig>),
}

impl NodeConfig {
    /// Makes the router accept connections on a socket that a parent process has passed on.
    pub fn listen_on(&mut self, socket: std::net::TcpListener) {
        self.listen = ListenOn::Socket(socket);
    }

    /// Makes the API accept connections on a socket that a parent process has passed on. A node without an API drops
    /// it.
    pub fn listen_for_api_on(&mut self, socket: std::net::TcpListener) {
        if let NodeKind::Server(server) = &mut self.kind {
            server.api = ListenOn::Socket(socket);
        }
    }

    /// The address on which the router listens for requests to apps, unless a socket was passed on.
    pub fn listen_address(&self) -> Option<SocketAddr> {
        self.listen.address()
    }

    /// The address where the API is to answer, unless there is none or a socket was passed on.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.server().and_then(|server| server.api.address())
    }

    /// The domain below which each app has a hostname; none: the node serves one app on every hostname.
    pub fn domain(&self) -> Option<&str> {
        self.server().map(|server| server.domain.as_str())
    }

    /// The folder of a server's state.
    pub fn data_folder(&self) -> Option<&Path> {
        self.server().map(|server| server.data_folder.as_path())
    }

    /// The folder in which a server keeps the apps' logs, if it is not the data folder.
    pub fn log_folder(&self) -> Option<&Path> {
        self.server()?.log_folder.as_deref()
    }

    /// The servers on which apps get databases and caches: service and place of each, without secrets.
    pub fn offered_services(&self) -> Vec<(String, String)> {
        let servers = self.server().map(|server| server.addon_servers.offered());
        let offered = servers.into_iter().flatten();
        offered
            .map(|(service, place)| (service.to_string(), place))
            .collect()
    }

    /// The time limits for finishing work when the node is drained.
    pub fn drain_grace(&self) -> DrainGrace {
        match &self.kind {
            NodeKind::Local(_) => local::DRAIN_GRACE,
            NodeKind::Server(server) => DrainGrace {
                requests: server.drain_grace,
                dynos: server.drain_grace,
            },
        }
    }

    fn server(&self) -> Option<&ServerConfig> {
        match &self.kind {
            NodeKind::Server(server) => Some(server),
            NodeKind::Local(_) => None,
        }
    }
}

impl ListenOn {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            ListenOn::Address(address) => Some(*address),
            ListenOn::Socket(_) => None,
        }
    }
}

/// A path that stays the same when the process changes its folder.
fn absolute_path(path: &Path) -> Result<PathBuf, SettingsError> {
    std::path::absolute(path).map_err(|source| SettingsError::Path {
        path: path.to_owned(),
        source,
    })
}
