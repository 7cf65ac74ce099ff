//! The tasks of HTTP/2 streams.
//!
//! Owns their spawning and the clock of a client that takes no data of a stream. Must not know requests. The
//! HTTP layer does not ask a body for more while a stream's window is shut, so the body itself cannot tell.

use crate::conn::Conn;
use crate::limits::SILENCE_TIMEOUT;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::time::{Instant, Sleep};

/// When the HTTP layer last took a piece of a stream's body that it has not come back from.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    handed: Option<Instant>,
    stalled: bool,
    /// The stream's task.
    task: Option<Waker>,
}

impl Pace {
    /// The HTTP layer asks for more: it has got rid of the last piece.
    pub(crate) fn asked(&self) {
        self.update(|state| state.handed = None);
    }

    /// The HTTP layer has a piece.
    pub(crate) fn handed(&self) {
        self.update(|state| state.handed = Some(Instant::now()));
    }

    /// The stream ended because the client took nothing.
    pub(crate) fn is_stalled(&self) -> bool {
        self.update(|state| state.stalled)
    }

    /// Ends the stream, since its client is too slow.
    pub(crate) fn stall(&self) {
        let task = self.update(|state| {
            state.stalled = true;
            state.task.take()
        });
        task.into_iter().for_each(Waker::wake);
    }

    /// Whether the stream is to end. If not, its task is woken when it is.
    fn poll_end(&self, cx: &Context<'_>) -> Poll<()> {
        self.update(|state| {
            if state.stalled {
                return Poll::Ready(());
            }
            if !state
                .task
                .as_ref()
                .is_some_and(|task| task.will_wake(cx.waker()))
            {
                state.task = Some(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Spawns the tasks of one connection's streams.
#[derive(Clone, Debug)]
pub(crate) struct Streams(pub(crate) Arc<Conn>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let pace = self.0.take_pace();
        // Boxed, since a task that pins what it was given has room for it twice.
        let mut stream = Box::pin(stream);
        tokio::spawn(async move {
            let mut alarm = None;
            poll_fn(|cx| match stream.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => match &pace {
                    Some(pace) => poll_stalled(pace, &mut alarm, cx),
                    None => Poll::Pending,
                },
            })
            .await;
            // Dropping a stream that is not finished resets it.
        });
    }
}

/// Ready when a piece has been with the HTTP layer for too long.
fn poll_stalled(
    pace: &Pace,
    alarm: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if pace.poll_end(cx).is_ready() {
        return Poll::Ready(());
    }
    loop {
        let Some(handed) = pace.update(|state| state.handed) else {
            return Poll::Pending;
        };
        let due = handed + SILENCE_TIMEOUT;
        if Instant::now() >= due {
            pace.update(|state| state.stalled = true);
            return Poll::Ready(());
        }
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if alarm.is_elapsed() || alarm.deadline() > due {
            alarm.as_mut().reset(due);
        }
        if alarm.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
    }
}
