//! Which node takes a dyno.
//!
//! Owns the choice between nodes: anti-affinity, capacity, a stable tie-break. Must not know addresses,
//! nor how a node is asked.

use crate::name::{AppName, NodeId, Version};
use crate::observed::{Fetch, Node};
use crate::time::Time;
use std::collections::BTreeMap;

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
    pub slug: Slug,
}

impl Candidate {
    /// The node as a place for a dyno of `release`; its dynos have `memory` bytes, and are so many.
    pub(crate) fn of(
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
                Some(Fetch::Ready) => Slug::Ready,
                Some(Fetch::Asked(_)) => Slug::Coming,
                Some(Fetch::Failed { at, .. }) => Slug::Failed(*at),
                None => Slug::Missing,
            },
        }
    }
}

/// How far a node is with the release of a dyno, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slug {
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
    pub fn fits(&self, memory_bytes: u64) -> bool {
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
pub fn place(
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
        .filter(|c| c.fits(memory_bytes) && Some(&c.node) != shunned);
    let best = fit.min_by_key(|c| {
        let here = siblings.get(&c.node).copied().unwrap_or(0);
        (here, c.slug, c.dynos, u64::MAX - c.free_bytes, &c.node)
    });
    best.map(|c| c.node.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(number: usize) -> NodeId {
        format!("n{number}").parse().expect("valid")
    }

    fn on(numbers: &[usize]) -> BTreeMap<NodeId, u32> {
        let mut homes = BTreeMap::new();
        for number in numbers {
            *homes.entry(node(*number)).or_default() += 1;
        }
        homes
    }

    fn candidate(number: usize, free_bytes: u64, dynos: u32) -> Candidate {
        Candidate {
            node: node(number),
            free_bytes,
            free_dynos: 10,
            dynos,
            slug: Slug::Ready,
        }
    }

    #[test]
    fn one_node_takes_all() {
        let nodes = [candidate(1, 100, 5)];
        assert_eq!(place(&nodes, &on(&[1, 1]), 10), Some(node(1)));
    }

    #[test]
    fn the_second_dyno_goes_elsewhere_or_nowhere() {
        let nodes = [candidate(1, 100, 0), candidate(2, 100, 50)];
        assert_eq!(place(&nodes, &on(&[1]), 10), Some(node(2)));
        let full = [candidate(1, 100, 0), candidate(2, 5, 50)];
        assert_eq!(place(&full, &on(&[1]), 10), None);
        assert_eq!(
            place(&full, &on(&[1, 2]), 10),
            Some(node(1)),
            "two nodes have one already"
        );
    }

    #[test]
    fn ties_go_to_the_first_by_name() {
        let nodes = [candidate(2, 100, 0), candidate(1, 100, 0)];
        assert_eq!(place(&nodes, &on(&[]), 10), Some(node(1)));
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (0u64..100, 0u32..4, 0u32..9);
        prop::collection::vec(one, 0..6).prop_map(|all| {
            let make = |(number, (free_bytes, free_dynos, dynos))| Candidate {
                node: node(number),
                free_bytes,
                free_dynos,
                dynos,
                slug: [
                    Slug::Ready,
                    Slug::Coming,
                    Slug::Missing,
                    Slug::Failed(Time::ZERO),
                ][number % 4],
            };
            all.into_iter().enumerate().map(make).collect()
        })
    }

    proptest! {
        #[test]
        fn whoever_is_chosen_has_room_and_keeps_siblings_apart(
            nodes in candidates(), homes in prop::collection::vec(0usize..6, 0..5), need in 0u64..100,
        ) {
            let siblings = on(&homes);
            if let Some(chosen) = place(&nodes, &siblings, need) {
                let candidate = nodes.iter().find(|c| c.node == chosen).expect("a candidate");
                prop_assert!(candidate.fits(need));
                let together = siblings.keys().eq([&chosen]);
                prop_assert!(!(together && nodes.len() >= 2));
            } else if siblings.is_empty() {
                prop_assert!(!nodes.iter().any(|c| c.fits(need)));
            }
        }

        #[test]
        fn the_order_of_nodes_does_not_matter(
            nodes in candidates(), homes in prop::collection::vec(0usize..6, 0..5), need in 0u64..100,
        ) {
            let siblings = on(&homes);
            let mut reversed = nodes.clone();
            reversed.reverse();
            prop_assert_eq!(place(&nodes, &siblings, need), place(&reversed, &siblings, need));
        }
    }
}
