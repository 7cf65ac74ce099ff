//! The reconciler: the single writer, which turns events into facts, and facts into steps.
//!
//! Owns the order in which things happen. Must not decide: decisions are `grid::plan`.
//!
//! At most one append is under way. Meanwhile reports are taken and plans are made, so that a slow ledger
//! holds up changes only; requests wait for their turn.

mod append;
mod begin;
mod held;
mod lines;
mod offline;
mod state;
mod write;

pub use begin::{Options, StartError, start};
pub use offline::{OfflineError, create_token_offline};

use crate::access::{Token, TokenId};
use crate::command::{Accepted, Actor, Command};
use crate::handle::{DynoStatus, Published, Refused};
use crate::ledger::{AppendError, IdempotencyKey};
use crate::log::LogEvent;
use crate::once::{OneOff, Reply, Wanted};
use append::Done;
use grid::desired::FactError;
use grid::name::{AppName, DynoId, SlugId};
use grid::protocol::{Report, Step};
use grid::time::Time;
use state::State;
use std::fmt;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use write::Writer;

/// Events that wait for the reconciler: a burst of reports from a thousand dynos.
pub const EVENTS_MAX: usize = 1_024;
/// Requests that wait for their turn to be written down.
pub const REQUESTS_MAX: usize = 256;
/// Steps that wait to be carried out.
pub const STEPS_MAX: usize = 1_024;
/// One-off dynos that wait to be started.
pub const ONE_OFFS_MAX: usize = 64;
/// Log events that wait to be read.
pub const LOGS_MAX: usize = 4_096;
/// Events that are taken together before the next plan, so that a burst costs one plan.
const BATCH_MAX: usize = 256;
/// What dynos that were stopped at the end of a shutdown have to be gone; then it ends without them.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Who the reconciler is, in entries of its own.
const SELF: &str = "reconciler";

/// Something that a user wants to be changed.
#[derive(Debug)]
pub(crate) enum Wish {
    Command(Command),
    CreateToken(Token),
    RevokeToken(TokenId),
    NoteUpload(AppName, SlugId),
}

/// A wish, who has it, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) wish: Wish,
    pub(crate) actor: Actor,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) reply: oneshot::Sender<Result<Accepted, Refused>>,
}

/// Something that the reconciler acts on at once.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node reports something.
    Report(Report),
    /// Someone asks which dynos there are, of one app or of all.
    Dynos(Option<AppName>, oneshot::Sender<Vec<DynoStatus>>),
    /// Someone asks what a command would do.
    Preview(Command, oneshot::Sender<Result<Vec<Step>, Refused>>),
    /// Someone wants something to be run once.
    Run(Box<Wanted>, Reply),
    /// Someone wants a dyno that runs once to end; the answer says whether there was one.
    StopOnce(AppName, DynoId, String, oneshot::Sender<bool>),
    /// Every dyno is to be drained; the answer goes back when that is done.
    Shutdown {
        grace: Duration,
        reply: oneshot::Sender<()>,
    },
}

/// What a reconciler puts out.
#[derive(Debug)]
pub struct Outputs {
    /// Steps, to be carried out in order. `Step::Record` is not among them.
    pub steps: mpsc::Receiver<Step>,
    /// One-off dynos that are to start. Whoever takes both takes these first: a step may be about one of them.
    pub one_offs: mpsc::Receiver<OneOff>,
    /// Lines for the apps' log streams.
    pub logs: mpsc::Receiver<LogEvent>,
    /// Where whoever carries out the steps says what the router has: see [`Published`].
    pub published: watch::Sender<Published>,
}

