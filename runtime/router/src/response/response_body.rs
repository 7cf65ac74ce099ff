//! The response body that the HTTP layer polls.
//!
//! Owns the time limit for a silent guest (H15), and breaking off what is not complete. Must not know framing: an error
//! from here makes the HTTP layer break the message off.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use exchange::{CutReader, Kill, MemoryShare, ResponsePiece, ResponseReader};
use grid::protocol::Refusal;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::limits::{PIECE_MAX, SILENCE_TIMEOUT};
use crate::response::tunnel::{ProtocolSwitch, run_tunnel};
use crate::shared::access_entry::AccessEntry;
use crate::shared::connection_state::ConnectionState;
use crate::shared::stream_state::StreamState;

/// The source of a response's bytes.
#[derive(Debug)]
pub(crate) enum BodySource {
    /// All bytes, with the share of memory that a large body takes.
    Whole(Bytes, Option<MemoryShare>),
    /// No bytes, although the head announces the length that a full response would have.
    Announced,
    /// A guest still writes the bytes.
    Live(ResponseReader),
    /// No bytes: the connection switches protocols.
    Switched(Box<ProtocolSwitch>),
}

/// A response body, with the access-log entry of its request.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: PolledSource,
    /// `None` if the connection switches protocols: the tunnel has the entry then.
    entry: Option<AccessEntry>,
    stream: Option<Arc<StreamState>>,
    /// Set while the client waits for the guest's next bytes.
    idle_timer: Option<Pin<Box<Sleep>>>,
    /// The error was held back once, so that the HTTP layer could write earlier bytes first.
    is_breaking: bool,
}

/// A [`BodySource`] as the HTTP layer polls it.
#[derive(Debug)]
enum PolledSource {
    Whole(Bytes, Option<MemoryShare>),
    Announced,
    Live(ResponseReader),
    /// The tunnel follows the head.
    Empty,
}

/// The response was broken off.
#[derive(Debug, thiserror::Error)]
#[error("the response was broken off: {0}")]
pub(crate) struct BrokenOff(Refusal);

impl ResponseBody {
    /// A body whose end settles and writes `entry`. If the connection switches protocols, the tunnel does.
    pub(crate) fn new(source: BodySource, mut entry: AccessEntry) -> Self {
        if !matches!(source, BodySource::Whole(..)) {
            entry.detach_from_read_buffer();
        }
        let stream = entry.stream.clone();
        let source = match source {
            BodySource::Whole(bytes, share) => PolledSource::Whole(bytes, share),
            BodySource::Announced => PolledSource::Announced,
            BodySource::Live(reader) => {
                let connection = entry.connection.clone();
                reader.set_cut_reader(Arc::new(SlowClient(connection, stream.clone())));
                PolledSource::Live(reader)
            }
            BodySource::Switched(switch) => {
                let connection = entry.connection.clone();
                connection.start_tunnel(Box::pin(run_tunnel(*switch, entry)));
                return ResponseBody::from_parts(PolledSource::Empty, None, stream);
            }
        };
        ResponseBody::from_parts(source, Some(entry), stream)
    }

    fn from_parts(
        source: PolledSource,
        entry: Option<AccessEntry>,
        stream: Option<Arc<StreamState>>,
    ) -> Self {
        ResponseBody {
            source,
            entry,
            stream,
            idle_timer: None,
            is_breaking: false,
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<ResponsePiece> {
        let reader = match &mut self.source {
            PolledSource::Whole(bytes, _) if bytes.is_empty() => {
                return Poll::Ready(ResponsePiece::End);
            }
            PolledSource::Whole(bytes, share) => {
                let size = bytes.len().min(PIECE_MAX);
                let piece = bytes.split_to(size);
                if let Some(share) = share {
                    share.set_held(bytes.len());
                }
                return Poll::Ready(ResponsePiece::Data(piece));
            }
            PolledSource::Live(reader) => reader,
            PolledSource::Announced | PolledSource::Empty => {
                return Poll::Ready(ResponsePiece::End);
            }
        };
        if let Poll::Ready(piece) = reader.poll_piece(cx, PIECE_MAX) {
            self.idle_timer = None;
            return Poll::Ready(piece);
        }
        let idle_timer = self.idle_timer.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + SILENCE_TIMEOUT))
        });
        ready!(idle_timer.as_mut().poll(cx));
        reader.abort(Refusal::IdleConnection, Kill::Stalled);
        Poll::Ready(ResponsePiece::Broken(Refusal::IdleConnection))
    }

    fn break_off(&mut self, code: Refusal) -> BrokenOff {
        if let Some(entry) = &mut self.entry {
            entry.settle_refused(code, code.status());
            if entry.record().version == Version::HTTP_10 {
                entry.connection.mark_for_reset();
            }
        }
        BrokenOff(code)
    }

    /// Whether the client has got all of a complete response.
    fn is_complete(&self) -> bool {
        match &self.source {
            PolledSource::Announced => true,
            PolledSource::Live(reader) => reader.is_body_taken(),
            PolledSource::Whole(..) | PolledSource::Empty => self.is_end_stream(),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(stream) = &self.stream {
            stream.note_piece_sent();
        }
        let piece = ready!(self.poll_source(cx));
        Poll::Ready(match piece {
            ResponsePiece::Data(data) => {
                if let Some(entry) = &mut self.entry {
                    entry.record_mut().bytes += data.len() as u64;
                }
                if let Some(stream) = &self.stream {
                    stream.note_piece_taken();
                }
                Some(Ok(Frame::data(data)))
            }
            ResponsePiece::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            ResponsePiece::End => None,
            // On an error, the HTTP layer discards what it has not written yet: one more round gives it time to write.
            ResponsePiece::Broken(_) if !self.is_breaking => {
                self.is_breaking = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ResponsePiece::Broken(code) => Some(Err(self.break_off(code))),
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            PolledSource::Whole(bytes, _) => bytes.is_empty(),
            PolledSource::Live(reader) => reader.is_drained(),
            // The HTTP/1.1 layer removes the length from the head of a body that is known to be empty.
            PolledSource::Announced => false,
            PolledSource::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            PolledSource::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            PolledSource::Announced | PolledSource::Live(_) => SizeHint::default(),
            PolledSource::Empty => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let is_complete = self.is_complete();
        let Some(entry) = self.entry.as_mut().filter(|entry| !entry.is_settled()) else {
            return;
        };
        let stream = self.stream.as_ref();
        if stream.is_some_and(|stream| stream.is_stalled()) {
            entry.settle_refused(Refusal::ClientIdle, Refusal::ClientIdle.status());
        } else if is_complete {
            entry.settle();
        } else if let PolledSource::Live(reader) = &self.source
            && let Some(code) = reader.failure()
        {
            entry.settle_refused(code, code.status());
        }
    }
}

/// Ends a client that reads too slowly: its stream if there is one, else its connection.
#[derive(Debug)]
struct SlowClient(Arc<ConnectionState>, Option<Arc<StreamState>>);

impl CutReader for SlowClient {
    fn cut(&self) {
        match &self.1 {
            Some(stream) => stream.stall(),
            None => {
                self.0.mark_stalled();
                self.0.wake();
            }
        }
    }
}
