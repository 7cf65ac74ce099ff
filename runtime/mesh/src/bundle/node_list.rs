//! The nodes of a grid: names, addresses, and which of them run the engine.
//!
//! Owns which lists of nodes make a grid. Must not know certificates and secrets.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use grid::name::{NodeId, NodeIdError};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::ServerName;

/// The port of the mesh, unless a node's address names another one.
pub const MESH_PORT: u16 = 7330;
/// Maximum number of nodes in a bundle: every node has a connection to every other one.
const NODES_MAX: usize = 256;

/// What a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    /// The engine and dynos.
    Engine,
    /// The engine only: the third machine of a grid of two.
    Witness,
    /// Dynos only.
    Client,
}

impl NodeRole {
    /// Whether a node of this role runs a server of the engine.
    pub fn runs_engine(self) -> bool {
        matches!(self, NodeRole::Engine | NodeRole::Witness)
    }
}

/// One node of a grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridNode {
    /// The name, which is also the name in its certificate.
    pub name: NodeId,
    /// The address and port at which the other nodes reach its mesh.
    pub address: SocketAddr,
    /// What the node runs.
    pub role: NodeRole,
}

/// Text that is no `NAME=ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridNodeError {
    /// No `=`.
    #[error("{0:?} is not a node: write NAME=ADDRESS, as in a=10.0.0.1")]
    Shape(String),
    /// The part before the `=` is no name.
    #[error("a node is NAME=ADDRESS, as in a=10.0.0.1")]
    Name(#[source] NodeIdError),
    /// The name cannot stand in a certificate.
    #[error(
        "{0} cannot be the name of a node of a grid: use letters, digits and -, as in a or n1.example.com, and no IP address"
    )]
    CertificateName(NodeId),
    /// The part after the `=` is no address.
    #[error(
        "{address:?} is not the address of node {node}: write its IP address, as in {node}=10.0.0.1 or {node}=10.0.0.1:{MESH_PORT}"
    )]
    Address {
        /// The node.
        node: NodeId,
        /// The text, at most 64 characters of it.
        address: String,
    },
    /// Nothing can be reached at the address.
    #[error(
        "other machines cannot reach node {node} at {address}: write the IP address of this one machine"
    )]
    Unreachable {
        /// The node.
        node: NodeId,
        /// The address.
        address: IpAddr,
    },
}

/// `NAME=ADDRESS` or `NAME=ADDRESS:PORT`. The role is [`NodeRole::Client`].
impl FromStr for GridNode {
    type Err = GridNodeError;

    fn from_str(text: &str) -> Result<Self, GridNodeError> {
        let clip = |text: &str| text.chars().take(64).collect::<String>();
        let (name, address) = text
            .split_once('=')
            .ok_or_else(|| GridNodeError::Shape(clip(text)))?;
        let name: NodeId = name.parse().map_err(GridNodeError::Name)?;
        let bare = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let parsed = bare.unwrap_or(address).parse::<IpAddr>();
        let parsed = parsed.map(|ip| SocketAddr::new(ip, MESH_PORT));
        let Ok(parsed) = parsed.or_else(|_| address.parse::<SocketAddr>()) else {
            let (node, address) = (name, clip(address));
            return Err(GridNodeError::Address { node, address });
        };
        let node = GridNode {
            name,
            address: parsed,
            role: NodeRole::Client,
        };
        node.check()?;
        Ok(node)
    }
}

impl GridNode {
    /// Checks that the name can stand in a certificate, and that the address is one of a machine.
    pub(super) fn check(&self) -> Result<(), GridNodeError> {
        let in_certificate = ServerName::try_from(self.name.as_str());
        if !matches!(in_certificate, Ok(ServerName::DnsName(_))) {
            return Err(GridNodeError::CertificateName(self.name.clone()));
        }
        let address = self.address.ip();
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        if address.is_unspecified() || address.is_multicast() || broadcast {
            let node = self.name.clone();
            return Err(GridNodeError::Unreachable { node, address });
        }
        if self.address.port() == 0 {
            let (node, address) = (self.name.clone(), self.address.to_string());
            return Err(GridNodeError::Address { node, address });
        }
        Ok(())
    }
}

