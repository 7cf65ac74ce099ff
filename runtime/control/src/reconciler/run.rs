//! The event loop of the reconciler.
//!
//! Owns the order of ledger entries, plans and steps. Must not make planning decisions: those are in `grid::plan`.
//!
//! At most one append to the ledger is pending. Meanwhile the reconciler handles reports and makes plans, so that a
//! slow ledger delays only changes; requests wait in their queue. Entries of other writers are applied as they appear.
//! When another reconciler has started, this one ends, and sends no further step.

use super::append::AppendOutcome;
use super::error::ReconcilerRunError;
use super::ledger_follower::{EntryFollower, LedgerPage};
use super::ledger_writer::LedgerWriter;
use super::state::ReconcilerState;
use crate::handle::{QueuedChange, ReconcilerEvent};
use crate::once::OneOffStart;
use grid::protocol::Step;
use grid::time::Time;
use std::fmt;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Maximum number of events that are handled before the next plan, so that a burst costs one plan.
const BATCH_MAX: usize = 256;
/// Time for dynos that were stopped at the end of a shutdown. After this time the reconciler ends without waiting
/// further.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(5);

/// A shutdown in progress.
#[derive(Debug)]
struct Shutdown {
    /// The time at which the reconciler ends, even if dynos are left.
    ends: Time,
    replies: Vec<oneshot::Sender<()>>,
}

/// The reconciler, before it runs. Created by [`start`](crate::start).
pub struct Reconciler {
    state: ReconcilerState,
    writer: LedgerWriter,
    follower: EntryFollower,
    started: Instant,
    events: mpsc::Receiver<ReconcilerEvent>,
    requests: mpsc::Receiver<QueuedChange>,
    /// Whether an event since the last plan requires a new plan.
    news: bool,
    closing: Option<Shutdown>,
    /// Steps that users requested directly, which are not part of a plan.
    asked: Vec<Step>,
    one_offs: mpsc::Sender<OneOffStart>,
    steps: mpsc::Sender<Step>,
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler").finish_non_exhaustive()
    }
}

/// The reason for which the event loop wakes.
enum WakeReason {
    Event(ReconcilerEvent),
    Request(QueuedChange),
    Done(AppendOutcome),
    /// Entries appeared in the ledger.
    Page(LedgerPage),
    Tick,
    /// All handles were dropped.
    Deserted,
}

/// The reconciler's ends of its channels.
pub(super) struct ReconcilerChannels {
    pub(super) events: mpsc::Receiver<ReconcilerEvent>,
    pub(super) requests: mpsc::Receiver<QueuedChange>,
    pub(super) one_offs: mpsc::Sender<OneOffStart>,
    pub(super) steps: mpsc::Sender<Step>,
}

impl Reconciler {
    pub(super) fn new(
        state: ReconcilerState,
        writer: LedgerWriter,
        follower: EntryFollower,
        channels: ReconcilerChannels,
    ) -> Self {
        Reconciler {
            state,
            writer,
            follower,
            started: Instant::now(),
            events: channels.events,
            requests: channels.requests,
            // Makes the first plan at once, so that an unwritten fact is written without waiting for an event.
            news: true,
            closing: None,
            asked: Vec::new(),
            one_offs: channels.one_offs,
            steps: channels.steps,
        }
    }

