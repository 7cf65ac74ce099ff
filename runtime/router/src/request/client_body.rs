//! A request's body as it comes from the client, over HTTP/1 or HTTP/2.
//!
//! Owns the one form that both have for the rest of the router, and when a client that waits for it is asked to send
//! an HTTP/2 body (`Expect: 100-continue`; the HTTP/1 layer does the same by itself). Must not know what reads it.

use crate::shared::stream_state::StreamState;
use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A body from the network.
#[derive(Debug)]
pub(crate) enum ClientBody {
    Http1(Incoming),
    Http2(Http2Body),
}

/// A body of an HTTP/2 stream.
#[derive(Debug)]
pub(crate) struct Http2Body {
    recv: RecvStream,
    /// What is still to come, if the client announced a length.
    left: Option<u64>,
    /// Only trailers may follow.
    data_done: bool,
    /// The stream of a client that waits to be asked for the body.
    waiting: Option<Arc<StreamState>>,
}

impl Http2Body {
    pub(crate) fn new(recv: RecvStream, headers: &HeaderMap, stream: &Arc<StreamState>) -> Self {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let expects = !recv.is_end_stream() && headers.contains_key(header::EXPECT);
        Http2Body {
            left: length.or(recv.is_end_stream().then_some(0)),
            recv,
            data_done: false,
            waiting: expects.then(|| stream.clone()),
        }
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_done {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(data)) => {
                    // Without a stream there is nobody to release it for.
                    let _ = self.recv.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // Whatever the reason, NO_ERROR too: only the end of the stream says that the body is whole.
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.data_done = true,
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
                // Of a body that comes unasked nobody needs to ask for the rest.
                if let Some(stream) = body.waiting.take()
                    && frame.is_pending()
                {
                    stream.put_interim(StatusCode::CONTINUE, HeaderMap::new());
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
                .left
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
