//! State that the task of an HTTP/2 stream and its request share.
//!
//! Owns the interim responses on their way, and the time since the client last took data. Must not know requests. The
//! state is needed because the HTTP layer does not ask a body for more while a stream's window is shut: the body itself
//! cannot tell whether the client reads.

use std::task::{Context, Poll, Waker};

use exchange::InterimSink;
use http::{HeaderMap, Response, StatusCode};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::{H2_INTERIM_MAX, INTERIM_MAX};

/// Memory of a waiting interim response beyond its headers (bytes).
const INTERIM_OVERHEAD: usize = 64;
/// Size of a header beyond its name and value (bytes), as HTTP/2 counts it (RFC 9113, 6.5.2).
const HEADER_OVERHEAD: usize = 32;

/// An HTTP/2 stream while its request is under way.
#[derive(Debug, Default)]
pub(crate) struct StreamState(Mutex<StreamProgress>);

#[derive(Debug, Default)]
struct StreamProgress {
    /// When the HTTP layer took the piece of the body that it has not finished sending yet.
    piece_since: Option<Instant>,
    is_stalled: bool,
    /// The stream's task.
    task: Option<Waker>,
    /// Interim responses that are to be sent before the response.
    interim: Vec<Response<()>>,
    /// Memory of all interim responses of the dyno so far (bytes).
    interim_bytes: usize,
}

impl StreamProgress {
    /// Whether `interim` may be sent. The HTTP layer keeps everything that its client does not take, without a bound, so
    /// all interim responses of a stream count. The router's own 100 is sent at most once, and always: its client waits
    /// for it.
    fn admit_interim(&mut self, interim: &Response<()>) -> bool {
        if interim.status() == StatusCode::CONTINUE {
            return true;
        }
        let sizes = interim
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD);
        let bytes = self.interim_bytes + INTERIM_OVERHEAD + sizes.sum::<usize>();
        let is_admitted = bytes <= INTERIM_MAX && self.interim.len() < H2_INTERIM_MAX;
        if is_admitted {
            self.interim_bytes = bytes;
        }
        is_admitted
    }
}

impl StreamState {
    /// The HTTP layer asks for more: it has sent the last piece.
    pub(crate) fn note_piece_sent(&self) {
        self.0.lock().piece_since = None;
    }

    /// The HTTP layer has taken a piece.
    pub(crate) fn note_piece_taken(&self) {
        self.0.lock().piece_since = Some(Instant::now());
    }

    /// When the HTTP layer took the piece that it has not finished sending yet.
    pub(crate) fn piece_since(&self) -> Option<Instant> {
        self.0.lock().piece_since
    }

    /// Whether the stream ends because its client took nothing.
    pub(crate) fn is_stalled(&self) -> bool {
        self.0.lock().is_stalled
    }

    /// Marks the stream as one that ends because its client took nothing.
    pub(crate) fn mark_stalled(&self) {
        self.0.lock().is_stalled = true;
    }

    /// Ends the stream, since its client is too slow.
    pub(crate) fn stall(&self) {
        let mut progress = self.0.lock();
        progress.is_stalled = true;
        let task = progress.task.take();
        drop(progress);
        task.into_iter().for_each(Waker::wake);
    }

    /// Ready when the stream is stalled. If not, its task is woken when that happens, or when an interim response is to
    /// be sent.
    pub(crate) fn poll_stalled(&self, cx: &Context<'_>) -> Poll<()> {
        let mut progress = self.0.lock();
        if progress.is_stalled {
            return Poll::Ready(());
        }
        let task = progress.task.as_ref();
        if !task.is_some_and(|task| task.will_wake(cx.waker())) {
            progress.task = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes the interim responses that are to be sent now.
    pub(crate) fn take_interim(&self) -> Vec<Response<()>> {
        std::mem::take(&mut self.0.lock().interim)
    }
}

impl InterimSink for StreamState {
    /// Sends an interim response. Responses beyond [`H2_INTERIM_MAX`] that wait are dropped, and so are responses
    /// beyond [`INTERIM_MAX`] bytes of one stream.
    fn send_interim(&self, status: StatusCode, headers: HeaderMap) {
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let mut progress = self.0.lock();
        if progress.admit_interim(&response) {
            progress.interim.push(response);
        }
        let task = progress.task.take();
        drop(progress);
        task.into_iter().for_each(Waker::wake);
    }
}