/// The number of nodes that run the engine. An even number survives no more deaths than the odd one below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineCount {
    /// Three: the grid survives the death of one.
    Three,
    /// Five: the grid survives the death of two, and each change of an app takes longer.
    Five,
}

impl EngineCount {
    const fn number(self) -> usize {
        match self {
            EngineCount::Three => 3,
            EngineCount::Five => 5,
        }
    }
}

/// Nodes that are no grid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeListError {
    /// A node is not valid by itself.
    #[error("a node of the grid is not valid")]
    Node(#[from] GridNodeError),
    /// Two nodes have one name.
    #[error("two nodes are named {0}: give each node a name of its own")]
    RepeatedName(NodeId),
    /// Two nodes have one IP address.
    #[error("{first} and {second} have one address, {address}: each node is a machine of its own")]
    RepeatedAddress {
        /// A node.
        first: NodeId,
        /// The other one.
        second: NodeId,
        /// The address.
        address: IpAddr,
    },
    /// Exactly two nodes.
    #[error(
        "with two nodes, the death of either one stops every change: add a third node, or a small machine that only votes with --witness NAME=ADDRESS"
    )]
    TwoNodes,
    /// Not enough nodes for the engine.
    #[error("{count} of the nodes can run the engine, and it needs {needed}: add more nodes")]
    TooFew {
        /// The number of nodes.
        count: usize,
        /// The number that is needed.
        needed: usize,
    },
    /// Neither three nor five nodes run the engine.
    #[error("{0} nodes run the engine: it runs on three or five nodes, and all others are clients")]
    EngineCount(usize),
    /// Too many nodes.
    #[error("{0} nodes: a grid has at most {NODES_MAX}")]
    TooMany(usize),
}

/// Reads the arguments of `dyno grid init`: the first nodes run the engine, with the witness if there is one, and all
/// further nodes are clients.
pub fn plan_nodes(
    nodes: &[impl AsRef<str>],
    witness: Option<&str>,
    engine: EngineCount,
) -> Result<Vec<GridNode>, NodeListError> {
    let parsed: Result<Vec<GridNode>, GridNodeError> =
        nodes.iter().map(|text| text.as_ref().parse()).collect();
    let mut parsed = parsed?;
    let needed = engine.number() - usize::from(witness.is_some());
    for node in parsed.iter_mut().take(needed) {
        node.role = NodeRole::Engine;
    }
    if let Some(witness) = witness {
        let mut witness: GridNode = witness.parse()?;
        witness.role = NodeRole::Witness;
        parsed.push(witness);
    }
    check_places(&parsed)?;
    let count = parsed.len();
    if count == 2 {
        return Err(NodeListError::TwoNodes);
    }
    if count < engine.number() {
        let needed = engine.number();
        return Err(NodeListError::TooFew { count, needed });
    }
    check_nodes(&parsed)?;
    Ok(parsed)
}

/// Checks that nodes make a grid: names and addresses of their own, three or five of them with the engine.
pub fn check_nodes(nodes: &[GridNode]) -> Result<(), NodeListError> {
    check_places(nodes)?;
    let engines = nodes.iter().filter(|node| node.role.runs_engine()).count();
    if engines != EngineCount::Three.number() && engines != EngineCount::Five.number() {
        return Err(NodeListError::EngineCount(engines));
    }
    Ok(())
}

/// Checks the number, the names and the addresses of nodes.
fn check_places(nodes: &[GridNode]) -> Result<(), NodeListError> {
    if nodes.len() > NODES_MAX {
        return Err(NodeListError::TooMany(nodes.len()));
    }
    let mut names = BTreeSet::new();
    for (at, node) in nodes.iter().enumerate() {
        node.check()?;
        if !names.insert(&node.name) {
            return Err(NodeListError::RepeatedName(node.name.clone()));
        }
        let address = node.address.ip();
        let earlier = nodes[..at].iter();
        if let Some(first) = earlier
            .into_iter()
            .find(|other| other.address.ip() == address)
        {
            return Err(NodeListError::RepeatedAddress {
                first: first.name.clone(),
                second: node.name.clone(),
                address,
            });
        }
    }
    Ok(())
}
