//! The request body as the guest reads it.
//!
//! Owns buffered and streamed bodies, and the time limit for a client that stops sending. Must not know how a body is
//! framed.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use grid::protocol::Refusal;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::exchange::Exchange;
use crate::limits::SILENCE_TIMEOUT;

/// A request body: in memory if it is small and the router has room for it, else streamed from the client.
#[derive(Debug)]
pub struct RequestBody {
    /// Bytes that the router read before it took the dyno.
    first: Option<Bytes>,
    trailers: Option<Box<HeaderMap>>,
    rest: Option<Box<ClientBodyStream>>,
}

/// Why a request body ends early.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client hung up.
    #[error("the client hung up before the request body was complete")]
    Hangup,
    /// The client sent nothing for too long.
    #[error("the client stopped sending the request body")]
    Idle,
    /// The connection broke, or the framing of the body is not valid.
    #[error("the request body broke off")]
    Broken(#[source] StreamError),
}

type StreamError = Box<dyn Error + Send + Sync>;
type ClientBodyStream = StreamedBody<dyn Body<Data = Bytes, Error = StreamError> + Send + Unpin>;

/// The part of a body that comes from the client while the guest runs.
struct StreamedBody<B: ?Sized> {
    exchange: Arc<Exchange>,
    /// Set while the client keeps the guest waiting.
    idle_timer: Option<Pin<Box<Sleep>>>,
    has_failed: bool,
    body: B,
}

impl<B: ?Sized> fmt::Debug for StreamedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedBody").finish_non_exhaustive()
    }
}

impl RequestBody {
    /// No body.
    pub fn empty() -> RequestBody {
        RequestBody::buffered(Bytes::new(), None)
    }

    /// A body that has arrived completely.
    pub fn buffered(bytes: Bytes, trailers: Option<Box<HeaderMap>>) -> RequestBody {
        RequestBody {
            first: Some(bytes).filter(|bytes| !bytes.is_empty()),
            trailers,
            rest: None,
        }
    }

    /// A body of which `first`, which may be empty, has arrived, and `rest` is to come. A failure of `rest` ends the
    /// response of `exchange`.
    pub fn streamed<B>(first: Bytes, rest: B, exchange: Arc<Exchange>) -> RequestBody
    where
        B: Body<Data = Bytes, Error = Box<dyn Error + Send + Sync>> + Send + Unpin + 'static,
    {
        exchange.update_upload(|upload| {
            upload.is_open = true;
            upload.received_bytes = first.len() as u64;
        });
        let rest: Box<ClientBodyStream> = Box::new(StreamedBody {
            exchange,
            idle_timer: None,
            has_failed: false,
            body: rest,
        });
        RequestBody {
            first: Some(first).filter(|bytes| !bytes.is_empty()),
            trailers: None,
            rest: Some(rest),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
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
        let is_rest_done = self.rest.as_ref().is_none_or(|r| r.body.is_end_stream());
        self.first.is_none() && self.trailers.is_none() && is_rest_done
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let Some(rest) = &self.rest else {
            return SizeHint::with_exact(first);
        };
        match rest.body.size_hint().exact() {
            Some(exact) => SizeHint::with_exact(first + exact),
            None => SizeHint::default(),
        }
    }
}

impl ClientBodyStream {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if self.exchange.is_client_gone() {
            self.has_failed = true;
            return Poll::Ready(Some(Err(RequestBodyError::Hangup)));
        }
        if self.has_failed {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.poll_idle(cx));
            self.has_failed = true;
            self.exchange.fail(Refusal::ClientIdle);
            return Poll::Ready(Some(Err(RequestBodyError::Idle)));
        };
        self.idle_timer = None;
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => 0,
        };
        let is_open = matches!(frame, Some(Ok(_))) && !self.body.is_end_stream();
        self.exchange.update_upload(|upload| {
            upload.is_open = is_open;
            upload.received_bytes += bytes;
            upload.guest_waits = false;
        });
        if matches!(frame, Some(Err(_))) {
            self.has_failed = true;
            // No client waits for the response to half a request.
            self.exchange.fail(Refusal::ClientInterrupted);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::Broken)))
    }

    /// Ready when the client has sent nothing for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let exchange = &self.exchange;
        let idle_timer = self.idle_timer.get_or_insert_with(|| {
            exchange.update_upload(|upload| upload.guest_waits = true);
            Box::pin(tokio::time::sleep_until(Instant::now() + SILENCE_TIMEOUT))
        });
        idle_timer.as_mut().poll(cx)
    }
}
