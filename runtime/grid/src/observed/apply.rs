//! How steps and reports change what is known.
//!
//! Owns the two entrances, `issue` for what is asked and `apply` for what is heard. Must not decide.

use super::{Change, Dyno, End, Fetch, Observed, Slot};
use crate::desired::Desired;
use crate::lifecycle::RELEASE_PROCESS_MAX;
use crate::lifecycle::{Event, State};
use crate::name::{AppName, DynoKey, NodeId, Run, Version};
use crate::protocol::{CrashCause, Exit, OneOff, Report, Step, StopReason};
use crate::time::Time;

impl Observed {
    /// Notes a step as asked. Facts are not noted here: append them and fold them into `desired`.
    pub fn issue(&mut self, step: &Step, desired: &Desired, now: Time) -> Option<Change> {
        match step {
            Step::Fetch { node, app, release } => {
                self.ask_fetch(node, app, release.version, now);
                None
            }
            Step::Start {
                node,
                dyno,
                version,
                ..
            }
            | Step::Run {
                node,
                dyno,
                version,
            } => Some(self.ask_start(node, dyno, *version, desired, now)),
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
            Step::Drain { dyno, deadline, .. } => {
                let change = self.step(dyno, Event::Drain, now);
                if let Some(dyno) = self.dynos.get_mut(dyno) {
                    dyno.deadline.get_or_insert(*deadline);
                }
                change
            }
            Step::Stop { dyno, reason, .. } => self.ask_stop(dyno, *reason, now),
            Step::Forget { node, app, version } => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.releases.remove(&(app.clone(), *version));
                }
                None
            }
            Step::Record { .. } => None,
        }
    }

    fn ask_fetch(&mut self, node: &NodeId, app: &AppName, version: Version, now: Time) {
        let Some(node) = self.nodes.get_mut(node) else {
            return;
        };
        let fetch = node
            .releases
            .entry((app.clone(), version))
            .or_insert(Fetch::Asked(now));
        if *fetch != Fetch::Ready {
            *fetch = Fetch::Asked(now);
        }
    }

    fn ask_start(
        &mut self,
        node: &NodeId,
        key: &DynoKey,
        version: Version,
        desired: &Desired,
        now: Time,
    ) -> Change {
        let release = desired
            .apps
            .get(&key.app)
            .and_then(|app| app.releases.get(&version));
        let spec = release.and_then(|release| release.processes.get(&key.dyno.process));
        let slot = Slot {
            app: key.app.clone(),
            dyno: key.dyno.clone(),
            version,
        };
        let in_request = self.crashed_in_request.remove(&slot);
        let from = if in_request || self.crashes.contains_key(&slot) {
            State::Crashed
        } else {
            State::Down
        };
        let memory_bytes = spec.map_or(0, |spec| spec.limits.memory_bytes);
        self.insert(node, key, version, memory_bytes, now);
        if let Some(dyno) = self.dynos.get_mut(key) {
            dyno.replaces = in_request;
        }
        Change {
            dyno: key.clone(),
            from,
            to: State::Starting,
            crash: None,
            exit: None,
        }
    }

    /// Notes that a one-off dyno is started, which no plan asks for: see [`plan::one_off`](crate::plan::one_off).
    pub fn begin(&mut self, one_off: &OneOff, now: Time) -> Change {
        let OneOff {
            node,
            dyno,
            version,
            memory_bytes,
        } = one_off;
        self.insert(node, dyno, *version, *memory_bytes, now);
        self.one_offs.insert(dyno.app.clone(), dyno.dyno.index);
        Change {
            dyno: dyno.clone(),
            from: State::Down,
            to: State::Starting,
            crash: None,
            exit: None,
        }
    }

    fn insert(
        &mut self,
        node: &NodeId,
        key: &DynoKey,
        version: Version,
        memory_bytes: u64,
        now: Time,
    ) {
        self.next_run = self.next_run.max(Run(key.run.0 + 1));
        let dyno = Dyno {
            node: node.clone(),
            version,
            state: State::Starting,
            since: now,
            started: now,
            up_since: None,
            memory_bytes,
            deadline: None,
            stopped: None,
            replaces: false,
        };
        self.dynos.insert(key.clone(), dyno);
    }

    fn ask_stop(&mut self, key: &DynoKey, reason: StopReason, now: Time) -> Option<Change> {
        let change = match reason {
            StopReason::BootTimeout => {
                let end = End {
                    in_request: self.dynos.get(key).is_some_and(|dyno| dyno.replaces),
                    ..End::of(CrashCause::BootTimeout, "it was not ready in time")
                };
                self.crash(key, end, now)
            }
            StopReason::TimeLimit => {
                let secs = RELEASE_PROCESS_MAX.as_secs();
                let text = format!("it was still running after {secs} seconds");
                self.crash(key, End::of(CrashCause::Killed, &text), now)
            }
            StopReason::Asked => {
                self.note_exit(key, &Exit::Failed("it was stopped".into()));
                self.step(key, Event::Drain, now)
            }
            StopReason::DrainTimeout | StopReason::Unwanted => self.step(key, Event::Drain, now),
        };
        if let Some(dyno) = self.dynos.get_mut(key) {
            dyno.stopped = Some(now);
        }
        change
    }

    /// Takes a report. What is late, repeated or of an unknown dyno changes nothing.
    pub fn apply(&mut self, report: &Report, now: Time) -> Vec<Change> {
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
                version,
                result,
            } => {
                self.fetched(node, app, *version, result, now);
                None
            }
            Report::Up { node, dyno } => self.on(node, dyno, Event::Ready, now),
            Report::Idle { node, dyno } => self.on(node, dyno, Event::Sleep, now),
            Report::Woke { node, dyno } => self.on(node, dyno, Event::Wake, now),
            Report::Crashed {
                node,
                dyno,
                reason,
                cause,
                served,
                in_request,
            } => {
                let end = End {
                    cause: *cause,
                    reason,
                    served: *served,
                    in_request: *in_request,
                };
                let change = self.has(node, dyno).then(|| self.crash(dyno, end, now));
                self.end(node, dyno);
                change.flatten()
            }
            Report::Exited { node, dyno, exit } => {
                if self.has(node, dyno) {
                    self.note_exit(dyno, exit);
                }
                let change = self.on(node, dyno, Event::Gone, now);
                self.end(node, dyno);
                change.map(|change| Change {
                    exit: Some(exit.clone()),
                    ..change
                })
            }
            Report::Down { node, dyno } => {
                let change = self.on(node, dyno, Event::Gone, now);
                self.end(node, dyno);
                change
            }
        };
        change.into_iter().collect()
    }

    fn fetched(
        &mut self,
        node: &NodeId,
        app: &AppName,
        version: Version,
        result: &Result<(), String>,
        now: Time,
    ) {
        let Some(node) = self.nodes.get_mut(node) else {
            return;
        };
        let Some(fetch) = node.releases.get_mut(&(app.clone(), version)) else {
            return;
        };
        match result {
            Ok(()) => *fetch = Fetch::Ready,
            Err(reason) if *fetch != Fetch::Ready => {
                *fetch = Fetch::Failed {
                    at: now,
                    reason: reason.clone(),
                };
            }
            Err(_) => {}
        }
    }

    /// Whether the node has this dyno, as far as is known.
    fn has(&self, node: &NodeId, key: &DynoKey) -> bool {
        self.dynos.get(key).is_some_and(|dyno| dyno.node == *node)
    }

    fn on(&mut self, node: &NodeId, key: &DynoKey, event: Event, now: Time) -> Option<Change> {
        if self.has(node, key) {
            self.step(key, event, now)
        } else {
            None
        }
    }

    /// What ended is forgotten. An earlier reconciler's dyno may not be known yet: it stays unknown.
    fn end(&mut self, node: &NodeId, key: &DynoKey) {
        if self.has(node, key) || !self.dynos.contains_key(key) {
            self.bury(key);
        }
    }
}
