//! A plan in progress: a copy of the observed state of busy apps, and the steps chosen so far.
//!
//! Owns the room on nodes, and which nodes count as dead. Must not know any phase of planning.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::{Room, Scene, earlier_time, take_room};
use super::survey::Survey;
use super::{Plan, PlanNote, Policy};
use crate::desired::DesiredState;
use crate::name::{AppName, DynoId, DynoKey, Generation, NodeId, ReleaseId, Run};
use crate::observed::ObservedState;
use crate::placement::Candidate;
use crate::protocol::Step;
use crate::time::Time;

/// Room on a node for a dyno that cannot start before the node has the slug.
pub(super) struct ReservedPlace {
    pub(super) dyno: DynoId,
    pub(super) release: ReleaseId,
    pub(super) node: NodeId,
}

pub(super) struct Draft {
    pub(super) desired: DesiredState,
    pub(super) observed: ObservedState,
    pub(super) policy: Policy,
    pub(super) now: Time,
    /// Nodes that can be told to do something.
    pub(super) live: BTreeSet<NodeId>,
    /// Apps that are not in the desired state, although nodes have dynos or releases of them.
    pub(super) strays: BTreeSet<AppName>,
    /// Whether most nodes are silent: then silence does not prove that a node is dead.
    pub(super) blind: bool,
    /// Reserved room, by app.
    pub(super) reserved: BTreeMap<AppName, Vec<ReservedPlace>>,
    /// Dynos that make room for others. They count as ended.
    pub(super) victims: BTreeSet<DynoKey>,
    /// Dynos that no node has room for.
    pub(super) no_room: BTreeSet<(AppName, DynoId, ReleaseId)>,
    pub(super) notes: BTreeSet<PlanNote>,
    used: BTreeMap<NodeId, Room>,
    steps: Vec<Step>,
    wake_at: Option<Time>,
}

impl Draft {
    /// A draft for the apps that a survey found busy.
    pub(super) fn new(scene: Scene<'_>, blind: bool, survey: &Survey) -> Self {
        let strays = &survey.strays;
        Draft {
            blind,
            desired: scene.desired.select_apps(&survey.busy),
            observed: scene.observed.select_apps(&(&survey.busy | strays)),
            policy: *scene.policy,
            now: scene.now,
            live: scene.live.clone(),
            strays: strays.clone(),
            reserved: BTreeMap::new(),
            victims: BTreeSet::new(),
            no_room: BTreeSet::new(),
            notes: BTreeSet::new(),
            used: BTreeMap::new(),
            steps: Vec::new(),
            wake_at: None,
        }
    }

    /// The view after the steps so far, for another survey.
    pub(super) fn scene(&self) -> Scene<'_> {
        Scene {
            desired: &self.desired,
            observed: &self.observed,
            policy: &self.policy,
            now: self.now,
            live: &self.live,
        }
    }

    /// Starts a round: keeps the steps and forgets everything else that was found, since the steps may have changed it.
    /// `passed` are the surveys that skipped apps of this round.
    pub(super) fn begin_round(&mut self, busy: &BTreeSet<AppName>, passed: &[&Survey]) {
        self.used.clear();
        self.wake_at = None;
        for survey in passed {
            self.wake_at = earlier_time(self.wake_at, survey.wake_at);
            for (node, room) in &survey.used {
                take_room(&mut self.used, node, *room);
            }
        }
        for app in busy.iter().chain(&self.strays) {
            for (_, dyno) in self.observed.dynos_of(app) {
                take_room(&mut self.used, &dyno.node, (dyno.memory_bytes, 1));
            }
        }
        self.reserved.clear();
        self.victims.clear();
        self.no_room.clear();
        self.notes.clear();
    }

    /// The number of steps so far.
    pub(super) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Adds a step and notes it as issued.
    pub(super) fn push_step(&mut self, step: Step) {
        let repeated = match &step {
            Step::Start { dyno, .. } | Step::Run { dyno, .. } => {
                self.observed.dynos.contains_key(dyno)
            }
            _ => false,
        };
        self.observed.issue_step(&step, &self.desired, self.now);
        match &step {
            Step::Start { node, dyno, .. } | Step::Run { node, dyno, .. } if !repeated => {
                let memory_bytes = self.observed.dynos.get(dyno).map_or(0, |d| d.memory_bytes);
                self.take_room(&node.clone(), memory_bytes);
            }
            Step::Record { fact } => {
                let fits = self.desired.apply_fact(fact);
                debug_assert!(fits.is_ok(), "{fits:?}");
            }
            _ => {}
        }
        self.steps.push(step);
    }

    /// Asks for the next plan at this time or earlier.
    pub(super) fn wake_by(&mut self, at: Time) {
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

    /// Whether the node counts as dead and its dynos as lost.
    pub(super) fn is_dead(&self, node: &NodeId) -> bool {
        let left = self.desired.left_nodes.contains(node);
        left || (!self.blind && !self.live.contains(node))
    }

    pub(super) fn next_run(&self) -> Run {
        self.observed.next_run
    }

    pub(super) fn next_generation(&self) -> Generation {
        self.observed.next_generation
    }

    pub(super) fn take_room(&mut self, node: &NodeId, memory_bytes: u64) {
        take_room(&mut self.used, node, (memory_bytes, 1));
    }

    /// The live nodes as candidates for a dyno of a release, as if `without` had ended already.
    pub(super) fn list_candidates(
        &self,
        release: &(AppName, ReleaseId),
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
            Some(Candidate::from_node(id, node, release, (memory, count)))
        });
        live.collect()
    }

    /// Whether some dyno on a live node is about to end, which gives room.
    pub(super) fn room_is_coming(&self) -> bool {
        let mut dynos = self.observed.dynos.values();
        dynos.any(|dyno| !dyno.state.is_alive() && self.live.contains(&dyno.node))
    }
}
