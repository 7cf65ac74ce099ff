//! The reconciler's state, and its decisions. Nothing here waits.
//!
//! Owns the view of the ledger, the observed state and the idempotency keys. Must not read clocks, nor wait for
//! channels.

use super::idempotency_keys::IdempotencyKeys;
use super::log_sender::LogEventSender;
use super::log_text;
use super::options::ReconcilerOptions;
use super::step_hold::StepHold;
use crate::access;
use crate::actor::{Actor, ChangeStamp};
use crate::command::{self, AcceptedChange, Command, CommandError};
use crate::handle::{ChangeRequest, ControlError, DynoStatus, QueuedChange, ReconcilerEnded};
use crate::ledger::{LedgerChange, LedgerEntry, Seq};
use crate::once::{OneOffRequest, OneOffStart, RunningOneOff};
use crate::view::LedgerView;
use grid::desired::{Fact, FactError};
use grid::lifecycle;
use grid::name::{AppName, DynoId, DynoKey};
use grid::observed::ObservedState;
use grid::plan::{self, PlanNote, Policy};
use grid::protocol::{Report, Step};
use grid::time::Time;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct ReconcilerState {
    pub(super) view: LedgerView,
    keys: IdempotencyKeys,
    observed: ObservedState,
    policy: Policy,
    notes: BTreeSet<PlanNote>,
    lines: LogEventSender,
    views: watch::Sender<Arc<LedgerView>>,
    /// The deadline of a shutdown in progress.
    deadline: Option<Time>,
}

/// The decision about a change request.
pub(super) enum ChangeDecision {
    /// Nothing has to be written; this is the answer.
    Known(AcceptedChange),
    /// These changes must be written.
    Write(Vec<LedgerChange>),
}

/// The result of one plan.
pub(super) struct PlanDecision {
    /// Steps to carry out now.
    pub(super) steps: Vec<Step>,
    /// Facts to write. The steps that depend on them follow from a later plan.
    pub(super) facts: Vec<Fact>,
    /// The time of the next plan, if a time is known.
    pub(super) wake_at: Option<Time>,
}

impl ReconcilerState {
    /// The state after all entries of a ledger. The last entry is the start of this reconciler.
    pub(super) fn new(
        view: LedgerView,
        keys: IdempotencyKeys,
        options: &ReconcilerOptions,
        lines: LogEventSender,
    ) -> Self {
        let observed = ObservedState::new(&view.desired, options.seed, Time::ZERO);
        ReconcilerState {
            views: watch::channel(Arc::new(view.clone())).0,
            view,
            keys,
            observed,
            policy: options.policy,
            notes: BTreeSet::new(),
            lines,
            deadline: None,
        }
    }

    pub(super) fn views(&self) -> watch::Receiver<Arc<LedgerView>> {
        self.views.subscribe()
    }

    /// Decides about a change request, given the current state. `at_ms` is the time of the change, in milliseconds
    /// since 1970.
    pub(super) fn decide_change(
        &self,
        request: &QueuedChange,
        at_ms: u64,
    ) -> Result<ChangeDecision, ControlError> {
        let actor = &request.actor;
        let stamp = ChangeStamp { actor, at_ms };
        if let Some(key) = &request.key
            && let Some(accepted) = self.keys.find_answer(actor.name(), key, at_ms)?
        {
            return Ok(ChangeDecision::Known(accepted));
        }
        if self.deadline.is_some() {
            return Err(CommandError::ShuttingDown.into());
        }
        let changes: Vec<LedgerChange> = match &request.wish {
            ChangeRequest::Command(command) => {
                let facts = self.translate_command(command, stamp)?;
                facts.into_iter().map(LedgerChange::Fact).collect()
            }
            ChangeRequest::CreateToken(token) => {
                let token = token.clone().into_token(actor, at_ms);
                self.check_access_change(access::AccessChange::TokenCreated(token))?
            }
            ChangeRequest::RevokeToken(id) => {
                self.check_access_change(access::AccessChange::TokenRevoked(id.clone()))?
            }
            ChangeRequest::NoteUpload(app, slug) if self.view.uploads.contains(app, *slug) => {
                Vec::new()
            }
            ChangeRequest::NoteUpload(app, slug) => {
                let (app, slug) = (app.clone(), *slug);
                self.check_access_change(access::AccessChange::SlugUploaded { app, slug })?
            }
        };
        if changes.is_empty() {
            return Ok(ChangeDecision::Known(AcceptedChange {
                at_ms,
                ..AcceptedChange::default()
            }));
        }
        Ok(ChangeDecision::Write(changes))
    }

