//! The request body as the guest reads it.
//!
//! Owns buffered and streamed bodies and the clock of a stalled upload. Must not know how a body is framed.

use crate::exchange::Exchange;
use crate::limits::SILENCE_TIMEOUT;
use crate::request::client_body::ClientBody;
use bytes::Bytes;
use grid::protocol::Refusal;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep};

/// A request body: in memory up to 64 KiB while the router has room for it, streamed from the client beyond.
#[derive(Debug)]
pub struct RequestBody {
    /// What was read before the dyno was taken.
    first: Option<Bytes>,
    trailers: Option<Box<HeaderMap>>,
    rest: Option<Box<Stream>>,
}

/// Why a request body ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client hung up.
    #[error("the client hung up before the request body was complete")]
    Hangup,
    /// The client sent nothing for too long.
    #[error("the client stopped sending the request body")]
    Idle,
    /// The connection broke, or the framing of the body is not valid.
    #[error("the request body broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Debug)]
struct Stream {
    body: ClientBody,
    exchange: Arc<Exchange>,
    /// Set while the client keeps the guest waiting.
    idle: Option<Pin<Box<Sleep>>>,
    failed: bool,
}

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        RequestBody::full(Bytes::new(), None)
    }

    /// A body that is here already.
    pub(crate) fn full(first: Bytes, trailers: Option<Box<HeaderMap>>) -> Self {
        RequestBody {
            first: Some(first).filter(|b| !b.is_empty()),
            trailers,
            rest: None,
        }
    }

    /// A body of which the first part is here already, if any.
    pub(crate) fn streamed(first: Bytes, body: ClientBody, exchange: Arc<Exchange>) -> Self {
        exchange.note_upload(|upload| {
            upload.open = true;
            upload.bytes = first.len() as u64;
        });
        let rest = Stream {
            body,
            exchange,
            idle: None,
            failed: false,
        };
        RequestBody {
            first: Some(first).filter(|b| !b.is_empty()),
            trailers: None,
            rest: Some(Box::new(rest)),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
        }
        match &mut self.rest {
            Some(rest) => rest.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest_done = self.rest.as_ref().is_none_or(|r| r.body.is_end_stream());
        self.first.is_none() && self.trailers.is_none() && rest_done
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |b| b.len() as u64);
        let Some(rest) = &self.rest else {
            return SizeHint::with_exact(first);
        };
        match rest.body.size_hint().exact() {
            Some(exact) => SizeHint::with_exact(first + exact),
            None => SizeHint::default(),
        }
    }
}

impl Stream {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.exchange.is_gone() {
            self.failed = true;
            return Poll::Ready(Some(Err(BodyError::Hangup)));
        }
        if self.failed {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.poll_idle(cx));
            self.failed = true;
            self.exchange.fail(Refusal::ClientIdle);
            return Poll::Ready(Some(Err(BodyError::Idle)));
        };
        self.idle = None;
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => 0,
        };
        let open = matches!(frame, Some(Ok(_))) && !self.body.is_end_stream();
        self.exchange.note_upload(|upload| {
            upload.open = open;
            upload.bytes += bytes;
            upload.waiting = false;
        });
        if matches!(frame, Some(Err(_))) {
            self.failed = true;
            // Nobody waits for the answer to half a request.
            self.exchange.fail(Refusal::ClientInterrupted);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let exchange = &self.exchange;
        let idle = self.idle.get_or_insert_with(|| {
            exchange.note_upload(|upload| upload.waiting = true);
            Box::pin(tokio::time::sleep_until(Instant::now() + SILENCE_TIMEOUT))
        });
        idle.as_mut().poll(cx)
    }
}
