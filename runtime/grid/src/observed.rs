//! The observed state: nodes, dynos and routes, by the last steps issued and the last reports received.
//!
//! Owns how steps and reports change the observed state. Must not know the desired state, nor decide anything.

mod apply;
mod inventory;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backoff::{self, Crash, CrashHistory};
use crate::desired::DesiredState;
use crate::lifecycle::{DynoState, Event, next_state};
use crate::name::{AppName, DynoId, DynoKey, Generation, NodeId, ReleaseId, Run};
use crate::protocol::{CrashCause, Heartbeats, ProcessExit, Report, Route, Step, StopReason};
use crate::time::Time;

/// A node that sends heartbeats counts as dead after this time without one: three heartbeats are missed.
pub const NODE_DEAD_AFTER: Duration = Duration::from_secs(3);

/// Everything that a reconciler knows of nodes, dynos and routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedState {
    /// The seed of the jitter in back-off.
    pub seed: u64,
    /// When this reconciler began to listen.
    pub since: Time,
    /// The nodes that have sent an inventory.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Every dyno that a node was told to start or says it has, until the node has nothing left of the dyno.
    pub dynos: BTreeMap<DynoKey, Dyno>,
    /// Failed boots and ended programs, by place and release.
    pub crashes: BTreeMap<FormationSlot, CrashHistory>,
    /// Places whose last dyno crashed in a request, until the next one is started.
    crashed_in_request: BTreeSet<FormationSlot>,
    /// How release processes ended, until the ledger has it.
    pub exits: BTreeMap<(AppName, ReleaseId), ProcessExit>,
    /// The number of each app's last one-off dyno. The next one gets another number, so that users do not confuse them.
    pub one_offs: BTreeMap<AppName, u32>,
    /// The last published route of each app.
    pub routes: BTreeMap<AppName, Route>,
    /// Destroyed apps that the routers were told of.
    pub withdrawn: BTreeSet<AppName>,
    /// The next run that was never used.
    pub next_run: Run,
    /// The next generation that was never published.
    pub next_generation: Generation,
    /// The first run of this reconciler. Every dyno from this run on was started by this reconciler, which thus knows
    /// all of them.
    first_run: Run,
    /// Ended runs of earlier reconcilers, so that a late inventory does not bring them back.
    buried: BTreeSet<Run>,
}

/// One node, as last heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// See `Inventory::incarnation`.
    pub incarnation: u64,
    /// The serial of the last inventory.
    pub serial: u64,
    /// Whether silence means death.
    pub heartbeats: Heartbeats,
    /// Memory for dynos, in bytes.
    pub memory_bytes: u64,
    /// Dynos at most.
    pub dynos_max: u32,
    /// When the reconciler last heard from the node.
    pub heard: Time,
    /// Releases that the node was told to fetch, or has.
    pub releases: BTreeMap<(AppName, ReleaseId), FetchState>,
}

/// How far a node is with a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchState {
    /// The node was told to fetch the release at this time.
    Requested(Time),
    /// Dynos can start.
    Ready,
    /// The node could not get the release.
    Failed {
        /// When the node said so.
        at: Time,
        /// Why not, for the app's owner.
        reason: String,
    },
}

/// One dyno, by the last step sent and the last report heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dyno {
    /// The node that runs the dyno.
    pub node: NodeId,
    /// The release that it runs.
    pub release: ReleaseId,
    /// The state of the dyno.
    pub state: DynoState,
    /// Since when the dyno has been in this state.
    pub since: Time,
    /// When the dyno began to boot: its node acknowledged the start, or the dyno was first heard of.
    pub started: Time,
    /// When the node was last told to start the dyno.
    pub told: Time,
    /// Whether the node is known to have the start. Until then it may be lost, and says nothing about the program.
    pub acknowledged: bool,
    /// Since when the dyno has been up or idle.
    pub up_since: Option<Time>,
    /// Memory that is set aside for the dyno until its node has nothing left of it, in bytes.
    pub memory_bytes: u64,
    /// When the time to drain is over.
    pub deadline: Option<Time>,
    /// When the dyno was last told to stop.
    pub stopped: Option<Time>,
    /// The dyno replaces one that a request ended. All such replacements of an app share one core, so a slow boot says
    /// nothing about the program.
    pub replaces: bool,
}

/// A place in a formation, for one release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormationSlot {
    /// The app.
    pub app: AppName,
    /// The place.
    pub dyno: DynoId,
    /// The release.
    pub release: ReleaseId,
}

