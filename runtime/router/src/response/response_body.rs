//! The response body as the client's side takes it.
//!
//! Owns the clock of a silent guest (H15) and the breaking off of what is not complete. Must not know framing:
//! an error from here makes the HTTP layer break the message off.

use crate::limits::{PIECE_MAX, SILENCE_TIMEOUT};
use crate::response::tunnel::Handover;
use crate::shared::access_entry::Journal;
use crate::shared::stream_state::StreamState;
use bytes::Bytes;
use exchange::Kill;
use exchange::MemoryShare;
use exchange::{ResponsePiece, ResponseReader};
use grid::protocol::Refusal;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep};

/// Where the bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// All of them are here, and take that much of the memory for responses, if they are many.
    Whole(Bytes, Option<MemoryShare>),
    /// None, though the head announces a length: that of what a full response would have.
    Announced,
    /// A guest still makes them.
    Live(ResponseReader),
    /// None: the connection changes its protocol, with what is handed over for that.
    Switched(Option<Box<Handover>>),
}

/// A response body, with the log line of its request.
#[derive(Debug)]
pub(crate) struct Outgoing {
    source: Source,
    /// Of a connection that changes its protocol, the tunnel has it.
    journal: Option<Journal>,
    stream: Option<Arc<StreamState>>,
    /// Set while the guest keeps the client waiting.
    idle: Option<Pin<Box<Sleep>>>,
    /// The break was put off once.
    breaking: bool,
}

/// The response is broken off.
#[derive(Debug, thiserror::Error)]
#[error("the response was broken off: {0}")]
pub(crate) struct BrokenOff(Refusal);

impl Outgoing {
    pub(crate) fn new(
        source: Source,
        journal: Option<Journal>,
        stream: Option<Arc<StreamState>>,
    ) -> Self {
        Outgoing {
            source,
            journal,
            stream,
            idle: None,
            breaking: false,
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<ResponsePiece> {
        let reader = match &mut self.source {
            Source::Whole(bytes, _) if bytes.is_empty() => return Poll::Ready(ResponsePiece::End),
            Source::Whole(bytes, share) => {
                let size = bytes.len().min(PIECE_MAX);
                let piece = bytes.split_to(size);
                if let Some(share) = share {
                    share.set_held(bytes.len());
                }
                return Poll::Ready(ResponsePiece::Data(piece));
            }
            Source::Live(reader) => reader,
            Source::Announced | Source::Switched(_) => return Poll::Ready(ResponsePiece::End),
        };
        if let Poll::Ready(piece) = reader.poll_piece(cx, PIECE_MAX) {
            self.idle = None;
            return Poll::Ready(piece);
        }
        let idle = self.idle.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + SILENCE_TIMEOUT))
        });
        ready!(idle.as_mut().poll(cx));
        reader.abort(Refusal::IdleConnection, Kill::Stalled);
        Poll::Ready(ResponsePiece::Broken(Refusal::IdleConnection))
    }

    fn break_off(&mut self, code: Refusal) -> BrokenOff {
        if let Some(journal) = &mut self.journal {
            journal.refuse(code, code.status());
            if journal.record().version == Version::HTTP_10 {
                let conn = &journal.conn;
                conn.mark(&conn.broken);
            }
        }
        BrokenOff(code)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(stream) = &self.stream {
            stream.asked();
        }
        let piece = ready!(self.poll_source(cx));
        Poll::Ready(match piece {
            ResponsePiece::Data(data) => {
                if let Some(journal) = &mut self.journal {
                    journal.record().bytes += data.len() as u64;
                }
                if let Some(stream) = &self.stream {
                    stream.handed();
                }
                Some(Ok(Frame::data(data)))
            }
            ResponsePiece::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            ResponsePiece::End => None,
            // Told of a break, the HTTP layer throws away what it has not written: it is given the time to.
            ResponsePiece::Broken(_) if !self.breaking => {
                self.breaking = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ResponsePiece::Broken(code) => Some(Err(self.break_off(code))),
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes, _) => bytes.is_empty(),
            Source::Live(reader) => reader.is_drained(),
            // Of a body that is known to be empty, the HTTP/1.1 layer removes the length from the head.
            Source::Announced => false,
            Source::Switched(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Source::Announced | Source::Live(_) => SizeHint::default(),
            Source::Switched(_) => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let ended = match &self.source {
            Source::Announced => true,
            Source::Live(reader) => reader.is_body_taken(),
            _ => self.is_end_stream(),
        };
        let Some(journal) = self.journal.as_mut().filter(|j| !j.is_settled()) else {
            return;
        };
        if self
            .stream
            .as_ref()
            .is_some_and(|stream| stream.is_stalled())
        {
            let code = Refusal::ClientIdle;
            journal.refuse(code, code.status());
        } else if ended {
            journal.settle();
        } else if let Source::Live(reader) = &self.source
            && let Some(code) = reader.failure()
        {
            journal.refuse(code, code.status());
        }
    }
}
