//! What a reconciler knows, and what it does about it, without waiting for anything.
//!
//! Owns intent, observation and the ledger's end. Must not know clocks or channels that can be full.

use super::StartError;
use crate::command::{self, Accepted, Command, Rejected};
use crate::handle::{DynoStatus, Standing, Standings};
use crate::ledger::{Ledger, LedgerError};
use crate::log::{self, LogEvent};
use grid::desired::{Desired, Fact};
use grid::fault::Fault;
use grid::lifecycle;
use grid::name::{AppName, DynoKey};
use grid::observed::{Change, Observed};
use grid::plan::{self, Note, Report, Step};
use grid::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// A shutdown under way.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) deadline: Time,
    pub(super) reply: oneshot::Sender<Result<Accepted, Rejected>>,
}

#[derive(Debug)]
pub(super) struct State {
    ledger: Ledger,
    /// Facts of the ledger that are folded in.
    read: usize,
    desired: Desired,
    observed: Observed,
    notes: BTreeSet<Note>,
    logs: mpsc::Sender<LogEvent>,
    /// Lines that found no room, by app.
    lost: BTreeMap<AppName, u64>,
    standings: watch::Sender<Arc<Standings>>,
    closing: Option<Closing>,
}

impl State {
    /// The state after all facts of a ledger, and one more: that this reconciler started.
    pub(super) fn replay(
        ledger: Ledger,
        seed: u64,
        logs: mpsc::Sender<LogEvent>,
    ) -> Result<(Self, watch::Receiver<Arc<Standings>>), StartError> {
        let mut facts = ledger.replay(0);
        let started = [Fact::ReconcilerStarted];
        let read = ledger
            .append(facts.len(), &started)
            .map_err(StartError::Ledger)?;
        facts.extend(started);
        let desired = Desired::replay(&facts).map_err(StartError::Replay)?;
        let observed = Observed::new(&desired, seed, Time::ZERO);
        let (standings, receiver) = watch::channel(Arc::new(standings(&desired)));
        let state = State {
            ledger,
            read,
            desired,
            observed,
            notes: BTreeSet::new(),
            logs,
            lost: BTreeMap::new(),
            standings,
            closing: None,
        };
        Ok((state, receiver))
    }

    /// Checks a command and appends its facts.
    pub(super) fn command(
        &mut self,
        command: Command,
    ) -> Result<Result<Accepted, Rejected>, LedgerError> {
        if self.closing.is_some() {
            return Ok(Err(Rejected::ShuttingDown));
        }
        let facts = match command::facts(&self.desired, self.observed.next_run, command) {
            Ok(facts) => facts,
            Err(rejected) => return Ok(Err(rejected)),
        };
        self.append(&facts)?;
        let version = facts.iter().find_map(|fact| match fact {
            Fact::ReleaseCreated { release, .. } => Some(release.version),
            _ => None,
        });
        Ok(Ok(Accepted { version }))
    }

    fn append(&mut self, facts: &[Fact]) -> Result<(), LedgerError> {
        self.read = self.ledger.append(self.read, facts)?;
        for fact in facts {
            self.desired
                .apply(fact)
                .expect("a fact is tried before it is appended");
        }
        // Formation comes before the release in a deploy, but its line tells the release's sizes.
        for fact in facts {
            self.log(log::of_fact(fact, &self.desired));
        }
        self.standings
            .send_replace(Arc::new(standings(&self.desired)));
        Ok(())
    }

    /// Takes a report, and says whether it asks for a new plan.
    pub(super) fn report(&mut self, report: &Report, now: Time) -> bool {
        let news = self.observed.is_news(report, now);
        let changes = self.observed.apply(report, now);
        self.log_changes(&changes);
        news
    }

    /// When a node is taken for dead unless it says something.
    pub(super) fn next_death(&self, planned: Time) -> Option<Time> {
        self.observed.next_death(planned)
    }

    pub(super) fn close(&mut self, closing: Closing) {
        match &self.closing {
            None => self.closing = Some(closing),
            Some(_) => {
                let _ = closing.reply.send(Err(Rejected::ShuttingDown));
            }
        }
    }

