//! The reconciler: the single writer, which turns events into facts, and facts into steps.
//!
//! Owns the order in which things happen. Must not decide: decisions are `grid::plan`.

mod state;

use crate::command::{Accepted, Command, Rejected};
use crate::handle::{Control, DynoStatus};
use crate::ledger::{Ledger, LedgerError};
use crate::log::LogEvent;
use grid::desired::Misfit;
use grid::plan::{Report, Step};
use grid::time::Time;
use state::{Closing, State};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Events that wait for the reconciler: a burst of reports from a thousand dynos.
pub const EVENTS_MAX: usize = 1_024;
/// Steps that wait to be carried out.
pub const STEPS_MAX: usize = 1_024;
/// Log events that wait to be read.
pub const LOGS_MAX: usize = 4_096;
/// Events that are taken together before the next plan, so that a burst costs one plan.
const BATCH_MAX: usize = 256;
/// What dynos that were stopped at the end of a shutdown have to be gone; then it ends without them.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Something that the reconciler acts on.
#[derive(Debug)]
pub enum Event {
    /// A user asks for something; the answer goes back.
    Command(Command, oneshot::Sender<Result<Accepted, Rejected>>),
    /// A node reports something.
    Report(Report),
    /// Someone asks which dynos there are.
    Dynos(oneshot::Sender<Vec<DynoStatus>>),
    /// Plan again.
    Tick,
}

/// What a reconciler puts out.
#[derive(Debug)]
pub struct Outputs {
    /// Steps, to be carried out in order. `Step::Record` is not among them.
    pub steps: mpsc::Receiver<Step>,
    /// Lines for the apps' log streams.
    pub logs: mpsc::Receiver<LogEvent>,
}

/// Why a reconciler did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The ledger does not make sense.
    #[error("the ledger holds a fact that does not fit")]
    Replay(#[source] Misfit),
    /// The ledger cannot be written.
    #[error("cannot write to the ledger")]
    Ledger(#[source] LedgerError),
}

/// Why a reconciler ended before it was told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The ledger cannot be written; another reconciler may have taken over.
    #[error("cannot write to the ledger")]
    Ledger(#[source] LedgerError),
    /// Nobody takes the steps any more.
    #[error("nobody carries out the steps")]
    NoExecutor,
}

/// The task that decides. Made by [`start`].
#[derive(Debug)]
pub struct Reconciler {
    state: State,
    started: Instant,
    events: mpsc::Receiver<Event>,
    /// Whether something was taken in, since the last plan, that asks for another.
    news: bool,
    steps: mpsc::Sender<Step>,
}

/// Replays the ledger and makes a reconciler of it. `seed` gives back-off its jitter.
///
/// Time is counted from here. There can be one reconciler a ledger: a second one takes over, and the
/// first one ends at its next fact.
pub fn start(ledger: Ledger, seed: u64) -> Result<(Reconciler, Control, Outputs), StartError> {
    let (event_sender, events) = mpsc::channel(EVENTS_MAX);
    let (step_sender, steps) = mpsc::channel(STEPS_MAX);
    let (log_sender, logs) = mpsc::channel(LOGS_MAX);
    let (state, standings) = State::replay(ledger, seed, log_sender)?;
    let reconciler = Reconciler {
        state,
        started: Instant::now(),
        events,
        news: false,
        steps: step_sender,
    };
    Ok((
        reconciler,
        Control::new(event_sender, standings),
        Outputs { steps, logs },
    ))
}

impl Reconciler {
    /// Acts on events until a `Shutdown` is done or every [`Control`] is dropped.
    pub async fn run(mut self) -> Result<(), RunError> {
        let mut wake_at = None;
        let mut planned = Time::ZERO;
        loop {
            // Heartbeats move the next death, and nothing else: they cost no plan.
            let death = self.state.next_death(planned);
            let wake = [wake_at, death].into_iter().flatten().min();
            if !self.take_events(wake).await? {
                return Ok(());
            }
            if !std::mem::take(&mut self.news) {
                continue;
            }
            planned = self.now();
            if self.state.closed(planned) {
                self.state.answer_shutdown();
                return Ok(());
            }
            let (steps, wake) = self.state.decide(planned).map_err(RunError::Ledger)?;
            wake_at = wake;
            for step in steps {
                self.send(step).await?;
            }
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }

    /// Waits for an event or the time to wake, unless there is news already; then takes what else is
    /// there. False: there is nobody left who could send any.
    async fn take_events(&mut self, wake_at: Option<Time>) -> Result<bool, RunError> {
        if !self.news {
            let wake = wake_at.map(|at| self.started + at.since(Time::ZERO));
            let first = tokio::select! {
                event = self.events.recv() => event,
                () = sleep_until(wake.unwrap_or(self.started)), if wake.is_some() => Some(Event::Tick),
            };
            let Some(first) = first else { return Ok(false) };
            self.take(first)?;
        }
        for _ in 1..BATCH_MAX {
            let Ok(event) = self.events.try_recv() else {
                break;
            };
            self.take(event)?;
        }
        Ok(true)
    }

    fn take(&mut self, event: Event) -> Result<(), RunError> {
        let now = self.now();
        match event {
            Event::Command(Command::Shutdown { grace }, reply) => {
                self.state.close(Closing {
                    deadline: now + grace,
                    reply,
                });
                self.news = true;
            }
            Event::Command(command, reply) => {
                let answer = self.state.command(command).map_err(RunError::Ledger)?;
                // Whoever asked may have gone; the command stands.
                let _ = reply.send(answer);
                self.news = true;
            }
            Event::Report(report) => self.news |= self.state.report(&report, now),
            Event::Dynos(reply) => {
                let _ = reply.send(self.state.dynos(now));
            }
            Event::Tick => self.news = true,
        }
        Ok(())
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
            self.take(event)?;
        }
    }
}

impl Closing {
    /// When a shutdown is over, whatever is still there.
    fn ends(&self) -> Time {
        self.deadline + STOP_GRACE
    }
}

#[cfg(test)]
mod tests;
