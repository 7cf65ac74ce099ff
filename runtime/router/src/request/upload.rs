//! Reading a request body before a dyno is taken for the request.
//!
//! Owns how much is read, and how long that may take. Must not know apps or dynos. Buffered bytes count into the memory
//! for all request bodies for as long as they are held: here, in the queue, or by a guest.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use exchange::{Exchange, MemoryBudget, MemoryShare, RequestBody};
use grid::protocol::Refusal;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::time::{Instant, timeout_at};

use crate::limits::{REQUEST_BUFFER, REQUEST_BUFFER_FREE, REQUEST_BUFFER_TIMEOUT, SILENCE_TIMEOUT};
use crate::request::client_body::ClientBody;
use crate::response::error_page::RequestFailure;
use crate::shared::rejection::Rejection;

/// A request body, as far as it has been read.
#[derive(Debug)]
pub(crate) enum BufferedBody {
    /// The whole body, with its trailers.
    Whole(Bytes, Option<Box<HeaderMap>>),
    /// The first part, which may be empty, and the source of the rest: the body is larger than the buffer.
    Part(Bytes, ClientBody),
}

/// The body was not valid HTTP, or the client closed its side within the body.
pub(crate) const BROKEN_BODY: Rejection = Rejection::bad_request("broken-body");

/// The next event of a body.
enum NextFrame {
    Frame(Frame<Bytes>),
    End,
    /// There is no memory for another frame.
    NoRoom,
}

/// Reads a whole body, or the first part of a body that is larger than the buffer or than the room in `budget`.
pub(crate) async fn read_body(
    mut body: ClientBody,
    budget: &Arc<MemoryBudget>,
) -> Result<BufferedBody, RequestFailure> {
    let mut received = ReceivedBytes::new(&body, budget);
    let deadline = Instant::now() + REQUEST_BUFFER_TIMEOUT;
    loop {
        let frame = match next_frame(&mut body, &received, deadline).await? {
            NextFrame::Frame(frame) => frame,
            NextFrame::End => return Ok(BufferedBody::Whole(received.join(), None)),
            NextFrame::NoRoom => return Ok(BufferedBody::Part(received.join(), body)),
        };
        match frame.into_data() {
            Ok(data) => received.push(data),
            Err(frame) => {
                let trailers = frame.into_trailers().ok().map(Box::new);
                return Ok(BufferedBody::Whole(received.join(), trailers));
            }
        }
        if received.size > REQUEST_BUFFER {
            return Ok(BufferedBody::Part(received.join(), body));
        }
    }
}

async fn next_frame(
    body: &mut ClientBody,
    received: &ReceivedBytes,
    deadline: Instant,
) -> Result<NextFrame, RequestFailure> {
    let silence_deadline = Instant::now() + SILENCE_TIMEOUT;
    // The room is checked before each poll, since other requests may have taken it while this one waited. Frames that
    // are not polled stay within the client's window.
    let frame = poll_fn(|cx| match received.has_room() {
        true => Pin::new(&mut *body).poll_frame(cx).map(Some),
        false => Poll::Ready(None),
    });
    match timeout_at(deadline.min(silence_deadline), frame).await {
        Ok(None) => Ok(NextFrame::NoRoom),
        Ok(Some(None)) => Ok(NextFrame::End),
        Ok(Some(Some(Ok(frame)))) => Ok(NextFrame::Frame(frame)),
        Ok(Some(Some(Err(_)))) => Err(RequestFailure::Rejected(BROKEN_BODY)),
        Err(_) => Err(RequestFailure::Refused(Refusal::ClientIdle)),
    }
}

impl BufferedBody {
    /// The body of a request that has none.
    pub(crate) fn empty() -> BufferedBody {
        BufferedBody::Whole(Bytes::new(), None)
    }

    /// A copy for another dyno; `None` if part of the body is still with the client.
    pub(crate) fn copy(&self) -> Option<BufferedBody> {
        match self {
            BufferedBody::Whole(bytes, trailers) => {
                Some(BufferedBody::Whole(bytes.clone(), trailers.clone()))
            }
            BufferedBody::Part(..) => None,
        }
    }

    /// The body as the guest reads it.
    pub(crate) fn into_request_body(self, exchange: &Arc<Exchange>) -> RequestBody {
        match self {
            BufferedBody::Whole(bytes, trailers) => RequestBody::buffered(bytes, trailers),
            BufferedBody::Part(first, rest) => RequestBody::streamed(first, rest, exchange.clone()),
        }
    }
}

/// The bytes that were read so far. A single piece is not copied.
#[derive(Debug)]
struct ReceivedBytes {
    first: Bytes,
    /// All pieces, once there is a second one.
    joined: BytesMut,
    size: usize,
    /// The memory that the bytes take. `None`: the whole body is small, and is not counted.
    share: Option<MemoryShare>,
}

impl ReceivedBytes {
    fn new(body: &ClientBody, budget: &Arc<MemoryBudget>) -> ReceivedBytes {
        let most = body.size_hint().upper();
        let is_small = most.is_some_and(|most| most <= REQUEST_BUFFER_FREE as u64);
        ReceivedBytes {
            first: Bytes::new(),
            joined: BytesMut::new(),
            size: 0,
            share: (!is_small).then(|| MemoryShare::new(budget.clone())),
        }
    }

    fn has_room(&self) -> bool {
        let share = self.share.as_ref();
        share.is_none_or(|share| share.has_room(self.size))
    }

    fn push(&mut self, data: Bytes) {
        let before = self.size;
        self.size += data.len();
        if let Some(share) = &mut self.share {
            share.set_held(self.size.next_multiple_of(REQUEST_BUFFER_FREE));
        }
        if before == 0 {
            self.first = data;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(&data);
    }

    fn join(self) -> Bytes {
        let bytes = if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        };
        match self.share {
            Some(share) if !bytes.is_empty() => share.attach_to(bytes),
            _ => bytes,
        }
    }
}