/// A dyno's change of state, for its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynoChange {
    /// The dyno.
    pub dyno: DynoKey,
    /// The state before.
    pub from: DynoState,
    /// The state now.
    pub to: DynoState,
    /// Why the dyno crashed, if it did.
    pub crash: Option<(CrashCause, String)>,
    /// How the process ended, if it runs once.
    pub exit: Option<ProcessExit>,
}

/// How a dyno ended by itself.
#[derive(Clone, Copy, Debug)]
struct DynoEnd<'a> {
    cause: CrashCause,
    /// The reason of the change, for the app's owner.
    reason: &'a str,
    /// The dyno had completed a request since its boot.
    served: bool,
    /// A request ended the dyno.
    in_request: bool,
}

impl<'a> DynoEnd<'a> {
    /// The end of a dyno that no request ended. Whether the dyno served is unknown.
    fn without_request(cause: CrashCause, reason: &'a str) -> Self {
        DynoEnd {
            cause,
            reason,
            served: false,
            in_request: false,
        }
    }
}

impl Node {
    fn without_releases(&self) -> Node {
        Node {
            releases: BTreeMap::new(),
            ..*self
        }
    }

    /// Whether the node has been silent for so long that it counts as dead.
    pub fn is_silent(&self, now: Time) -> bool {
        self.dead_at().is_some_and(|at| now >= at)
    }

    /// When the node counts as dead unless it is heard before; none: never.
    pub fn dead_at(&self) -> Option<Time> {
        match self.heartbeats {
            Heartbeats::Expected => Some(self.heard + NODE_DEAD_AFTER),
            Heartbeats::Needless => None,
        }
    }
}

impl Node {
    /// The releases of one app that the node was told to fetch or has, in order.
    pub fn releases_of<'a>(
        &'a self,
        app: &'a AppName,
    ) -> impl Iterator<Item = (ReleaseId, &'a FetchState)> + use<'a> {
        let first = (app.clone(), ReleaseId::LOWEST);
        let releases = self.releases.range(first..);
        let own = releases.take_while(move |((of, _), _)| of == app);
        own.map(|((_, release), fetch)| (*release, fetch))
    }
}

impl ObservedState {
    /// The knowledge of a reconciler that has just started: none. Its `ReconcilerStarted` is the last one in `desired`.
    pub fn new(desired: &DesiredState, seed: u64, now: Time) -> Self {
        ObservedState {
            seed,
            since: now,
            nodes: BTreeMap::new(),
            dynos: BTreeMap::new(),
            crashes: BTreeMap::new(),
            crashed_in_request: BTreeSet::new(),
            exits: BTreeMap::new(),
            one_offs: BTreeMap::new(),
            routes: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            next_run: desired.first_run(),
            next_generation: desired.first_generation(),
            first_run: desired.first_run(),
            buried: BTreeSet::new(),
        }
    }

