//! The choice of a node for a dyno.
//!
//! Owns the rules: capacity, siblings on different nodes, a stable tie-break. Must not know addresses, or how a node is
//! told.

use std::collections::BTreeMap;

use crate::name::{AppName, NodeId, ReleaseId};
use crate::observed::{FetchState, Node};
use crate::time::Time;

/// A live node that may take a dyno.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The name of the node.
    pub node: NodeId,
    /// Memory that is not set aside for any dyno, in bytes.
    pub free_bytes: u64,
    /// Further dynos that the node can take.
    pub free_dynos: u32,
    /// Dynos that the node has.
    pub dynos: u32,
    /// How far the node is with the release.
    pub slug: SlugPresence,
}

impl Candidate {
    /// The node as a candidate for a dyno of `release`. Its dynos take `memory` bytes together, and there are `dynos`
    /// of them.
    pub(crate) fn from_node(
        id: &NodeId,
        node: &Node,
        release: &(AppName, ReleaseId),
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

/// How far a node is with the release of a dyno, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlugPresence {
    /// A dyno can start.
    Ready,
    /// The node fetches the slug.
    Coming,
    /// The node was never told to fetch the slug.
    Missing,
    /// The node could not get the slug at this time. The oldest failure is tried first.
    Failed(Time),
}

impl Candidate {
    /// Whether a dyno of this size fits.
    pub fn has_room_for(&self, memory_bytes: u64) -> bool {
        self.free_dynos > 0 && self.free_bytes >= memory_bytes
    }
}

/// The node for a dyno with this much memory in bytes; none if no node may take it. `siblings` counts the dynos of the
/// same app, process type and release on each node.
///
/// The node must have room. If all siblings share one node and another node is alive, the dyno does not join them, so
/// that from two dynos up the death of one node leaves a dyno. Among the rest, the order is: fewest siblings, furthest
/// with the release (so that a choice, once made, stays), fewest dynos, most free memory, first name.
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
