//! A request body as it comes from the client, over HTTP/1 or HTTP/2.
//!
//! Owns the one form that both have in the router, and the 100 that asks a waiting client for an HTTP/2 body (`Expect:
//! 100-continue`; the HTTP/1 layer does the same by itself). Must not know what reads the body.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use exchange::InterimSink;
use h2::RecvStream;
use http::{HeaderMap, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::shared::stream_state::StreamState;

/// A body from the network.
#[derive(Debug)]
pub(crate) enum ClientBody {
    Http1(Incoming),
    Http2(Http2Body),
}

/// The body of an HTTP/2 stream.
#[derive(Debug)]
pub(crate) struct Http2Body {
    recv: RecvStream,
    /// Bytes that are still to come, if the client announced a length.
    remaining: Option<u64>,
    /// Only trailers may follow.
    is_data_done: bool,
    /// The stream, if its client waits to be asked for the body.
    waiting_stream: Option<Arc<StreamState>>,
}

impl Http2Body {
    pub(crate) fn new(recv: RecvStream, headers: &HeaderMap, stream: &Arc<StreamState>) -> Self {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let client_waits = !recv.is_end_stream() && headers.contains_key(header::EXPECT);
        Http2Body {
            remaining: length.or(recv.is_end_stream().then_some(0)),
            recv,
            is_data_done: false,
            waiting_stream: client_waits.then(|| stream.clone()),
        }
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.is_data_done {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(data)) => {
                    // This fails only if the stream is gone: then no window needs the capacity.
                    let _ = self.recv.flow_control().release_capacity(data.len());
                    let size = data.len() as u64;
                    self.remaining = self.remaining.map(|bytes| bytes.saturating_sub(size));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // Any reset, with NO_ERROR too: only the end of the stream says that the body is complete.
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.is_data_done = true,
            }
        }
        let trailers = ready!(self.recv.poll_trailers(cx)).transpose();
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)))
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            ClientBody::Http1(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            ClientBody::Http2(body) => {
                let frame = body.poll_frame(cx);
                // Only the first look may have to ask: a client that sends by itself needs no 100.
                if let Some(stream) = body.waiting_stream.take()
                    && frame.is_pending()
                {
                    stream.send_interim(StatusCode::CONTINUE, HeaderMap::new());
                }
                frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ClientBody::Http1(body) => body.is_end_stream(),
            ClientBody::Http2(body) => body.recv.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ClientBody::Http1(body) => body.size_hint(),
            ClientBody::Http2(body) => body
                .remaining
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