    /// Whether a shutdown is done, or its time is over.
    pub(super) fn closed(&self, now: Time) -> bool {
        let closing = self.closing.as_ref();
        closing.is_some_and(|closing| self.observed.dynos.is_empty() || now >= closing.ends())
    }

    pub(super) fn answer_shutdown(&mut self) {
        if let Some(closing) = self.closing.take() {
            // Whoever asked may have gone; it is done all the same.
            let _ = closing.reply.send(Ok(Accepted::default()));
        }
    }

    /// Plans, and notes the steps as issued. Returns those to be carried out, and when to plan again.
    pub(super) fn decide(&mut self, now: Time) -> Result<(Vec<Step>, Option<Time>), LedgerError> {
        self.observed.prune(&self.desired);
        let mut plan = match &self.closing {
            Some(closing) => {
                let mut plan = plan::wind_down(&self.observed, closing.deadline, now);
                plan.wake_at = Some(
                    plan.wake_at
                        .map_or(closing.ends(), |at| at.min(closing.ends())),
                );
                plan
            }
            None => plan::plan(&self.desired, &self.observed, now),
        };
        let mut out = Vec::with_capacity(plan.steps.len());
        for step in plan.steps.drain(..) {
            if let Step::Record { fact } = &step {
                self.append(std::slice::from_ref(fact))?;
                continue;
            }
            self.log(log::of_step(&step));
            let change = self.observed.issue(&step, &self.desired, now);
            self.log_changes(change.as_slice());
            out.push(step);
        }
        let known = std::mem::replace(&mut self.notes, plan.notes.clone());
        for note in plan.notes.difference(&known) {
            self.log(log::of_note(note, now));
        }
        self.log_losses();
        Ok((out, plan.wake_at))
    }

    /// The dynos there are, and the places that wait after a crash.
    pub(super) fn dynos(&self, now: Time) -> Vec<DynoStatus> {
        let there = self.observed.dynos.iter().map(|(key, dyno)| DynoStatus {
            dyno: key.clone(),
            version: dyno.version,
            state: dyno.state,
            since: dyno.since,
            for_secs: now.since(dyno.since).as_secs(),
            node: Some(dyno.node.clone()),
        });
        let waiting = self
            .observed
            .crashes
            .iter()
            .filter(|(_, history)| history.not_before > now);
        let waiting = waiting.map(|(slot, history)| DynoStatus {
            dyno: DynoKey {
                app: slot.app.clone(),
                dyno: slot.dyno.clone(),
                run: history.run,
            },
            version: slot.version,
            state: lifecycle::State::Crashed,
            since: history.last,
            for_secs: now.since(history.last).as_secs(),
            node: None,
        });
        let mut all: Vec<DynoStatus> = there.chain(waiting).collect();
        all.sort_by(|a, b| a.dyno.cmp(&b.dyno));
        all.dedup_by(|a, b| a.dyno == b.dyno);
        all
    }

    fn log_changes(&mut self, changes: &[Change]) {
        for change in changes {
            for line in log::of_change(change) {
                self.log(Some(line));
            }
        }
    }

    fn log(&mut self, line: Option<LogEvent>) {
        if let Some(line) = line {
            let app = line.app.clone();
            if self.logs.try_send(line).is_err() {
                *self.lost.entry(app).or_default() += 1;
            }
        }
    }

    /// Says how many lines were dropped, once there is room again.
    fn log_losses(&mut self) {
        while let Some((app, lines)) = self.lost.pop_first() {
            let text = format!("{} -> {lines} lines were dropped", Fault::TailOverflow);
            let line = LogEvent {
                app: app.clone(),
                source: log::Source::Api,
                text,
            };
            if self.logs.try_send(line).is_err() {
                self.lost.insert(app, lines);
                return;
            }
        }
    }
}

fn standings(desired: &Desired) -> Standings {
    let standing = |app: &grid::desired::App| Standing {
        newest: app.newest().map(|release| release.version),
        serving: app.serving,
        failed: app.failed.clone(),
    };
    desired
        .apps
        .iter()
        .map(|(name, app)| (name.clone(), standing(app)))
        .collect()
}
