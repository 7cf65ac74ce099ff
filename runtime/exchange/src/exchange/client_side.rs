//! The client's side of an exchange: reading the response, and giving it up.

use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use grid::protocol::Refusal;
use http::response::Parts;

use super::{
    CutReader, Exchange, ExchangeState, ResponsePiece, UploadProgress, register_waker, wake_all,
};
use crate::call::Kill;
use crate::memory_budget::MemoryShare;
use crate::response_buffer::NextPiece;
use crate::spill::SpillRead;
use crate::tunnel::Tunnel;

/// The client's end of an exchange. Dropping it means that the client is gone: the rest of the response is discarded.
#[derive(Debug)]
pub struct ResponseReader(Arc<Exchange>);

impl ResponseReader {
    /// The one reader of `exchange`.
    pub fn new(exchange: Arc<Exchange>) -> ResponseReader {
        ResponseReader(exchange)
    }
}

impl Deref for ResponseReader {
    type Target = Arc<Exchange>;

    fn deref(&self) -> &Arc<Exchange> {
        &self.0
    }
}

impl Drop for ResponseReader {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Exchange {
    /// Ready with the head of the response, once; or with the refusal if no head will come.
    pub fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Parts, Refusal>> {
        let mut state = self.lock();
        if let Some(head) = state.head.take() {
            return Poll::Ready(Ok(head));
        }
        if let Some(end) = state.end {
            return Poll::Ready(Err(end.err().unwrap_or(Refusal::NoResponse)));
        }
        register_waker(&mut state.reader, cx);
        Poll::Pending
    }

    /// The whole body in one piece, with its share of memory; `None` unless the response is complete, in memory, and
    /// without trailers.
    pub fn take_whole(&self) -> Option<(Bytes, Option<MemoryShare>)> {
        let mut state = self.lock();
        if state.end != Some(Ok(())) || state.trailers.is_some() {
            return None;
        }
        state.buffer.take_whole()
    }

    /// Ready with the next piece of the body, of at most `max` bytes.
    pub fn poll_piece(self: &Arc<Self>, cx: &mut Context<'_>, max: usize) -> Poll<ResponsePiece> {
        let mut state = self.lock();
        let holds_last = state.holds_last_byte();
        match state.buffer.take_next(max, holds_last) {
            NextPiece::Data(data) => {
                state.reader_rate.add_read(data.len());
                let has_room = state.buffer.has_room();
                let writer = state.writer.take_if(|_| has_room);
                drop(state);
                wake_all([writer, None, None]);
                return Poll::Ready(ResponsePiece::Data(data));
            }
            NextPiece::Read(job) => {
                register_waker(&mut state.reader, cx);
                self.spawn_read(job);
                return Poll::Pending;
            }
            NextPiece::Wait => {
                register_waker(&mut state.reader, cx);
                return Poll::Pending;
            }
            NextPiece::Nothing => {}
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(match state.trailers.take() {
                Some(trailers) => ResponsePiece::Trailers(trailers),
                None => ResponsePiece::End,
            }),
            Some(Err(refusal)) => Poll::Ready(ResponsePiece::Broken(refusal)),
            None => {
                register_waker(&mut state.reader, cx);
                Poll::Pending
            }
        }
    }

    /// Reads back from disk, on a thread that may block.
    fn spawn_read(self: &Arc<Self>, job: SpillRead) {
        let exchange = self.clone();
        tokio::task::spawn_blocking(move || {
            let read = job.run();
            let mut state = exchange.lock();
            if state.buffer.end_read(read).is_err() {
                // Bytes are lost: nothing that follows them can be sent.
                state.buffer.clear();
                state.end = Some(Err(Refusal::Platform));
            }
            let wakers = [state.reader.take(), state.writer.take(), None];
            drop(state);
            wake_all(wakers);
        });
    }

    /// Takes the dyno's side of the tunnel, if the dyno switched protocols.
    pub fn take_tunnel(&self) -> Option<Box<dyn Tunnel>> {
        self.lock().tunnel.take()
    }

    /// The tunnel has ended, and the exchange with it.
    pub fn end_tunnel(&self) {
        self.finish_response(None);
    }

    /// How long connecting to the dyno took; zero if a connection was kept.
    pub fn connect_time(&self) -> Duration {
        self.lock().connect_time
    }

    /// Whether all of a complete response has been taken.
    pub fn is_drained(&self) -> bool {
        let state = self.lock();
        state.is_body_taken() && state.trailers.is_none()
    }

    /// The same without trailers. These are sent in chunked HTTP/1.1 and in HTTP/2 only: beside a `Content-Length`
    /// nobody asks for them (RFC 9112, 7.1.2).
    pub fn is_body_taken(&self) -> bool {
        self.lock().is_body_taken()
    }

    /// Detail of a failure, for the log's `cause=`.
    pub fn cause(&self) -> Option<&'static str> {
        self.lock().cause
    }

    /// How the response failed, if it failed.
    pub fn failure(&self) -> Option<Refusal> {
        self.lock().end.and_then(Result::err)
    }

    /// Sets what ends the client's connection or stream. Call it when the response begins to be written to the client.
    pub fn set_cut_reader(&self, cut_reader: Arc<dyn CutReader>) {
        self.lock().cut_reader = Some(cut_reader);
    }

    /// Ends the response in failure, unless it has ended before.
    pub fn fail(&self, refusal: Refusal) {
        self.end_with(|_| refusal);
    }

    /// Gives the response up and has the guest killed.
    pub fn abort(&self, refusal: Refusal, reason: Kill) {
        let mut state = self.lock();
        state.end.get_or_insert(Err(refusal));
        state.kill.get_or_insert(reason);
        let wakers = [
            state.reader.take(),
            state.writer.take(),
            state.driver.take(),
        ];
        drop(state);
        wake_all(wakers);
    }

    /// Progress of a streamed request body.
    pub fn upload(&self) -> UploadProgress {
        self.lock().upload
    }

    /// Marks the client as gone. The guest goes on, and its output is discarded.
    fn leave(&self) {
        let mut state = self.lock();
        state.is_client_gone = true;
        state.buffer.clear();
        let wakers = [state.writer.take(), state.driver.take(), None];
        drop(state);
        wake_all(wakers);
    }
}

impl ExchangeState {
    /// Whether the last byte must not go out yet.
    ///
    /// The last byte of a declared length stays until the guest has ended its response. With this byte the client would
    /// have a whole response, even if the guest breaks it off afterwards.
    fn holds_last_byte(&self) -> bool {
        self.declared_length == Some(self.received_length) && self.end != Some(Ok(()))
    }
}
