//! A plan in the making: a copy of what is known, and the steps chosen so far.
//!
//! Owns the room on nodes and which nodes are to be believed dead. Must not know any phase of planning.

use super::{Note, Plan, Policy, Step};
use crate::desired::Desired;
use crate::name::{AppName, DynoId, DynoKey, Generation, NodeId, Run, Version};
use crate::observed::{Fetch, Observed};
use crate::placement::{Candidate, Slug};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// A place on a node for a dyno that cannot start yet, since the node has no slug.
pub(super) struct Reserved {
    pub(super) app: AppName,
    pub(super) dyno: DynoId,
    pub(super) version: Version,
    pub(super) node: NodeId,
}

pub(super) struct Draft {
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) policy: Policy,
    pub(super) now: Time,
    /// Nodes that can be asked for something.
    pub(super) live: BTreeSet<NodeId>,
    /// Whether most nodes are silent, so that silence proves nothing.
    pub(super) blind: bool,
    pub(super) reserved: Vec<Reserved>,
    /// Dynos that make room for others and so count as gone already.
    pub(super) victims: BTreeSet<DynoKey>,
    /// Places that no node may take a dyno for.
    pub(super) no_room: BTreeSet<(AppName, DynoId, Version)>,
    pub(super) notes: BTreeSet<Note>,
    used: BTreeMap<NodeId, (u64, u32)>,
    steps: Vec<Step>,
    wake_at: Option<Time>,
}

impl Draft {
    pub(super) fn new(desired: &Desired, observed: &Observed, policy: &Policy, now: Time) -> Self {
        let speaking = observed.nodes.iter().filter(|(_, node)| !node.silent(now));
        let live: BTreeSet<NodeId> = speaking.map(|(id, _)| id.clone()).collect();
        let known = observed
            .nodes
            .keys()
            .chain(&desired.nodes)
            .collect::<BTreeSet<_>>()
            .len();
        Draft {
            blind: live.len() * 2 < known,
            desired: desired.clone(),
            observed: observed.clone(),
            policy: *policy,
            now,
            live,
            reserved: Vec::new(),
            victims: BTreeSet::new(),
            no_room: BTreeSet::new(),
            notes: BTreeSet::new(),
            used: BTreeMap::new(),
            steps: Vec::new(),
            wake_at: None,
        }
    }

    /// Keeps the steps, and forgets what else was found: it may be otherwise after them.
    pub(super) fn begin_round(&mut self) -> usize {
        self.used.clear();
        for dyno in self.observed.dynos.values() {
            let (memory, count) = self.used.entry(dyno.node.clone()).or_default();
            *memory = memory.saturating_add(dyno.memory_bytes);
            *count += 1;
        }
        self.reserved.clear();
        self.victims.clear();
        self.no_room.clear();
        self.notes.clear();
        self.wake_at = None;
        self.steps()
    }

    /// How many steps are chosen.
    pub(super) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Chooses a step and notes it as carried out.
    pub(super) fn push(&mut self, step: Step) {
        self.observed.issue(&step, &self.desired, self.now);
        match &step {
            Step::Start { node, dyno, .. } => {
                let memory_bytes = self.observed.dynos.get(dyno).map_or(0, |d| d.memory_bytes);
                self.take_room(&node.clone(), memory_bytes);
            }
            Step::Record { fact } => {
                let fits = self.desired.apply(fact);
                debug_assert!(fits.is_ok(), "{fits:?}");
            }
            _ => {}
        }
        self.steps.push(step);
    }

    /// Looks again at this time, or earlier.
    pub(super) fn wake(&mut self, at: Time) {
        if at > self.now {
            self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
        }
    }

    pub(super) fn finish(self) -> Plan {
        Plan {
            steps: self.steps,
            wake_at: self.wake_at,
            notes: self.notes,
        }
    }

    /// Whether the node is to be taken for dead and its dynos for lost.
    pub(super) fn evicted(&self, node: &NodeId) -> bool {
        !self.blind && !self.live.contains(node)
    }

    pub(super) fn next_run(&self) -> Run {
        self.observed.next_run
    }

    pub(super) fn next_generation(&self) -> Generation {
        self.observed.next_generation
    }

    pub(super) fn take_room(&mut self, node: &NodeId, memory_bytes: u64) {
        let (memory, count) = self.used.entry(node.clone()).or_default();
        *memory = memory.saturating_add(memory_bytes);
        *count += 1;
    }

    /// The live nodes as places for a dyno of a release, as if `without` were gone already.
    pub(super) fn candidates(
        &self,
        release: &(AppName, Version),
        without: Option<&DynoKey>,
    ) -> Vec<Candidate> {
        let gone = without.and_then(|key| self.observed.dynos.get(key));
        let live = self.live.iter().filter_map(|id| {
            let node = self.observed.nodes.get(id)?;
            let (mut memory, mut count) = self.used.get(id).copied().unwrap_or_default();
            if let Some(gone) = gone.filter(|gone| gone.node == *id) {
                memory -= gone.memory_bytes;
                count -= 1;
            }
            Some(Candidate {
                node: id.clone(),
                free_bytes: node.memory_bytes.saturating_sub(memory),
                free_dynos: node.dynos_max.saturating_sub(count),
                dynos: count,
                slug: match node.releases.get(release) {
                    Some(Fetch::Ready) => Slug::Ready,
                    Some(Fetch::Asked(_)) => Slug::Coming,
                    Some(Fetch::Failed { at, .. }) => Slug::Failed(*at),
                    None => Slug::Missing,
                },
            })
        });
        live.collect()
    }

    /// Whether room will come free by itself: some dyno on a live node is on its way out.
    pub(super) fn room_is_coming(&self) -> bool {
        let mut dynos = self.observed.dynos.values();
        dynos.any(|dyno| !dyno.state.lives() && self.live.contains(&dyno.node))
    }
}