    fn check_access_change(
        &self,
        change: access::AccessChange,
    ) -> Result<Vec<LedgerChange>, access::AccessError> {
        self.view.tokens.check_change(&change)?;
        Ok(vec![LedgerChange::Access(change)])
    }

    fn translate_command(
        &self,
        command: &Command,
        stamp: ChangeStamp<'_>,
    ) -> Result<Vec<Fact>, CommandError> {
        command::facts(&self.view.desired, &self.observed, command.clone(), stamp)
    }

    /// The steps that a command would lead to if none of them failed.
    pub(super) fn preview_steps(
        &self,
        command: &Command,
        now: Time,
    ) -> Result<Vec<Step>, ControlError> {
        let stamp = ChangeStamp {
            actor: &Actor::default(),
            at_ms: self.view.newest_ms,
        };
        let facts = self.translate_command(command, stamp)?;
        let (desired, observed) = (&self.view.desired, &self.observed);
        let steps = plan::preview_steps(desired, observed, &self.policy, &facts, now);
        Ok(steps.map_err(CommandError::Misfit)?)
    }

    /// Applies an entry of the ledger. Returns the answer to the request that the entry came from.
    pub(super) fn fold_entry(
        &mut self,
        at: Seq,
        entry: &LedgerEntry,
    ) -> Result<AcceptedChange, FactError> {
        self.view.apply_entry(at, entry)?;
        let accepted = accepted(entry);
        self.keys.record_answer(entry, accepted);
        // All changes are applied before the lines are written: in a deploy the formation precedes the release, but
        // its line shows the release's sizes.
        for change in &entry.changes {
            if let LedgerChange::Fact(fact) = change {
                self.lines
                    .send_lines(log_text::line_for_fact(fact, &self.view.desired, &entry.by));
            }
        }
        self.views.send_replace(Arc::new(self.view.clone()));
        Ok(accepted)
    }

    /// Applies a report. Returns whether it requires a new plan.
    pub(super) fn apply_report(&mut self, report: &Report, now: Time) -> bool {
        let news = self.observed.is_news(report, now);
        let changes = self.observed.apply_report(report, now);
        self.lines
            .send_lines(changes.iter().flat_map(log_text::lines_for_change));
        news
    }

    /// Starts a one-off dyno if the limits allow one more.
    pub(super) fn start_one_off(
        &mut self,
        wanted: OneOffRequest,
        out: &mpsc::Sender<OneOffStart>,
        now: Time,
    ) -> Result<RunningOneOff, ControlError> {
        if self.deadline.is_some() {
            return Err(CommandError::ShuttingDown.into());
        }
        let (desired, app, bytes) = (&self.view.desired, &wanted.app, wanted.memory_bytes);
        let made = plan::place_one_off(desired, &self.observed, app, bytes, now);
        let made = made.map_err(CommandError::OneOff)?;
        let app = desired.app(app).map_err(CommandError::Misfit)?;
        let release = app.release(made.release);
        let release = release.ok_or_else(|| CommandError::NoRelease(app.name.clone()))?;
        let one_off = OneOffStart {
            node: made.node.clone(),
            dyno: made.dyno.clone(),
            release: Arc::clone(release),
            wanted,
        };
        let line = log_text::line_for_one_off(&one_off);
        out.try_send(one_off).map_err(|error| match error {
            TrySendError::Full(_) => ControlError::from(CommandError::TooManyAtOnce),
            TrySendError::Closed(_) => ControlError::Gone(ReconcilerEnded),
        })?;
        let change = self.observed.start_one_off(&made, now);
        self.lines.send_lines([line]);
        self.lines.send_lines(log_text::lines_for_change(&change));
        Ok(RunningOneOff {
            dyno: made.dyno,
            version: made.release.version,
            node: made.node,
        })
    }

