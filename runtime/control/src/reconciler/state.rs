//! What a reconciler knows, and what it does about it, without waiting for anything.
//!
//! Owns intent, observation and the end of the ledger. Must not know clocks, nor channels that can be full.

use super::idempotency_keys::IdempotencyKeys;
use super::log_sender::LogEventSender;
use super::log_text;
use super::options::ReconcilerOptions;
use super::step_hold::StepHold;
use crate::access;
use crate::actor::Actor;
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
    /// When dynos are to be gone, in a shutdown.
    deadline: Option<Time>,
}

/// What a request comes to.
pub(super) enum ChangeDecision {
    /// It is answered with this, and nothing is to be written.
    Known(AcceptedChange),
    /// These changes are to be written.
    Write(Vec<LedgerChange>),
}

/// What was decided.
pub(super) struct PlanDecision {
    /// To be carried out.
    pub(super) steps: Vec<Step>,
    /// To be written before the rest of the plan can be made.
    pub(super) facts: Vec<Fact>,
    /// When to plan again.
    pub(super) wake_at: Option<Time>,
}

impl ReconcilerState {
    /// The state after all entries of a ledger, the last of which says that this reconciler started.
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

    /// What a request comes to, given what is known now.
    pub(super) fn consider(&self, request: &QueuedChange) -> Result<ChangeDecision, ControlError> {
        let actor = &request.actor;
        if let Some(key) = &request.key
            && let Some(accepted) = self.keys.find(&actor.by, key, actor.at_ms)?
        {
            return Ok(ChangeDecision::Known(accepted));
        }
        if self.deadline.is_some() {
            return Err(CommandError::ShuttingDown.into());
        }
        let changes: Vec<LedgerChange> = match &request.wish {
            ChangeRequest::Command(command) => {
                let facts = self.facts(command, actor)?;
                facts.into_iter().map(LedgerChange::Fact).collect()
            }
            ChangeRequest::CreateToken(token) => {
                self.access(access::AccessChange::TokenCreated(token.clone()))?
            }
            ChangeRequest::RevokeToken(id) => {
                self.access(access::AccessChange::TokenRevoked(id.clone()))?
            }
            ChangeRequest::NoteUpload(app, slug) if self.view.uploads.contains(app, *slug) => {
                Vec::new()
            }
            ChangeRequest::NoteUpload(app, slug) => {
                let (app, slug) = (app.clone(), *slug);
                self.access(access::AccessChange::SlugUploaded { app, slug })?
            }
        };
        if changes.is_empty() {
            return Ok(ChangeDecision::Known(AcceptedChange::default()));
        }
        Ok(ChangeDecision::Write(changes))
    }

    fn access(
        &self,
        change: access::AccessChange,
    ) -> Result<Vec<LedgerChange>, access::AccessError> {
        self.view.tokens.check(&change)?;
        Ok(vec![LedgerChange::Access(change)])
    }

    fn facts(&self, command: &Command, actor: &Actor) -> Result<Vec<Fact>, CommandError> {
        command::facts(&self.view.desired, &self.observed, command.clone(), actor)
    }

    /// What a command would do if all went well.
    pub(super) fn preview(&self, command: &Command, now: Time) -> Result<Vec<Step>, ControlError> {
        let facts = self.facts(command, &Actor::default())?;
        let (desired, observed) = (&self.view.desired, &self.observed);
        let steps = plan::preview_steps(desired, observed, &self.policy, &facts, now);
        Ok(steps.map_err(CommandError::Misfit)?)
    }

    /// Takes what is in the ledger, and returns what came of it.
    pub(super) fn fold(
        &mut self,
        at: Seq,
        entry: &LedgerEntry,
    ) -> Result<AcceptedChange, FactError> {
        self.view.apply(at, entry)?;
        let accepted = accepted(entry);
        self.keys.note(entry, accepted);
        // Formation comes before the release in a deploy, but its line tells the release's sizes.
        for change in &entry.changes {
            if let LedgerChange::Fact(fact) = change {
                self.lines
                    .say(log_text::of_fact(fact, &self.view.desired, &entry.by));
            }
        }
        self.views.send_replace(Arc::new(self.view.clone()));
        Ok(accepted)
    }

