//! Which nodes are heard, and whether silence proves anything.
//!
//! Owns the rule for the time when most nodes are silent at once. Must not know what follows for the dynos of a node.

use std::collections::BTreeSet;

use super::limits::WRITTEN_OFF_AFTER;
use crate::desired::DesiredState;
use crate::name::NodeId;
use crate::observed::{NODE_DEAD_AFTER, ObservedState};
use crate::time::Time;

/// The nodes that can be told to do something, and whether most nodes fell silent at once. Then the fault is probably in
/// the connection of the reconciler, and silence does not prove that a node is dead.
///
/// A node that has left does not count. Neither does a node that died while most others were heard, and that stayed
/// silent for [`WRITTEN_OFF_AFTER`] with most others heard: machines that fail one after the other do not stop the grid
/// from replacing dynos, until an operator removes them.
pub(crate) fn find_live_nodes(
    desired: &DesiredState,
    observed: &ObservedState,
    now: Time,
) -> (BTreeSet<NodeId>, bool) {
    let has_left = |id: &NodeId| desired.left_nodes.contains(id);
    let nodes = observed.nodes.iter().filter(|(id, _)| !has_left(id));
    let mut live = BTreeSet::new();
    let mut deaths = BTreeSet::new();
    for (id, node) in nodes {
        match node.dead_at().filter(|at| *at <= now) {
            Some(at) => drop(deaths.insert((at, id))),
            None => drop(live.insert(id.clone())),
        }
    }
    let unheard = desired.nodes.iter();
    let unheard = unheard.filter(|id| !observed.nodes.contains_key(*id));
    let unheard_since = observed.since + NODE_DEAD_AFTER;
    deaths.extend(unheard.map(|id| (unheard_since, id)));
    let blind = are_most_silent_at_once(live.len(), deaths.iter().map(|(at, _)| *at));
    (live, blind)
}

/// Goes through the deaths of the nodes that are silent now, in order of time.
fn are_most_silent_at_once(live: usize, deaths: impl Iterator<Item = Time>) -> bool {
    let deaths: Vec<Time> = deaths.collect();
    let mut heard = live + deaths.len();
    let mut counted = heard;
    // Deaths after which most nodes were heard so far.
    let mut credible: Vec<Time> = Vec::new();
    for at in deaths {
        let before = credible.len();
        credible.retain(|death| *death + WRITTEN_OFF_AFTER > at);
        counted -= before - credible.len();
        heard -= 1;
        if heard * 2 < counted {
            credible.clear();
        } else {
            credible.push(at);
        }
    }
    heard * 2 < counted
}

#[cfg(test)]
mod tests {
    use super::are_most_silent_at_once;
    use crate::time::Time;

    fn judge(live: usize, deaths: &[u64]) -> bool {
        are_most_silent_at_once(live, deaths.iter().map(|at| Time::from_secs(*at)))
    }

    #[test]
    fn most_of_the_nodes_fall_silent_at_once() {
        assert!(judge(1, &[3, 3]));
        assert!(judge(1, &[3, 5]), "one after the other, but close");
        assert!(judge(2, &[3, 4, 5]));
        assert!(judge(0, &[3]));
    }

    #[test]
    fn half_of_the_nodes_are_heard() {
        assert!(!judge(1, &[3]));
        assert!(!judge(2, &[3, 3]));
        assert!(!judge(1, &[]));
        assert!(!judge(0, &[]));
    }

    #[test]
    fn nodes_that_die_one_after_the_other_stop_counting() {
        assert!(!judge(2, &[3, 15, 20]), "the first one is written off");
        assert!(!judge(1, &[3, 14]));
        assert!(!judge(1, &[3, 14, 25, 36]));
    }

    #[test]
    fn a_node_that_died_shortly_before_most_others_still_counts() {
        assert!(judge(1, &[3, 12, 12]));
        assert!(
            judge(1, &[3, 5, 5, 40]),
            "most were silent when the first would have been written off"
        );
    }
}
