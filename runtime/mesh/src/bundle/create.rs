//! New bundles: of a whole grid, of one more node, and with a renewed certificate.
//!
//! Owns which bundles contain which secrets. Must not know files.

use std::time::SystemTime;

use grid::name::NodeId;

use super::authority::{AuthorityError, GridAuthority};
use super::format::{BUNDLE_VERSION, GridId, NodeBundle};
use super::node_list::{GridNode, NodeListError, NodeRole, check_nodes};
use super::secret::{GridKey, RandomnessError};

/// The bundles of a new grid.
#[derive(Debug)]
pub struct NewGrid {
    /// One bundle for each node, in the order of the nodes.
    pub bundles: Vec<NodeBundle>,
    /// What signs the certificates of later nodes. To be sealed and written into the ledger.
    pub authority: GridAuthority,
}

/// A grid could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateGridError {
    /// The nodes make no grid.
    #[error("these nodes make no grid")]
    Nodes(#[from] NodeListError),
    /// A certificate or secret could not be made.
    #[error("the grid's certificates cannot be made")]
    Authority(#[from] AuthorityError),
    /// No randomness.
    #[error("the grid's identity cannot be made")]
    Randomness(#[from] RandomnessError),
}

/// A node could not be added or renewed.
#[derive(Debug, thiserror::Error)]
pub enum AddNodeError {
    /// The bundle is of another grid than the authority.
    #[error("the bundle is of grid {bundle}, and the authority of grid {authority}")]
    OtherGrid {
        /// The grid of the bundle.
        bundle: GridId,
        /// The grid of the authority.
        authority: GridId,
    },
    /// The node cannot be part of the grid.
    #[error("the node cannot be added")]
    Nodes(#[from] NodeListError),
    /// The node to be renewed is not in the bundle.
    #[error("the grid has no node {0}: add it with `dyno grid add {0}=ADDRESS`")]
    NoSuchNode(NodeId),
    /// The certificate could not be made.
    #[error("the node's certificate cannot be made")]
    Authority(#[from] AuthorityError),
}

/// Makes the bundles of a new grid. `ledger_key` is the key of the ledger that the grid continues, or a new one.
pub fn create_bundles(
    nodes: &[GridNode],
    ledger_key: &GridKey,
    now: SystemTime,
) -> Result<NewGrid, CreateGridError> {
    check_nodes(nodes)?;
    let authority = GridAuthority::generate(GridId::generate()?, now)?;
    let bundles = nodes
        .iter()
        .map(|node| make_bundle(&authority, node, nodes, ledger_key, now));
    let bundles = bundles.collect::<Result<Vec<NodeBundle>, AuthorityError>>()?;
    Ok(NewGrid { bundles, authority })
}

/// Makes the bundle of a further node, which is a client of the engine whatever its entry says. `known` is the bundle of
/// any node of the grid; the other nodes need no new bundles.
pub fn add_node(
    authority: &GridAuthority,
    known: &NodeBundle,
    mut node: GridNode,
    now: SystemTime,
) -> Result<NodeBundle, AddNodeError> {
    check_grid(authority, known)?;
    node.role = NodeRole::Client;
    let mut nodes = known.nodes.clone();
    nodes.push(node.clone());
    check_nodes(&nodes)?;
    let bundle = make_bundle(authority, &node, &nodes, &known.ledger_key, now)?;
    Ok(bundle)
}

/// Makes the bundle of a known node anew, with a new key and a certificate that is valid from now on.
pub fn renew_bundle(
    authority: &GridAuthority,
    known: &NodeBundle,
    node: &NodeId,
    now: SystemTime,
) -> Result<NodeBundle, AddNodeError> {
    check_grid(authority, known)?;
    let entry = known.nodes.iter().find(|entry| entry.name == *node);
    let entry = entry.ok_or_else(|| AddNodeError::NoSuchNode(node.clone()))?;
    let bundle = make_bundle(authority, entry, &known.nodes, &known.ledger_key, now)?;
    Ok(bundle)
}

fn check_grid(authority: &GridAuthority, known: &NodeBundle) -> Result<(), AddNodeError> {
    if known.grid == authority.grid {
        return Ok(());
    }
    Err(AddNodeError::OtherGrid {
        bundle: known.grid,
        authority: authority.grid,
    })
}

fn make_bundle(
    authority: &GridAuthority,
    node: &GridNode,
    nodes: &[GridNode],
    ledger_key: &GridKey,
    now: SystemTime,
) -> Result<NodeBundle, AuthorityError> {
    Ok(NodeBundle {
        version: BUNDLE_VERSION,
        grid: authority.grid,
        node: node.name.clone(),
        nodes: nodes.to_vec(),
        tls: authority.issue(node, now)?,
        ledger_key: ledger_key.clone(),
        engine: authority.engine_access(node),
    })
}
