//! What the task of an HTTP/2 stream and its request share.
//!
//! Owns the interim responses on their way and the clock of a client that takes no data of a stream. Must not know requests. The
//! HTTP layer does not ask a body for more while a stream's window is shut, so the body itself cannot tell.

use crate::limits::{H2_INTERIM_MAX, INTERIM_MAX, SILENCE_TIMEOUT};
use exchange::InterimSink;
use http::{HeaderMap, Response, StatusCode};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::time::{Instant, Sleep};

/// Which interim responses wait to be sent, and when the HTTP layer last took a piece of the body that it has not come
/// back from.
#[derive(Debug, Default)]
pub(crate) struct StreamState(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    handed: Option<Instant>,
    stalled: bool,
    /// The stream's task.
    task: Option<Waker>,
    /// Interim responses that are to be sent before the response.
    interim: Vec<Response<()>>,
    /// What the server's interim responses took so far (bytes).
    interim_bytes: usize,
}

/// What an interim response that waits takes beyond its headers (bytes).
const INTERIM_OVERHEAD: usize = 64;
/// What a header takes beyond its name and value (bytes), as HTTP/2 counts it (RFC 9113, 6.5.2).
const HEADER_OVERHEAD: usize = 32;

impl Inner {
    /// Whether one more may be sent. The HTTP layer keeps all that its client does not take, without a bound, so all of
    /// a stream's life counts. The router's own 100 is said once and always passes: its client waits for it.
    fn admits(&mut self, interim: &Response<()>) -> bool {
        if interim.status() == StatusCode::CONTINUE {
            return true;
        }
        let sizes = interim
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD);
        let bytes = self.interim_bytes + INTERIM_OVERHEAD + sizes.sum::<usize>();
        let admits = bytes <= INTERIM_MAX && self.interim.len() < H2_INTERIM_MAX;
        if admits {
            self.interim_bytes = bytes;
        }
        admits
    }
}

impl StreamState {
    /// The HTTP layer asks for more: it has got rid of the last piece.
    pub(crate) fn asked(&self) {
        self.update(|inner| inner.handed = None);
    }

    /// The HTTP layer has a piece.
    pub(crate) fn handed(&self) {
        self.update(|inner| inner.handed = Some(Instant::now()));
    }

    /// The stream ended because the client took nothing.
    pub(crate) fn is_stalled(&self) -> bool {
        self.update(|inner| inner.stalled)
    }

    /// Has an interim response sent. More than [`H2_INTERIM_MAX`] that wait are dropped, and so are more than
    /// [`INTERIM_MAX`] bytes of a stream.
    pub(crate) fn put_interim(&self, status: StatusCode, headers: HeaderMap) {
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let task = self.update(|inner| {
            if inner.admits(&response) {
                inner.interim.push(response);
            }
            inner.task.take()
        });
        task.into_iter().for_each(Waker::wake);
    }

    /// The interim responses that are to be sent now.
    pub(crate) fn take_interim(&self) -> Vec<Response<()>> {
        self.update(|inner| std::mem::take(&mut inner.interim))
    }

    /// Ends the stream, since its client is too slow.
    pub(crate) fn stall(&self) {
        let task = self.update(|inner| {
            inner.stalled = true;
            inner.task.take()
        });
        task.into_iter().for_each(Waker::wake);
    }

    /// Whether the stream is to end. If not, its task is woken when it is.
    fn poll_end(&self, cx: &Context<'_>) -> Poll<()> {
        self.update(|inner| {
            if inner.stalled {
                return Poll::Ready(());
            }
            if !inner
                .task
                .as_ref()
                .is_some_and(|task| task.will_wake(cx.waker()))
            {
                inner.task = Some(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    fn update<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl InterimSink for StreamState {
    fn send_interim(&self, status: StatusCode, headers: HeaderMap) {
        self.put_interim(status, headers);
    }
}

/// Runs the task of a stream until it ends or its client takes nothing for too long. Dropping a stream that is not
/// finished resets it.
pub(crate) fn run_until_stalled(
    task: impl Future<Output = ()> + Send + 'static,
    stream: Arc<StreamState>,
) -> impl Future<Output = ()> + Send {
    // Boxed, since a task that pins what it was given has room for it twice.
    let mut task = Box::pin(task);
    let mut alarm = None;
    poll_fn(move |cx| {
        if stream.poll_end(cx).is_ready() || task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        poll_stalled(&stream, &mut alarm, cx)
    })
}

/// Ready when a piece has been with the HTTP layer for too long.
fn poll_stalled(
    stream: &StreamState,
    alarm: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        let Some(handed) = stream.update(|inner| inner.handed) else {
            return Poll::Pending;
        };
        let due = handed + SILENCE_TIMEOUT;
        if Instant::now() >= due {
            stream.update(|inner| inner.stalled = true);
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