    /// Handles events until a shutdown is complete or every [`Control`](crate::Control) is dropped.
    pub async fn run(mut self) -> Result<(), ReconcilerRunError> {
        let mut wake_at = None;
        let mut planned = Time::ZERO;
        loop {
            // A heartbeat only moves the time at which its node counts as dead, so it needs no new plan.
            let death = self.state.next_death(planned);
            let ends = self.closing.as_ref().map(|closing| closing.ends);
            let wake = [wake_at, death, ends].into_iter().flatten().min();
            if !self.wait_for_news(wake).await? {
                return Ok(());
            }
            if !std::mem::take(&mut self.news) {
                continue;
            }
            planned = self.now();
            if self.finish_shutdown(planned) {
                return Ok(());
            }
            let decision = self.state.make_plan(planned);
            let retry_at = self
                .writer
                .start_facts(decision.facts, &self.state.view, planned);
            wake_at = [decision.wake_at, retry_at].into_iter().flatten().min();
            let asked = std::mem::take(&mut self.asked);
            for step in asked.into_iter().chain(decision.steps) {
                self.send_step(step).await?;
            }
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }

    /// Waits for an event, unless a plan is due already, and then handles the events that are queued. Returns false
    /// when all handles were dropped.
    async fn wait_for_news(&mut self, wake_at: Option<Time>) -> Result<bool, ReconcilerRunError> {
        if !self.news {
            match self.next_wake(wake_at).await {
                WakeReason::Event(event) => self.handle_event(event),
                WakeReason::Request(request) => self.writer.start_change(request, &self.state),
                WakeReason::Done(done) => {
                    // Facts may have waited for this append, so plan again.
                    self.news = true;
                    let now = self.now();
                    self.writer.finish_append(done, &mut self.state, now)?;
                }
                WakeReason::Page(page) => self.fold_page(&page)?,
                WakeReason::Tick => self.news = true,
                WakeReason::Deserted => return Ok(false),
            }
        }
        for _ in 1..BATCH_MAX {
            let Ok(event) = self.events.try_recv() else {
                break;
            };
            self.handle_event(event);
        }
        Ok(true)
    }

    async fn next_wake(&mut self, wake_at: Option<Time>) -> WakeReason {
        let free = self.writer.is_free();
        let wake = wake_at.map(|at| self.started + at.since(Time::ZERO));
        let (at, patient_until) = (self.state.view.at, self.writer.patient_until());
        tokio::select! {
            event = self.events.recv() => event.map_or(WakeReason::Deserted, WakeReason::Event),
            request = self.requests.recv(), if free => request.map_or(WakeReason::Deserted, WakeReason::Request),
            done = self.writer.next_outcome(), if !free => WakeReason::Done(done),
            page = self.follower.next_page(at, patient_until) => WakeReason::Page(page),
            () = sleep_until(wake.unwrap_or(self.started)), if wake.is_some() => WakeReason::Tick,
        }
    }

    /// Applies entries that appeared in the ledger.
    fn fold_page(&mut self, page: &LedgerPage) -> Result<(), ReconcilerRunError> {
        self.news |= self.writer.fold_page(page, &mut self.state)?;
        Ok(())
    }

    fn handle_event(&mut self, event: ReconcilerEvent) {
        let now = self.now();
        match event {
            ReconcilerEvent::Report(report) => self.news |= self.state.apply_report(&report, now),
            // The requester may have stopped waiting.
            ReconcilerEvent::Dynos(app, reply) => {
                drop(reply.send(self.state.list_dynos(app.as_ref(), now)))
            }
            ReconcilerEvent::Preview(command, reply) => {
                drop(reply.send(self.state.preview_steps(&command, now)));
            }
            ReconcilerEvent::Run(wanted, reply) => {
                drop(reply.send(self.state.start_one_off(*wanted, &self.one_offs, now)));
                self.news = true;
            }
            ReconcilerEvent::StopOnce(app, dyno, by, reply) => {
                let step = self.state.stop_one_off((&app, &dyno), &by, now);
                let _ = reply.send(step.is_some());
                self.news |= step.is_some();
                self.asked.extend(step);
            }
            ReconcilerEvent::Shutdown { grace, reply } => self.start_shutdown(now + grace, reply),
        }
    }

    /// Starts to drain every dyno until a deadline. A second request only waits for the first shutdown.
    fn start_shutdown(&mut self, deadline: Time, reply: oneshot::Sender<()>) {
        if let Some(closing) = &mut self.closing {
            closing.replies.push(reply);
            return;
        }
        self.state.start_shutdown(deadline);
        self.closing = Some(Shutdown {
            ends: deadline + STOP_GRACE,
            replies: vec![reply],
        });
        self.news = true;
    }

    /// Answers the shutdown requests if the shutdown is complete or its time is over. Returns whether it is.
    fn finish_shutdown(&mut self, now: Time) -> bool {
        let quiet = self.state.has_no_dynos() && self.writer.is_free();
        let over = |closing: &Shutdown| quiet || now >= closing.ends;
        if !self.closing.as_ref().is_some_and(over) {
            return false;
        }
        for reply in self.closing.take().into_iter().flat_map(|c| c.replies) {
            // The requester may have stopped waiting.
            let _ = reply.send(());
        }
        true
    }

    /// Sends a step. While the channel is full, events are handled, so that an executor that sends a report before
    /// it receives the next step does not cause a deadlock. The ledger is followed meanwhile.
    async fn send_step(&mut self, step: Step) -> Result<(), ReconcilerRunError> {
        loop {
            let (at, patient_until) = (self.state.view.at, self.writer.patient_until());
            let (event, page) = tokio::select! {
                permit = self.steps.reserve() => {
                    permit.map_err(|_| ReconcilerRunError::NoExecutor)?.send(step);
                    return Ok(());
                }
                Some(event) = self.events.recv() => (Some(event), LedgerPage::new()),
                page = self.follower.next_page(at, patient_until) => (None, page),
            };
            self.fold_page(&page)?;
            if let Some(event) = event {
                self.handle_event(event);
            }
        }
    }
}
