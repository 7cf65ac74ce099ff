//! The state that a running call and a client's connection share for one request.
//!
//! Owns which side waits for which, the buffered response, and how the response ended. Must not know sockets, the HTTP
//! library's bodies, or what runs the call. One mutex that is held for moments, and three wakers; no channel.
//!
//! The methods stand in one file for each side: `guest_side`, `client_side`, `driver_side`.

mod client_side;
mod driver_side;
mod guest_side;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use grid::protocol::Refusal;
use http::HeaderMap;
use http::response::Parts;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

pub use client_side::ResponseReader;

use crate::call::Kill;
use crate::limits::SPILL_AFTER;
use crate::memory_budget::MemoryBudget;
use crate::reader_rate::ReaderRate;
use crate::response_buffer::ResponseBuffer;
use crate::spill::SpillWrite;
use crate::tunnel::Tunnel;

/// One request between the guest's side ([`crate::Reply`], [`crate::RequestBody`]), the client's side
/// ([`ResponseReader`]) and the driver, which polls the call.
#[derive(Debug)]
pub struct Exchange {
    state: Mutex<ExchangeState>,
}

/// Progress of a streamed request body.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadProgress {
    /// More of the body is to come.
    pub is_open: bool,
    /// Bytes that the client has sent.
    pub received_bytes: u64,
    /// The guest has read all bytes that arrived, and waits for more.
    pub guest_waits: bool,
}

/// The next part of a response, for the client's side.
#[derive(Debug)]
pub enum ResponsePiece {
    /// Bytes of the body.
    Data(Bytes),
    /// The trailers, which end the response.
    Trailers(HeaderMap),
    /// The response is complete.
    End,
    /// The response is not complete and never will be.
    Broken(Refusal),
}

/// The orders for the driver of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallOrders {
    /// End the guest now.
    pub kill: Option<Kill>,
    /// The client left before the response was complete, or the guest writes a body that nobody reads.
    pub is_abandoned: bool,
    /// The response is complete or given up: the guest only does work after its response.
    pub is_answered: bool,
    /// The guest waits for its client: ask for orders again at this time.
    pub judge_reader_at: Option<Instant>,
}

/// Ends the connection, or the stream, of a client that does not read.
pub trait CutReader: fmt::Debug + Send + Sync {
    /// Ends it as stalled. Must not wait, and must not use the exchange.
    fn cut(&self);
}

#[derive(Debug)]
struct ExchangeState {
    /// An accepted head that the client's side has not taken yet.
    head: Option<Parts>,
    /// A head was accepted.
    has_begun: bool,
    /// The head is the whole response (`HEAD`, 204, 304).
    is_bodyless: bool,
    /// The guest writes a body to a bodyless response: nobody will read it, as if the client had left.
    has_unread_body: bool,
    /// `Content-Length`, if the guest set it.
    declared_length: Option<u64>,
    received_length: u64,
    buffer: ResponseBuffer,
    trailers: Option<HeaderMap>,
    /// The dyno's side of a connection that switches protocols, until the client's side takes it.
    tunnel: Option<Box<dyn Tunnel>>,
    /// The connection has switched protocols: the exchange ends with the tunnel.
    is_tunnel: bool,
    /// How long connecting to the dyno took.
    connect_time: Duration,
    end: Option<Result<(), Refusal>>,
    /// Detail of a failure, for the log's `cause=`.
    cause: Option<&'static str>,
    /// The client's side is gone: everything is discarded, so that the guest can always finish.
    is_client_gone: bool,
    kill: Option<Kill>,
    reader_rate: ReaderRate,
    /// Ends the client's connection or stream, once the response is being written to it.
    cut_reader: Option<Arc<dyn CutReader>>,
    upload: UploadProgress,
    /// The client's side, which reads the response.
    reader: Option<Waker>,
    /// The guest's side, which writes the response.
    writer: Option<Waker>,
    driver: Option<Waker>,
}

/// Wakers to wake after the lock is released.
type Wakers = [Option<Waker>; 3];

fn wake_all(wakers: Wakers) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}

fn register_waker(slot: &mut Option<Waker>, cx: &Context<'_>) {
    if !slot.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
        *slot = Some(cx.waker().clone());
    }
}

impl Exchange {
    /// An exchange in which nothing has happened yet. `budget` is the memory for buffered responses.
    pub fn new(budget: Arc<MemoryBudget>) -> Arc<Exchange> {
        let state = ExchangeState {
            head: None,
            has_begun: false,
            is_bodyless: false,
            has_unread_body: false,
            declared_length: None,
            received_length: 0,
            buffer: ResponseBuffer::new(budget),
            trailers: None,
            tunnel: None,
            is_tunnel: false,
            connect_time: Duration::ZERO,
            end: None,
            cause: None,
            is_client_gone: false,
            kill: None,
            reader_rate: ReaderRate::default(),
            cut_reader: None,
            upload: UploadProgress::default(),
            reader: None,
            writer: None,
            driver: None,
        };
        Arc::new(Exchange {
            state: Mutex::new(state),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ExchangeState> {
        self.state.lock()
    }

    /// Ends the response in failure, unless it has ended before.
    fn end_with(&self, refusal: impl FnOnce(&mut ExchangeState) -> Refusal) {
        let mut state = self.lock();
        if state.end.is_some() || state.is_tunnel {
            return;
        }
        state.end = Some(Err(refusal(&mut state)));
        let wakers = [state.reader.take(), state.writer.take(), None];
        drop(state);
        wake_all(wakers);
    }

    /// Writes to disk, on a thread that may block.
    fn spawn_write(self: &Arc<Self>, job: SpillWrite) {
        let exchange = self.clone();
        tokio::task::spawn_blocking(move || {
            let written = job.run();
            let mut state = exchange.lock();
            state.buffer.end_write(written);
            let wakers = [state.reader.take(), state.writer.take(), None];
            drop(state);
            wake_all(wakers);
        });
    }
}

impl ExchangeState {
    fn is_body_taken(&self) -> bool {
        self.end == Some(Ok(())) && self.buffer.is_empty()
    }

    /// Whether what the guest writes is discarded.
    fn discards_data(&self) -> bool {
        self.is_client_gone || self.end.is_some()
    }

    /// The job that makes room on disk, if the guest has waited long enough.
    fn begin_spill(&mut self) -> Option<SpillWrite> {
        if self.reader_rate.waited() < SPILL_AFTER {
            return None;
        }
        let job = self.buffer.begin_write()?;
        self.reader_rate.end_wait();
        Some(job)
    }
}