    /// The step that stops a dyno that runs once, recorded as issued; `None` if there is no such dyno.
    pub(super) fn stop_one_off(
        &mut self,
        (app, dyno): (&AppName, &DynoId),
        by: &str,
        now: Time,
    ) -> Option<Step> {
        let step = self.observed.stop_run_once(app, dyno)?;
        let change = self.observed.issue_step(&step, &self.view.desired, now);
        self.lines
            .send_lines([log_text::line_for_stop(app, dyno, by)]);
        self.lines
            .send_lines(change.iter().flat_map(log_text::lines_for_change));
        Some(step)
    }

    /// The time at which the next node counts as dead unless it sends a report.
    pub(super) fn next_death(&self, planned: Time) -> Option<Time> {
        self.observed.next_death(planned)
    }

    /// Starts a shutdown: every dyno is drained until the deadline.
    pub(super) fn start_shutdown(&mut self, deadline: Time) {
        self.deadline = Some(deadline);
    }

    /// Whether no dyno is left.
    pub(super) fn has_no_dynos(&self) -> bool {
        self.observed.dynos.is_empty()
    }

    /// Makes a plan and records its steps as issued.
    pub(super) fn make_plan(&mut self, now: Time) -> PlanDecision {
        self.observed.forget_outdated(&self.view.desired);
        let plan = match self.deadline {
            Some(deadline) => plan::plan_shutdown(&self.observed, deadline, now),
            None => plan::make_plan(&self.view.desired, &self.observed, &self.policy, now),
        };
        let (mut steps, mut facts) = (Vec::with_capacity(plan.steps.len()), Vec::new());
        let mut held = StepHold::default();
        for step in plan.steps {
            if held.must_wait(&step) {
                continue;
            }
            if let Step::Record { fact } = step {
                held.add_fact(&fact);
                facts.push(fact);
                continue;
            }
            self.lines.send_lines(log_text::line_for_step(&step));
            let change = self.observed.issue_step(&step, &self.view.desired, now);
            self.lines
                .send_lines(change.iter().flat_map(log_text::lines_for_change));
            steps.push(step);
        }
        let known = std::mem::replace(&mut self.notes, plan.notes);
        let new = self.notes.difference(&known);
        self.lines
            .send_lines(new.filter_map(|note| log_text::line_for_note(note, now)));
        self.lines.send_loss_notices();
        PlanDecision {
            steps,
            facts,
            wake_at: plan.wake_at,
        }
    }

    /// The running dynos, and the crashed dynos that wait for their back-off, of one app or of all apps.
    pub(super) fn list_dynos(&self, app: Option<&AppName>, now: Time) -> Vec<DynoStatus> {
        let wanted = |key: &AppName| app.is_none_or(|app| app == key);
        let there = self.observed.dynos.iter();
        let there = there.filter(|(key, _)| wanted(&key.app));
        let there = there.map(|(key, dyno)| DynoStatus {
            dyno: key.clone(),
            version: dyno.release.version,
            state: dyno.state,
            since: dyno.since,
            for_secs: now.since(dyno.since).as_secs(),
            node: Some(dyno.node.clone()),
        });
        let waiting = self.observed.crashes.iter();
        let waiting =
            waiting.filter(|(slot, history)| wanted(&slot.app) && history.not_before > now);
        let waiting = waiting.map(|(slot, history)| DynoStatus {
            dyno: DynoKey {
                app: slot.app.clone(),
                dyno: slot.dyno.clone(),
                run: history.run,
            },
            version: slot.release.version,
            state: lifecycle::DynoState::Crashed,
            since: history.last,
            for_secs: now.since(history.last).as_secs(),
            node: None,
        });
        let mut all: Vec<DynoStatus> = there.chain(waiting).collect();
        all.sort_by(|a, b| a.dyno.cmp(&b.dyno));
        all.dedup_by(|a, b| a.dyno == b.dyno);
        all
    }
}

/// The answer to the request that an entry came from.
pub(super) fn accepted(entry: &LedgerEntry) -> AcceptedChange {
    let version = entry.changes.iter().find_map(|change| match change {
        LedgerChange::Fact(Fact::ReleaseCreated { release, .. }) => Some(release.version),
        _ => None,
    });
    AcceptedChange {
        version,
        at_ms: entry.at_ms,
        repeated: false,
    }
}

/// Whether an entry records the start of a reconciler.
pub(super) fn starts_reconciler(entry: &LedgerEntry) -> bool {
    let start = LedgerChange::Fact(Fact::ReconcilerStarted);
    entry.changes.contains(&start)
}
