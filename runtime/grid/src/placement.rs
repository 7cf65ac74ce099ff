//! Which node takes a dyno.
//!
//! Owns the choice between nodes: anti-affinity, capacity, a stable tie-break. Must not know addresses,
//! nor how a node is asked.

use std::collections::BTreeMap;

use crate::name::{AppName, NodeId, Version};
use crate::observed::{FetchState, Node};
use crate::time::Time;

/// A live node, as a place for dynos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub node: NodeId,
    /// Memory that is not set aside for any dyno, in bytes.
    pub free_bytes: u64,
    /// Dynos that it can take besides those it has.
    pub free_dynos: u32,
    /// Dynos that it has.
    pub dynos: u32,
    /// How far it is with the release.
    pub slug: SlugPresence,
}

impl Candidate {
    /// The node as a place for a dyno of `release`; its dynos have `memory` bytes, and are so many.
    pub(crate) fn from_node(
        id: &NodeId,
        node: &Node,
        release: &(AppName, Version),
        (memory, dynos): (u64, u32),
    ) -> Candidate {
        Candidate {
            node: id.clone(),
            free_bytes: node.memory_bytes.saturating_sub(memory),
            free_dynos: node.dynos_max.saturating_sub(dynos),
            dynos,
            slug: match node.releases.get(release) {
                Some(FetchState::Ready) => SlugPresence::Ready,
                Some(FetchState::Requested(_)) => SlugPresence::Coming,
                Some(FetchState::Failed { at, .. }) => SlugPresence::Failed(*at),
                None => SlugPresence::Missing,
            },
        }
    }
}

/// How far a node is with the release of a dyno, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlugPresence {
    /// A dyno can start.
    Ready,
    /// It is on its way.
    Coming,
    /// The node was never asked.
    Missing,
    /// The node could not have it at this time; whoever was asked longest ago is asked first.
    Failed(Time),
}

impl Candidate {
    /// Whether a dyno of this size fits.
    pub fn has_room_for(&self, memory_bytes: u64) -> bool {
        self.free_dynos > 0 && self.free_bytes >= memory_bytes
    }
}

/// The node for a dyno of this size, given how many siblings (same app, process type and release) sit on
/// each node; none if no node may take it.
///
/// Hard: the dyno fits; and siblings that all share one node are not joined there while two nodes live,
/// so that from two dynos up one node's death leaves one. Else the node with the fewest siblings, then
/// the one that is furthest with the release (so that a choice, once made, stays), then with the fewest
/// dynos, then with the most free memory, then the first by name.
pub fn choose_node(
    nodes: &[Candidate],
    siblings: &BTreeMap<NodeId, u32>,
    memory_bytes: u64,
) -> Option<NodeId> {
    let together = nodes.len() >= 2 && siblings.len() == 1;
    let shunned = if together {
        siblings.keys().next()
    } else {
        None
    };
    let fit = nodes
        .iter()
        .filter(|c| c.has_room_for(memory_bytes) && Some(&c.node) != shunned);
    let best = fit.min_by_key(|c| {
        let here = siblings.get(&c.node).copied().unwrap_or(0);
        (here, c.slug, c.dynos, u64::MAX - c.free_bytes, &c.node)
    });
    best.map(|c| c.node.clone())
}

#[cfg(test)]
mod tests;
