//! Reading a request body before a dyno is taken for it.
//!
//! Owns how much is read and how long that may take. Must not know apps or dynos. What is read counts among the
//! memory for all bodies for as long as it is held, here, in line, or by a guest.

use crate::limits::{REQUEST_BUFFER, REQUEST_BUFFER_FREE, REQUEST_BUFFER_TIMEOUT, SILENCE_TIMEOUT};
use crate::request::admission::Reject;
use crate::request::client_body::ClientBody;
use crate::response::error_page::Refused;
use bytes::{Bytes, BytesMut};
use exchange::Exchange;
use exchange::RequestBody;
use exchange::{MemoryBudget, MemoryShare};
use grid::protocol::Refusal;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::{Instant, timeout_at};

/// What was read.
#[derive(Debug)]
pub(crate) enum Taken {
    Whole(Bytes, Option<Box<HeaderMap>>),
    /// More than is buffered: the first part, which may be empty, and where the rest comes from.
    Part(Bytes, ClientBody),
}

/// The body was not valid HTTP, or the client closed its side within it.
pub(crate) const BROKEN: Reject = Reject {
    status: StatusCode::BAD_REQUEST,
    cause: "broken-body",
};

/// What comes next of a body.
enum Next {
    Frame(Frame<Bytes>),
    End,
    /// It may, but there is no room for it.
    NoRoom,
}

/// Reads a body whole, or the first part of one that is larger than the buffer, or than the room that `buffers` have.
pub(crate) async fn read(
    mut body: ClientBody,
    buffers: &Arc<MemoryBudget>,
) -> Result<Taken, Refused> {
    let mut got = Pieces::of(&body, buffers);
    let all_by = Instant::now() + REQUEST_BUFFER_TIMEOUT;
    loop {
        let frame = match next(&mut body, &got, all_by).await? {
            Next::Frame(frame) => frame,
            Next::End => return Ok(Taken::Whole(got.join(), None)),
            Next::NoRoom => return Ok(Taken::Part(got.join(), body)),
        };
        match frame.into_data() {
            Ok(data) => got.push(data),
            Err(frame) => {
                let trailers = frame.into_trailers().ok().map(Box::new);
                return Ok(Taken::Whole(got.join(), trailers));
            }
        }
        if got.size > REQUEST_BUFFER {
            return Ok(Taken::Part(got.join(), body));
        }
    }
}

async fn next(body: &mut ClientBody, got: &Pieces, all_by: Instant) -> Result<Next, Refused> {
    let silent_by = Instant::now() + SILENCE_TIMEOUT;
    // Before each look, since others may have taken the room while this one waited: what is not looked at stays
    // within the client's window.
    let frame = poll_fn(|cx| match got.has_room() {
        true => Pin::new(&mut *body).poll_frame(cx).map(Some),
        false => Poll::Ready(None),
    });
    match timeout_at(all_by.min(silent_by), frame).await {
        Ok(None) => Ok(Next::NoRoom),
        Ok(Some(None)) => Ok(Next::End),
        Ok(Some(Some(Ok(frame)))) => Ok(Next::Frame(frame)),
        Ok(Some(Some(Err(_)))) => Err(Refused::Rejected(BROKEN)),
        Err(_) => Err(Refused::Code(Refusal::ClientIdle)),
    }
}

impl Taken {
    /// What there is to read where there is no body.
    pub(crate) fn none() -> Taken {
        Taken::Whole(Bytes::new(), None)
    }

    /// The same once more, if all of it is here.
    pub(crate) fn copy(&self) -> Option<Taken> {
        match self {
            Taken::Whole(bytes, trailers) => Some(Taken::Whole(bytes.clone(), trailers.clone())),
            Taken::Part(..) => None,
        }
    }

    /// The body as the guest gets it.
    pub(crate) fn into_body(self, exchange: &Arc<Exchange>) -> RequestBody {
        match self {
            Taken::Whole(bytes, trailers) => RequestBody::buffered(bytes, trailers),
            Taken::Part(first, rest) => RequestBody::streamed(first, rest, exchange.clone()),
        }
    }
}

/// The pieces so far; one alone is not copied.
#[derive(Debug)]
struct Pieces {
    first: Bytes,
    more: BytesMut,
    size: usize,
    /// What they take of the memory for all bodies, unless the whole is small.
    share: Option<MemoryShare>,
}

impl Pieces {
    /// None yet.
    fn of(body: &ClientBody, buffers: &Arc<MemoryBudget>) -> Pieces {
        let most = body.size_hint().upper();
        let small = most.is_some_and(|most| most <= REQUEST_BUFFER_FREE as u64);
        Pieces {
            first: Bytes::new(),
            more: BytesMut::new(),
            size: 0,
            share: (!small).then(|| MemoryShare::new(buffers.clone())),
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
        if self.more.is_empty() {
            self.more.extend_from_slice(&self.first);
        }
        self.more.extend_from_slice(&data);
    }

    fn join(self) -> Bytes {
        let bytes = if self.more.is_empty() {
            self.first
        } else {
            self.more.freeze()
        };
        match self.share {
            Some(share) if !bytes.is_empty() => share.attach_to(bytes),
            _ => bytes,
        }
    }
}
