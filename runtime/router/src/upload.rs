//! Reading a request body before a dyno is taken for it.
//!
//! Owns how much is read and how long that may take. Must not know apps or dynos.

use crate::answer::Refused;
use crate::body::RequestBody;
use crate::client::Reject;
use crate::exchange::Exchange;
use crate::limits::{REQUEST_BUFFER, REQUEST_BUFFER_TIMEOUT, SILENCE_TIMEOUT};
use bytes::{Bytes, BytesMut};
use grid::routing::Refusal;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// What was read.
#[derive(Debug)]
pub(crate) enum Taken {
    Whole(Bytes, Option<HeaderMap>),
    /// More than is buffered: the first part, and where the rest comes from.
    Part(Bytes, Incoming),
}

/// The body was not valid HTTP, or the client closed its side within it.
pub(crate) const BROKEN: Reject = Reject {
    status: StatusCode::BAD_REQUEST,
    cause: "broken-body",
};

/// Reads a body whole, or the first part of one that is larger than the buffer.
pub(crate) async fn read(mut body: Incoming) -> Result<Taken, Refused> {
    if body.is_end_stream() {
        return Ok(Taken::Whole(Bytes::new(), None));
    }
    let mut got = Pieces::default();
    let all_by = Instant::now() + REQUEST_BUFFER_TIMEOUT;
    loop {
        let Some(frame) = next(&mut body, all_by).await? else {
            return Ok(Taken::Whole(got.join(), None));
        };
        match frame.into_data() {
            Ok(data) => got.push(data),
            Err(frame) => return Ok(Taken::Whole(got.join(), frame.into_trailers().ok())),
        }
        if got.size > REQUEST_BUFFER {
            return Ok(Taken::Part(got.join(), body));
        }
    }
}

async fn next(body: &mut Incoming, all_by: Instant) -> Result<Option<Frame<Bytes>>, Refused> {
    let silent_by = Instant::now() + SILENCE_TIMEOUT;
    match timeout_at(all_by.min(silent_by), body.frame()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(frame))) => Ok(Some(frame)),
        Ok(Some(Err(_))) => Err(Refused::Rejected(BROKEN)),
        Err(_) => Err(Refused::Code(Refusal::ClientIdle)),
    }
}

impl Taken {
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
            Taken::Whole(bytes, trailers) => RequestBody::full(bytes, trailers),
            Taken::Part(first, rest) => RequestBody::streamed(first, rest, exchange.clone()),
        }
    }
}

/// The pieces so far; one alone is not copied.
#[derive(Debug, Default)]
struct Pieces {
    first: Bytes,
    more: BytesMut,
    size: usize,
}

impl Pieces {
    fn push(&mut self, data: Bytes) {
        if self.size == 0 {
            self.size = data.len();
            self.first = data;
            return;
        }
        self.size += data.len();
        if self.more.is_empty() {
            self.more.extend_from_slice(&self.first);
        }
        self.more.extend_from_slice(&data);
    }

    fn join(self) -> Bytes {
        if self.more.is_empty() {
            self.first
        } else {
            self.more.freeze()
        }
    }
}
