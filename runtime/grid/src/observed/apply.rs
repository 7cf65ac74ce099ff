//! How steps and reports change what is known.
//!
//! Owns the two entrances, `issue_step` for steps and `apply_report` for reports. Must not decide.

use super::{Dyno, DynoChange, DynoEnd, FetchState, FormationSlot, ObservedState};
use crate::desired::DesiredState;
use crate::lifecycle::RELEASE_PROCESS_MAX;
use crate::lifecycle::{DynoState, Event};
use crate::name::{AppName, DynoKey, NodeId, ReleaseId, Run};
use crate::protocol::{CrashCause, Heartbeats, OneOff, ProcessExit, Report, Step, StopReason};
use crate::time::Time;

impl ObservedState {
    /// Notes a step as issued. Facts are not noted here: append them to the ledger and fold them into `desired`.
    pub fn issue_step(
        &mut self,
        step: &Step,
        desired: &DesiredState,
        now: Time,
    ) -> Option<DynoChange> {
        match step {
            Step::Fetch {
                node, app, release, ..
            } => {
                self.ask_fetch(node, app, *release, now);
                None
            }
            Step::Start {
                node,
                dyno,
                release,
                ..
            }
            | Step::Run {
                node,
                dyno,
                release,
            } => {
                if let Some(known) = self.dynos.get_mut(dyno) {
                    known.told = now;
                    return None;
                }
                Some(self.ask_start(node, dyno, *release, desired, now))
            }
            Step::Publish { route } => {
                self.next_generation.0 = self.next_generation.0.max(route.generation.0 + 1);
                self.withdrawn.remove(&route.app);
                self.routes.insert(route.app.clone(), route.clone());
                None
            }
            Step::Withdraw { app } => {
                self.routes.remove(app);
                self.withdrawn.insert(app.clone());
                None
            }
            Step::Drain { dyno, grace, .. } => {
                let change = self.advance_dyno(dyno, Event::Drain, now);
                if let Some(dyno) = self.dynos.get_mut(dyno) {
                    dyno.deadline.get_or_insert(now + *grace);
                }
                change
            }
            Step::Stop { dyno, reason, .. } => self.ask_stop(dyno, *reason, now),
            Step::Forget { node, app, release } => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.releases.remove(&(app.clone(), *release));
                }
                None
            }
            Step::Record { .. } => None,
        }
    }

    fn ask_fetch(&mut self, node: &NodeId, app: &AppName, release: ReleaseId, now: Time) {
        let Some(node) = self.nodes.get_mut(node) else {
            return;
        };
        let fetch = node
            .releases
            .entry((app.clone(), release))
            .or_insert(FetchState::Requested(now));
        if *fetch != FetchState::Ready {
            *fetch = FetchState::Requested(now);
        }
    }

    fn ask_start(
        &mut self,
        node: &NodeId,
        key: &DynoKey,
        release: ReleaseId,
        desired: &DesiredState,
        now: Time,
    ) -> DynoChange {
        let app = desired.apps.get(&key.app);
        let contents = app.and_then(|app| app.release(release));
        let spec = contents.and_then(|contents| contents.processes.get(&key.dyno.process));
        let slot = FormationSlot {
            app: key.app.clone(),
            dyno: key.dyno.clone(),
            release,
        };
        let in_request = self.crashed_in_request.remove(&slot);
        let from = if in_request || self.crashes.contains_key(&slot) {
            DynoState::Crashed
        } else {
            DynoState::Down
        };
        let memory_bytes = spec.map_or(0, |spec| spec.limits.memory_bytes);
        self.insert_dyno(node, key, release, memory_bytes, now);
        if let Some(dyno) = self.dynos.get_mut(key) {
            dyno.replaces = in_request;
        }
        DynoChange {
            dyno: key.clone(),
            from,
            to: DynoState::Starting,
            crash: None,
            exit: None,
        }
    }

    /// Notes that a one-off dyno is started, which no plan asks for: see
    /// [`plan::place_one_off`](crate::plan::place_one_off).
    pub fn start_one_off(&mut self, one_off: &OneOff, now: Time) -> DynoChange {
        let OneOff {
            node,
            dyno,
            release,
            memory_bytes,
        } = one_off;
        self.insert_dyno(node, dyno, *release, *memory_bytes, now);
        self.one_offs.insert(dyno.app.clone(), dyno.dyno.index);
        DynoChange {
            dyno: dyno.clone(),
            from: DynoState::Down,
            to: DynoState::Starting,
            crash: None,
            exit: None,
        }
    }

    fn insert_dyno(
        &mut self,
        node: &NodeId,
        key: &DynoKey,
        release: ReleaseId,
        memory_bytes: u64,
        now: Time,
    ) {
        self.next_run = self.next_run.max(Run(key.run.0 + 1));
        // A node in the reconciler's own process cannot miss a step.
        let acknowledged = self
            .nodes
            .get(node)
            .is_some_and(|node| node.heartbeats == Heartbeats::Needless);
        let dyno = Dyno {
            node: node.clone(),
            release,
            state: DynoState::Starting,
            since: now,
            started: now,
            told: now,
            acknowledged,
            up_since: None,
            memory_bytes,
            deadline: None,
            stopped: None,
            replaces: false,
        };
        self.dynos.insert(key.clone(), dyno);
    }

    fn ask_stop(&mut self, key: &DynoKey, reason: StopReason, now: Time) -> Option<DynoChange> {
        let change = match reason {
            StopReason::BootTimeout => {
                let end = DynoEnd {
                    in_request: self.dynos.get(key).is_some_and(|dyno| dyno.replaces),
                    ..DynoEnd::without_request(CrashCause::BootTimeout, "it was not ready in time")
                };
                self.note_crash(key, end, now)
            }
            StopReason::TimeLimit => {
                let secs = RELEASE_PROCESS_MAX.as_secs();
                let text = format!("it was still running after {secs} seconds");
                self.note_crash(
                    key,
                    DynoEnd::without_request(CrashCause::Killed, &text),
                    now,
                )
            }
            StopReason::Requested => {
                self.note_exit(key, &ProcessExit::Failed("it was stopped".into()));
                self.advance_dyno(key, Event::Drain, now)
            }
            StopReason::DrainTimeout | StopReason::Unwanted => {
                self.advance_dyno(key, Event::Drain, now)
            }
        };
        if let Some(dyno) = self.dynos.get_mut(key) {
            dyno.stopped = Some(now);
        }
        change
    }

    /// Takes a report. A report that is late, repeated or about an unknown dyno changes nothing.
    pub fn apply_report(&mut self, report: &Report, now: Time) -> Vec<DynoChange> {
        if let Report::Node(inventory) = report {
            return self.take_inventory(inventory, now);
        }
        let Some(node) = self.nodes.get_mut(report.node()) else {
            return Vec::new();
        };
        if let Report::Heartbeat { incarnation, .. } = report
            && *incarnation != node.incarnation
        {
            return Vec::new();
        }
        node.heard = now;
        let change = match report {
            Report::Node(_) | Report::Heartbeat { .. } => None,
            Report::Fetched {
                node,
                app,
                release,
                result,
            } => {
                self.note_fetched(node, app, *release, result, now);
                None
            }
            Report::Accepted { node, dyno } => {
                self.acknowledge_start(node, dyno, now);
                None
            }
            Report::Up { node, dyno } => self.apply_event(node, dyno, Event::Ready, now),
            Report::Idle { node, dyno } => self.apply_event(node, dyno, Event::Sleep, now),
            Report::Woke { node, dyno } => self.apply_event(node, dyno, Event::Wake, now),
            Report::Crashed {
                node,
                dyno,
                reason,
                cause,
                served,
                in_request,
            } => {
                let end = DynoEnd {
                    cause: *cause,
                    reason,
                    served: *served,
                    in_request: *in_request,
                };
                let change = self
                    .has_dyno(node, dyno)
                    .then(|| self.note_crash(dyno, end, now));
                self.forget_dyno(node, dyno);
                change.flatten()
            }
            Report::Exited { node, dyno, exit } => {
                if self.has_dyno(node, dyno) {
                    self.note_exit(dyno, exit);
                }
                let change = self.apply_event(node, dyno, Event::Gone, now);
                self.forget_dyno(node, dyno);
                change.map(|change| DynoChange {
                    exit: Some(exit.clone()),
                    ..change
                })
            }
            Report::Down { node, dyno } => {
                let change = self.apply_event(node, dyno, Event::Gone, now);
                self.forget_dyno(node, dyno);
                change
            }
        };
        change.into_iter().collect()
    }

    fn note_fetched(
        &mut self,
        node: &NodeId,
        app: &AppName,
        release: ReleaseId,
        result: &Result<(), String>,
        now: Time,
    ) {
        let Some(node) = self.nodes.get_mut(node) else {
            return;
        };
        let Some(fetch) = node.releases.get_mut(&(app.clone(), release)) else {
            return;
        };
        match result {
            Ok(()) => *fetch = FetchState::Ready,
            Err(reason) if *fetch != FetchState::Ready => {
                *fetch = FetchState::Failed {
                    at: now,
                    reason: reason.clone(),
                };
            }
            Err(_) => {}
        }
    }

    /// Notes that a node has the start of a dyno, whose boot begins now.
    pub(super) fn acknowledge_start(&mut self, node: &NodeId, key: &DynoKey, now: Time) {
        if let Some(dyno) = self.dynos.get_mut(key)
            && dyno.node == *node
            && !dyno.acknowledged
        {
            dyno.acknowledged = true;
            dyno.started = now;
        }
    }

    /// Whether the node has this dyno, as far as is known.
    fn has_dyno(&self, node: &NodeId, key: &DynoKey) -> bool {
        self.dynos.get(key).is_some_and(|dyno| dyno.node == *node)
    }

    fn apply_event(
        &mut self,
        node: &NodeId,
        key: &DynoKey,
        event: Event,
        now: Time,
    ) -> Option<DynoChange> {
        if self.has_dyno(node, key) {
            self.acknowledge_start(node, key, now);
            self.advance_dyno(key, event, now)
        } else {
            None
        }
    }

    /// Forgets a dyno that has ended. A dyno of an earlier reconciler that is not known yet stays unknown.
    fn forget_dyno(&mut self, node: &NodeId, key: &DynoKey) {
        if self.has_dyno(node, key) || !self.dynos.contains_key(key) {
            self.bury_dyno(key);
        }
    }
}