    /// Takes a report, and says whether it asks for a new plan.
    pub(super) fn report(&mut self, report: &Report, now: Time) -> bool {
        let news = self.observed.is_news(report, now);
        let changes = self.observed.apply_report(report, now);
        self.lines.say(changes.iter().flat_map(log_text::of_change));
        news
    }

    /// Lets a one-off dyno start, if there may be one more.
    pub(super) fn run(
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
        let release = app.releases.get(&made.version);
        let release = release.ok_or_else(|| CommandError::NoRelease(app.name.clone()))?;
        let one_off = OneOffStart {
            node: made.node.clone(),
            dyno: made.dyno.clone(),
            release: Arc::clone(release),
            wanted,
        };
        let line = log_text::of_one_off(&one_off);
        out.try_send(one_off).map_err(|error| match error {
            TrySendError::Full(_) => ControlError::from(CommandError::TooManyAtOnce),
            TrySendError::Closed(_) => ControlError::Gone(ReconcilerEnded),
        })?;
        let change = self.observed.start_one_off(&made, now);
        self.lines.say([line]);
        self.lines.say(log_text::of_change(&change));
        Ok(RunningOneOff {
            dyno: made.dyno,
            version: made.version,
            node: made.node,
        })
    }

    /// The step that ends a dyno that runs once, noted as issued; none if there is no such dyno.
    pub(super) fn stop_once(
        &mut self,
        (app, dyno): (&AppName, &DynoId),
        by: &str,
        now: Time,
    ) -> Option<Step> {
        let step = self.observed.stop_run_once(app, dyno)?;
        let change = self.observed.issue_step(&step, &self.view.desired, now);
        self.lines.say([log_text::of_stop(app, dyno, by)]);
        self.lines.say(change.iter().flat_map(log_text::of_change));
        Some(step)
    }

    /// When a node is taken for dead unless it says something.
    pub(super) fn next_death(&self, planned: Time) -> Option<Time> {
        self.observed.next_death(planned)
    }

    /// Has every dyno drained by this time.
    pub(super) fn wind_down(&mut self, deadline: Time) {
        self.deadline = Some(deadline);
    }

    /// Whether there is no dyno left.
    pub(super) fn is_quiet(&self) -> bool {
        self.observed.dynos.is_empty()
    }

    /// Plans, and notes the steps as issued.
    pub(super) fn decide(&mut self, now: Time) -> PlanDecision {
        self.observed.forget_outdated(&self.view.desired);
        let plan = match self.deadline {
            Some(deadline) => plan::plan_shutdown(&self.observed, deadline, now),
            None => plan::make_plan(&self.view.desired, &self.observed, &self.policy, now),
        };
        let (mut steps, mut facts) = (Vec::with_capacity(plan.steps.len()), Vec::new());
        let mut held = StepHold::default();
        for step in plan.steps {
            if held.holds(&step) {
                continue;
            }
            if let Step::Record { fact } = step {
                held.hold(&fact);
                facts.push(fact);
                continue;
            }
            self.lines.say(log_text::of_step(&step));
            let change = self.observed.issue_step(&step, &self.view.desired, now);
            self.lines.say(change.iter().flat_map(log_text::of_change));
            steps.push(step);
        }
        let known = std::mem::replace(&mut self.notes, plan.notes);
        let new = self.notes.difference(&known);
        self.lines
            .say(new.filter_map(|note| log_text::of_note(note, now)));
        self.lines.say_losses();
        PlanDecision {
            steps,
            facts,
            wake_at: plan.wake_at,
        }
    }

    /// The dynos there are, and the places that wait after a crash; of one app, or of all.
    pub(super) fn dynos(&self, app: Option<&AppName>, now: Time) -> Vec<DynoStatus> {
        let wanted = |key: &AppName| app.is_none_or(|app| app == key);
        let there = self.observed.dynos.iter();
        let there = there.filter(|(key, _)| wanted(&key.app));
        let there = there.map(|(key, dyno)| DynoStatus {
            dyno: key.clone(),
            version: dyno.version,
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
            version: slot.version,
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

/// What came of the request that became this entry.
pub(super) fn accepted(entry: &LedgerEntry) -> AcceptedChange {
    let version = entry.changes.iter().find_map(|change| match change {
        LedgerChange::Fact(Fact::ReleaseCreated { release, .. }) => Some(release.version),
        _ => None,
    });
    AcceptedChange {
        version,
        repeated: false,
    }
}