/// Why a reconciler ended before it was told to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// Another reconciler has taken over.
    #[error("the ledger has another writer")]
    Ledger(#[source] AppendError),
    /// What was written does not make sense.
    #[error("the ledger holds a fact that does not fit")]
    Misfit(#[from] FactError),
    /// Nobody takes the steps any more.
    #[error("nobody carries out the steps")]
    NoExecutor,
}

/// A shutdown under way.
#[derive(Debug)]
struct Closing {
    /// When it is over, whatever is still there.
    ends: Time,
    replies: Vec<oneshot::Sender<()>>,
}

/// The task that decides. Made by [`start`].
pub struct Reconciler {
    state: State,
    writer: Writer,
    started: Instant,
    events: mpsc::Receiver<Event>,
    requests: mpsc::Receiver<Request>,
    /// Whether something was taken in, since the last plan, that asks for another.
    news: bool,
    closing: Option<Closing>,
    /// Steps that someone asked for, which no plan holds.
    asked: Vec<Step>,
    one_offs: mpsc::Sender<OneOff>,
    steps: mpsc::Sender<Step>,
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler").finish_non_exhaustive()
    }
}

/// What the reconciler wakes for.
enum Wake {
    Event(Event),
    Request(Request),
    Done(Done),
    Tick,
    /// There is nobody left who could want anything.
    Deserted,
}

impl Reconciler {
    /// Acts on events until a shutdown is done or every [`Control`](crate::Control) is dropped.
    pub async fn run(mut self) -> Result<(), RunError> {
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
    async fn take_events(&mut self, wake_at: Option<Time>) -> Result<bool, RunError> {
        if !self.news {
            match self.wake(wake_at).await {
                Wake::Event(event) => self.take(event),
                Wake::Request(request) => self.writer.consider(request, &self.state),
                Wake::Done(done) => {
                    // Facts may have waited for their turn.
                    self.news = true;
                    let now = self.now();
                    self.writer.settle(done, &mut self.state, now)?;
                }
                Wake::Tick => self.news = true,
                Wake::Deserted => return Ok(false),
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

    async fn wake(&mut self, wake_at: Option<Time>) -> Wake {
        let free = self.writer.is_free();
        let wake = wake_at.map(|at| self.started + at.since(Time::ZERO));
        tokio::select! {
            event = self.events.recv() => event.map_or(Wake::Deserted, Wake::Event),
            request = self.requests.recv(), if free => request.map_or(Wake::Deserted, Wake::Request),
            done = self.writer.done(), if !free => Wake::Done(done),
            () = sleep_until(wake.unwrap_or(self.started)), if wake.is_some() => Wake::Tick,
        }
    }

    fn take(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Report(report) => self.news |= self.state.report(&report, now),
            // Whoever asked may have gone.
            Event::Dynos(app, reply) => drop(reply.send(self.state.dynos(app.as_ref(), now))),
            Event::Preview(command, reply) => {
                drop(reply.send(self.state.preview(&command, now)));
            }
            Event::Run(wanted, reply) => {
                drop(reply.send(self.state.run(*wanted, &self.one_offs, now)));
                self.news = true;
            }
            Event::StopOnce(app, dyno, by, reply) => {
                let step = self.state.stop_once((&app, &dyno), &by, now);
                let _ = reply.send(step.is_some());
                self.news |= step.is_some();
                self.asked.extend(step);
            }
            Event::Shutdown { grace, reply } => self.close(now + grace, reply),
        }
    }

    /// Has every dyno drained by a deadline; a second time only waits for the first.
    fn close(&mut self, deadline: Time, reply: oneshot::Sender<()>) {
        if let Some(closing) = &mut self.closing {
            closing.replies.push(reply);
            return;
        }
        self.state.wind_down(deadline);
        self.closing = Some(Closing {
            ends: deadline + STOP_GRACE,
            replies: vec![reply],
        });
        self.news = true;
    }

    /// Whether a shutdown is done, or its time is over; then it is answered.
    fn closed(&mut self, now: Time) -> bool {
        let quiet = self.state.is_quiet() && self.writer.is_free();
        let over = |closing: &Closing| quiet || now >= closing.ends;
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
    async fn send(&mut self, step: Step) -> Result<(), RunError> {
        loop {
            let event = tokio::select! {
                permit = self.steps.reserve() => {
                    permit.map_err(|_| RunError::NoExecutor)?.send(step);
                    return Ok(());
                }
                Some(event) = self.events.recv() => event,
            };
            self.take(event);
        }
    }
}

#[cfg(test)]
mod tests;