    /// The dynos of one app, in order.
    pub fn dynos_of<'a>(
        &'a self,
        app: &AppName,
    ) -> impl Iterator<Item = (&'a DynoKey, &'a Dyno)> + use<'a> {
        let first = DynoKey {
            app: app.clone(),
            dyno: DynoId::lowest(),
            run: Run(0),
        };
        let app = app.clone();
        self.dynos
            .range(first..)
            .take_while(move |(key, _)| key.app == app)
    }

    /// The dynos in one place of an app's formation, oldest first.
    pub fn dynos_in<'a>(
        &'a self,
        app: &AppName,
        dyno: &DynoId,
    ) -> impl Iterator<Item = (&'a DynoKey, &'a Dyno)> + use<'a> {
        let key = |run| DynoKey {
            app: app.clone(),
            dyno: dyno.clone(),
            run,
        };
        self.dynos.range(key(Run(0))..=key(Run(u64::MAX)))
    }

    /// The step that stops a dyno that runs once, for a user; none if no such dyno lives.
    pub fn stop_run_once(&self, app: &AppName, dyno: &DynoId) -> Option<Step> {
        let mut there = self.dynos_in(app, dyno);
        let (key, known) =
            there.find(|(key, dyno)| dyno.state.is_alive() && key.dyno.process.runs_once())?;
        Some(Step::Stop {
            node: known.node.clone(),
            dyno: key.clone(),
            release: known.release,
            reason: StopReason::Requested,
        })
    }

    /// The observed state of these apps, and of all nodes as far as these apps are concerned.
    pub(crate) fn select_apps(&self, apps: &BTreeSet<AppName>) -> ObservedState {
        let nodes = self.nodes.iter().map(|(id, node)| {
            let releases = apps.iter().flat_map(|app| {
                let own = node.releases_of(app);
                own.map(move |(release, fetch)| ((app.clone(), release), fetch.clone()))
            });
            let part = Node {
                releases: releases.collect(),
                ..node.without_releases()
            };
            (id.clone(), part)
        });
        let dynos = apps.iter().flat_map(|app| self.dynos_of(app));
        let crashes = apps.iter().flat_map(|app| self.crashes_of(app));
        let exits = apps.iter().flat_map(|app| self.exits_of(app));
        let routes = apps.iter().filter_map(|app| self.routes.get_key_value(app));
        ObservedState {
            nodes: nodes.collect(),
            dynos: dynos.map(|(k, d)| (k.clone(), d.clone())).collect(),
            crashes: crashes.map(|(k, h)| (k.clone(), h.clone())).collect(),
            // Only logs need this, and no part of the state is logged.
            crashed_in_request: BTreeSet::new(),
            exits: exits
                .map(|(release, exit)| (release.clone(), exit.clone()))
                .collect(),
            routes: routes.map(|(k, r)| (k.clone(), r.clone())).collect(),
            one_offs: BTreeMap::new(),
            withdrawn: self.withdrawn.clone(),
            buried: BTreeSet::new(),
            ..*self
        }
    }

    fn crashes_of<'a>(
        &'a self,
        app: &'a AppName,
    ) -> impl Iterator<Item = (&'a FormationSlot, &'a CrashHistory)> + use<'a> {
        let first = FormationSlot {
            app: app.clone(),
            dyno: DynoId::lowest(),
            release: ReleaseId::LOWEST,
        };
        let crashes = self.crashes.range(first..);
        crashes.take_while(move |(slot, _)| slot.app == *app)
    }

    /// How an app's release processes ended, as far as the ledger does not say yet.
    pub fn exits_of<'a>(
        &'a self,
        app: &'a AppName,
    ) -> impl Iterator<Item = (&'a (AppName, ReleaseId), &'a ProcessExit)> + use<'a> {
        let first = (app.clone(), ReleaseId::LOWEST);
        let exits = self.exits.range(first..);
        exits.take_while(move |((of, _), _)| of == app)
    }

    /// Whether anything of an app is there: a dyno, or a release on a node.
    pub fn has_any_of(&self, app: &AppName) -> bool {
        let mut nodes = self.nodes.values();
        self.dynos_of(app).next().is_some()
            || nodes.any(|node| node.releases_of(app).next().is_some())
    }

    /// When the next node counts as dead, unless it is heard before. Every heartbeat moves this time, so it is no part
    /// of a plan: a heartbeat alone needs no new plan.
    pub fn next_death(&self, now: Time) -> Option<Time> {
        self.nodes
            .values()
            .filter_map(Node::dead_at)
            .filter(|at| *at > now)
            .min()
    }

    /// Whether a report makes a new plan necessary. All reports do, except the heartbeat of a live node and an
    /// inventory that says nothing new.
    pub fn is_news(&self, report: &Report, now: Time) -> bool {
        if self
            .nodes
            .get(report.node())
            .is_none_or(|node| node.is_silent(now))
        {
            return true;
        }
        match report {
            Report::Heartbeat { .. } => false,
            Report::Node(inventory) => self.differs_from(inventory),
            _ => true,
        }
    }

    /// Memory in bytes and number of the dynos that a node has or was told to start.
    pub fn sum_used_room(&self, node: &NodeId) -> (u64, u32) {
        let dynos = self.dynos.values().filter(|dyno| dyno.node == *node);
        dynos.fold((0, 0), |(memory, count), dyno| {
            (memory.saturating_add(dyno.memory_bytes), count + 1)
        })
    }

    /// Forgets crashes of releases and places that are no longer needed, ends of release processes that the ledger has,
    /// one-off numbers of destroyed apps, and nodes that have left, with their dynos.
    pub fn forget_outdated(&mut self, desired: &DesiredState) {
        self.forget_left_nodes(&desired.left_nodes);
        self.one_offs
            .retain(|app, _| desired.apps.contains_key(app));
        self.exits.retain(|(app, release), _| {
            let app = desired.apps.get(app);
            app.is_some_and(|app| app.awaits_release_process(*release))
        });
        let is_wanted = |slot: &FormationSlot| {
            let Some(app) = desired.apps.get(&slot.app) else {
                return !desired.destroyed.contains_key(&slot.app);
            };
            let wanted = app
                .wanted_releases()
                .iter()
                .any(|release| app.release_id(release.version) == slot.release);
            wanted && app.is_place_open(&slot.dyno)
        };
        self.crashes.retain(|slot, _| is_wanted(slot));
        self.crashed_in_request.retain(is_wanted);
    }

    fn forget_left_nodes(&mut self, left: &BTreeSet<NodeId>) {
        if left.is_empty() || !self.nodes.keys().any(|node| left.contains(node)) {
            return;
        }
        self.nodes.retain(|node, _| !left.contains(node));
        let gone = self.dynos.iter();
        let gone = gone.filter(|(_, dyno)| left.contains(&dyno.node));
        let gone: Vec<DynoKey> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.bury_dyno(&key);
        }
    }

    /// Applies an event to a dyno. A change of state is returned for the log.
    fn advance_dyno(&mut self, key: &DynoKey, event: Event, now: Time) -> Option<DynoChange> {
        let dyno = self.dynos.get_mut(key)?;
        let (from, to) = (dyno.state, next_state(dyno.state, event));
        if from == to {
            return None;
        }
        dyno.state = to;
        dyno.since = now;
        if to.is_serving() {
            dyno.up_since.get_or_insert(now);
        }
        Some(DynoChange {
            dyno: key.clone(),
            from,
            to,
            crash: None,
            exit: None,
        })
    }

    /// Notes that a dyno ended by itself.
    fn note_crash(&mut self, key: &DynoKey, end: DynoEnd<'_>, now: Time) -> Option<DynoChange> {
        let discarded = end.cause == CrashCause::Discarded;
        let event = if discarded { Event::Gone } else { Event::Crash };
        let mut change = self.advance_dyno(key, event, now)?;
        if change.from == DynoState::Draining {
            return Some(change);
        }
        change.crash = Some((end.cause, end.reason.to_owned()));
        if key.dyno.process.runs_once() {
            // A process that its node has lost has no end: a release process runs again.
            if end.cause != CrashCause::Lost {
                self.note_exit(key, &ProcessExit::Failed(end.reason.to_owned()));
            }
            return Some(change);
        }
        let dyno = self.dynos.get(key)?;
        let slot = FormationSlot {
            app: key.app.clone(),
            dyno: key.dyno.clone(),
            release: dyno.release,
        };
        if end.cause.is_app_fault() && end.in_request {
            self.crashed_in_request.insert(slot);
        } else if end.cause.is_app_fault() {
            let crash = Crash {
                at: now,
                run: key.run,
                cause: end.cause,
                reason: end.reason.to_owned(),
                up_since: dyno.up_since,
                served: end.served,
            };
            let history = backoff::add_crash(self.crashes.get(&slot), crash, self.seed);
            self.crashes.insert(slot, history);
        }
        Some(change)
    }

    /// Notes how a release process ended. The first note holds. The end of a run that was given up and started again
    /// says nothing about the later run.
    fn note_exit(&mut self, key: &DynoKey, exit: &ProcessExit) {
        let Some(dyno) = self.dynos.get(key) else {
            return;
        };
        let release = (key.app.clone(), dyno.release);
        let mut runs = self.dynos_in(&key.app, &key.dyno);
        let superseded = runs.any(|(later, known)| {
            later.run > key.run && known.release == dyno.release && known.state.is_alive()
        });
        drop(runs);
        if key.dyno.process.is_release() && !superseded {
            self.exits.entry(release).or_insert_with(|| exit.clone());
        }
    }

    /// Forgets a dyno that its node has nothing left of, and the crashes before it if the dyno was up for long.
    ///
    /// A run that crashed by itself was judged when it crashed. All other runs count here, however they ended:
    /// otherwise the crashes of weeks would add up in a place whose dynos only end by requests.
    fn bury_dyno(&mut self, key: &DynoKey) {
        if let Some(dyno) = self.dynos.remove(key) {
            let slot = FormationSlot {
                app: key.app.clone(),
                dyno: key.dyno.clone(),
                release: dyno.release,
            };
            let before = self.crashes.get(&slot);
            let before = before.filter(|history| history.run != key.run);
            if let (Some(history), Some(up_since)) = (before, dyno.up_since)
                && backoff::is_outlived(history, up_since, dyno.since)
            {
                self.crashes.remove(&slot);
            }
        }
        if key.run < self.first_run {
            self.buried.insert(key.run);
        }
    }
}

#[cfg(test)]
mod tests;
