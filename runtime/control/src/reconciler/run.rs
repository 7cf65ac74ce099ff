//! The loop of the reconciler.
//!
//! Owns the order in which things happen. Must not decide: decisions are `grid::plan`.
//!
//! At most one append is under way. Meanwhile reports are taken and plans are made, so that a slow ledger
//! holds up changes only; requests wait for their turn.

use super::append::AppendOutcome;
use super::error::ReconcilerRunError;
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

/// Events that are taken together before the next plan, so that a burst costs one plan.
const BATCH_MAX: usize = 256;
/// What dynos that were stopped at the end of a shutdown have to be gone; then it ends without them.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(5);

/// A shutdown under way.
#[derive(Debug)]
struct Shutdown {
    /// When it is over, whatever is still there.
    ends: Time,
    replies: Vec<oneshot::Sender<()>>,
}

/// The task that decides. AddonDetails by [`start`].
pub struct Reconciler {
    state: ReconcilerState,
    writer: LedgerWriter,
    started: Instant,
    events: mpsc::Receiver<ReconcilerEvent>,
    requests: mpsc::Receiver<QueuedChange>,
    /// Whether something was taken in, since the last plan, that asks for another.
    news: bool,
    closing: Option<Shutdown>,
    /// Steps that someone asked for, which no plan holds.
    asked: Vec<Step>,
    one_offs: mpsc::Sender<OneOffStart>,
    steps: mpsc::Sender<Step>,
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler").finish_non_exhaustive()
    }
}

/// What the reconciler wakes for.
enum WakeReason {
    Event(ReconcilerEvent),
    Request(QueuedChange),
    Done(AppendOutcome),
    Tick,
    /// There is nobody left who could want anything.
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
        channels: ReconcilerChannels,
    ) -> Self {
        Reconciler {
            state,
            writer,
            started: Instant::now(),
            events: channels.events,
            requests: channels.requests,
            // What is owed is written without waiting for anything to happen.
            news: true,
            closing: None,
            asked: Vec::new(),
            one_offs: channels.one_offs,
            steps: channels.steps,
        }
    }

    /// Acts on events until a shutdown is done or every [`Control`](crate::Control) is dropped.
    pub async fn run(mut self) -> Result<(), ReconcilerRunError> {
        let mut wake_at = None;
        let mut planned = Time::ZERO;
        loop {
            // Heartbeats move the next death, and nothing else: they cost no plan.
            let death = self.state.next_death(planned);
            let ends = self.closing.as_ref().map(|closing| closing.ends);
            let wake = [wake_at, death, ends].into_iter().flatten().min();
            if !self.take_events(wake).await? {
                return Ok(());
            }
            if !std::mem::take(&mut self.news) {
                continue;
            }
            planned = self.now();
            if self.closed(planned) {
                return Ok(());
            }
            let decision = self.state.decide(planned);
            let retry_at = self
                .writer
                .record(decision.facts, self.state.view.at, planned);
            wake_at = [decision.wake_at, retry_at].into_iter().flatten().min();
            let asked = std::mem::take(&mut self.asked);
            for step in asked.into_iter().chain(decision.steps) {
                self.send(step).await?;
            }
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }

    /// Waits for something to act on, unless there is news already; then takes what else is there. False:
    /// there is nobody left who could send any.
    async fn take_events(&mut self, wake_at: Option<Time>) -> Result<bool, ReconcilerRunError> {
        if !self.news {
            match self.wake(wake_at).await {
                WakeReason::Event(event) => self.take(event),
                WakeReason::Request(request) => self.writer.consider(request, &self.state),
                WakeReason::Done(done) => {
                    // Facts may have waited for their turn.
                    self.news = true;
                    let now = self.now();
                    self.writer.settle(done, &mut self.state, now)?;
                }
                WakeReason::Tick => self.news = true,
                WakeReason::Deserted => return Ok(false),
            }
        }
        for _ in 1..BATCH_MAX {
            let Ok(event) = self.events.try_recv() else {
                break;
            };
            self.take(event);
        }
        Ok(true)
    }

    async fn wake(&mut self, wake_at: Option<Time>) -> WakeReason {
        let free = self.writer.is_free();
        let wake = wake_at.map(|at| self.started + at.since(Time::ZERO));
        tokio::select! {
            event = self.events.recv() => event.map_or(WakeReason::Deserted, WakeReason::Event),
            request = self.requests.recv(), if free => request.map_or(WakeReason::Deserted, WakeReason::Request),
            done = self.writer.done(), if !free => WakeReason::Done(done),
            () = sleep_until(wake.unwrap_or(self.started)), if wake.is_some() => WakeReason::Tick,
        }
    }

    fn take(&mut self, event: ReconcilerEvent) {
        let now = self.now();
        match event {
            ReconcilerEvent::Report(report) => self.news |= self.state.report(&report, now),
            // Whoever asked may have gone.
            ReconcilerEvent::Dynos(app, reply) => {
                drop(reply.send(self.state.dynos(app.as_ref(), now)))
            }
            ReconcilerEvent::Preview(command, reply) => {
                drop(reply.send(self.state.preview(&command, now)));
            }
            ReconcilerEvent::Run(wanted, reply) => {
                drop(reply.send(self.state.run(*wanted, &self.one_offs, now)));
                self.news = true;
            }
            ReconcilerEvent::StopOnce(app, dyno, by, reply) => {
                let step = self.state.stop_once((&app, &dyno), &by, now);
                let _ = reply.send(step.is_some());
                self.news |= step.is_some();
                self.asked.extend(step);
            }
            ReconcilerEvent::Shutdown { grace, reply } => self.close(now + grace, reply),
        }
    }

    /// Has every dyno drained by a deadline; a second time only waits for the first.
    fn close(&mut self, deadline: Time, reply: oneshot::Sender<()>) {
        if let Some(closing) = &mut self.closing {
            closing.replies.push(reply);
            return;
        }
        self.state.wind_down(deadline);
        self.closing = Some(Shutdown {
            ends: deadline + STOP_GRACE,
            replies: vec![reply],
        });
        self.news = true;
    }

    /// Whether a shutdown is done, or its time is over; then it is answered.
    fn closed(&mut self, now: Time) -> bool {
        let quiet = self.state.is_quiet() && self.writer.is_free();
        let over = |closing: &Shutdown| quiet || now >= closing.ends;
        if !self.closing.as_ref().is_some_and(over) {
            return false;
        }
        for reply in self.closing.take().into_iter().flat_map(|c| c.replies) {
            // Whoever asked may have gone; it is done all the same.
            let _ = reply.send(());
        }
        true
    }

    /// Hands out a step. While there is no room, events are taken in: so an executor that reports before
    /// it takes its next step does not hold both sides up.
    async fn send(&mut self, step: Step) -> Result<(), ReconcilerRunError> {
        loop {
            let event = tokio::select! {
                permit = self.steps.reserve() => {
                    permit.map_err(|_| ReconcilerRunError::NoExecutor)?.send(step);
                    return Ok(());
                }
                Some(event) = self.events.recv() => event,
            };
            self.take(event);
        }
    }
}
