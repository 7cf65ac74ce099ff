//! The guest's side of a response.
//!
//! Owns what a guest may send. Must not know how it reaches the client.

use crate::exchange::Exchange;
use crate::headers;
use crate::limits::{RESPONSE_HEAD_MAX, RESPONSE_HEADERS_MAX};
use crate::response::tunnel::Tunnel;
use crate::shared::connection_state::Conn;
use crate::shared::stream_state::StreamState;
use bytes::Bytes;
use grid::protocol::Refusal;
use http::response::Parts;
use http::{HeaderMap, StatusCode, Version, header};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Where a call puts its response: a head, then pieces of a body, then the end. One for each request.
///
/// A reply dropped before [`Reply::finish`] is a response broken off: H13 without a head, H18 with one, and the
/// client is never shown a clean end.
#[derive(Debug)]
pub struct Reply {
    exchange: Arc<Exchange>,
    /// The request was a `HEAD`.
    head_only: bool,
    /// Takes interim responses, if the client can.
    interim: Option<InterimWay>,
    /// It has not been finished.
    open: bool,
}

/// How interim responses reach a client.
#[derive(Clone, Debug)]
pub(crate) enum InterimWay {
    Http1(Arc<Conn>),
    Http2(Arc<StreamState>),
}

impl InterimWay {
    fn put(&self, status: StatusCode, headers: HeaderMap) {
        match self {
            InterimWay::Http1(conn) => conn.put_interim(&headers::write_interim(status, &headers)),
            InterimWay::Http2(stream) => stream.put_interim(status, headers),
        }
    }
}

/// Why a head was refused; the client gets H17.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    /// 101 and all that is below 200 is no final response.
    #[error("status {0} is no final response")]
    Status(u16),
    /// More than [`RESPONSE_HEAD_MAX`] bytes.
    #[error("the response's headers have more than {RESPONSE_HEAD_MAX} bytes")]
    TooLarge,
    /// More than [`RESPONSE_HEADERS_MAX`] headers.
    #[error("the response has {0} headers, and at most {RESPONSE_HEADERS_MAX} are passed on")]
    TooMany(usize),
    /// Not one decimal number.
    #[error("the response's Content-Length is not one number")]
    ContentLength,
    /// There was a head before.
    #[error("the response has a head already")]
    Twice,
}

impl BadResponse {
    /// The reason in the words of an app's log.
    pub fn reason(self) -> &'static str {
        match self {
            BadResponse::Status(_) => {
                "the response is not valid HTTP: its status is none of a final response, which is 200 or more"
            }
            BadResponse::TooLarge => {
                "the response is not valid HTTP: its headers have more than 512 KiB"
            }
            BadResponse::TooMany(_) => {
                "the response is not valid HTTP: it has more than 1,000 headers, the most that are passed on"
            }
            BadResponse::ContentLength => {
                "the response is not valid HTTP: its Content-Length is not one number"
            }
            BadResponse::Twice => "the response has a head already",
        }
    }

    /// For the log's `cause=`.
    fn cause(self) -> &'static str {
        match self {
            BadResponse::Status(_) => "status",
            BadResponse::TooLarge => "headers-too-large",
            BadResponse::TooMany(_) => "too-many-headers",
            BadResponse::ContentLength => "content-length",
            BadResponse::Twice => "second-head",
        }
    }
}

impl Reply {
    pub(crate) fn new(exchange: Arc<Exchange>, head_only: bool) -> Self {
        Reply {
            exchange,
            head_only,
            interim: None,
            open: true,
        }
    }

    /// Has interim responses go to the client, which takes them.
    pub(crate) fn with_interim(mut self, way: InterimWay) -> Self {
        self.interim = Some(way);
        self
    }

    /// What takes the interim responses (RFC 9110, 15.2) that come before the head: they are passed on as long as
    /// there is no head, to clients that can take them. A 100 is not, since the router itself asks for bodies, and
    /// neither is a 101, which is no interim response.
    pub fn interim(&self) -> impl Fn(StatusCode, &HeaderMap) + Send + Sync + use<> {
        let way = self.interim.clone();
        let way = way.map(|way| (way, self.exchange.clone()));
        move |status, headers| {
            let passes = (102..200).contains(&status.as_u16());
            if let Some((way, exchange)) = way.as_ref().filter(|_| passes) {
                let headers = headers::strip_interim(headers.clone());
                exchange.while_unanswered(|| way.put(status, headers));
            }
        }
    }

    /// Sends the head. Hop-by-hop headers are removed on the way; a refused head ends the response (H17).
    pub fn send_head(&mut self, mut head: Parts) -> Result<(), BadResponse> {
        let declared = match check(&head) {
            Ok(declared) => declared,
            Err(bad) => {
                self.exchange
                    .fail_because(Refusal::BadResponse, bad.cause());
                return Err(bad);
            }
        };
        headers::strip_response(&mut head);
        // RFC 9110, 2.5: the router speaks its own version, whichever a server dyno spoke.
        head.version = Version::HTTP_11;
        let bodyless = self.head_only
            || matches!(
                head.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        if self.exchange.put_head(head, declared, bodyless) {
            Ok(())
        } else {
            Err(BadResponse::Twice)
        }
    }

    /// The dyno is a server, and took this long to be connected to.
    pub fn connected(&mut self, took: Duration) {
        self.exchange.connected(took);
    }

    /// The server switches protocols: its head with status 101, and its side of the bytes that follow, which is
    /// dropped when the client's side has ended. A refused head ends the response (H17).
    pub fn switch(self, mut head: Parts, tunnel: Box<dyn Tunnel>) -> Result<(), BadResponse> {
        let known = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = head.headers.get(header::UPGRADE).filter(|_| known).cloned();
        let Some(protocol) = protocol else {
            self.exchange.fail(Refusal::BadResponse);
            return Err(BadResponse::Status(head.status.as_u16()));
        };
        headers::strip_response(&mut head);
        head.headers.remove(header::CONTENT_LENGTH);
        headers::ask_switch(&mut head.headers, protocol);
        self.exchange.put_switch(head, tunnel);
        Ok(())
    }

    /// Ready when there is room for more body, or when the client is gone and all is thrown away: a guest that
    /// waits for it can always finish.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.exchange.poll_room(cx)
    }

    /// Ready when the client has left before the response was complete. To be awaited by the task that sends it.
    pub fn left(&self) -> impl Future<Output = ()> + Send + use<> {
        let exchange = self.exchange.clone();
        std::future::poll_fn(move |cx| exchange.poll_left(cx))
    }

    /// Adds to the body. Wait for [`Reply::poll_ready`] first: one piece beyond the bound is taken.
    pub fn send_data(&mut self, data: Bytes) {
        self.exchange.put_data(data);
    }

    /// The response is complete. A body shorter than its `Content-Length` counts as broken off.
    pub fn finish(mut self, trailers: Option<HeaderMap>) {
        let trailers = trailers.map(headers::strip_trailers);
        self.exchange.finish(trailers.filter(|t| !t.is_empty()));
        self.open = false;
    }

    /// The response is not HTTP, for a reason that the log shows (H17).
    pub fn reject(self, cause: &'static str) {
        self.exchange.fail_because(Refusal::BadResponse, cause);
    }

    /// The response fails: with this code's page if no head was sent, else broken off.
    pub fn fail(self, refusal: Refusal) {
        self.exchange.fail(refusal);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.open {
            self.exchange.close();
        }
    }
}

/// The declared length, if the head is fit to be sent.
fn check(head: &Parts) -> Result<Option<u64>, BadResponse> {
    if head.status.as_u16() < 200 {
        return Err(BadResponse::Status(head.status.as_u16()));
    }
    if head.headers.len() > RESPONSE_HEADERS_MAX {
        return Err(BadResponse::TooMany(head.headers.len()));
    }
    // Name, value, and the colon, space and line end between them.
    let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + 4
    };
    if head.headers.iter().map(size).sum::<usize>() > RESPONSE_HEAD_MAX {
        return Err(BadResponse::TooLarge);
    }
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(None);
    };
    if lengths.any(|other| other != first) {
        return Err(BadResponse::ContentLength);
    }
    let digits = first.to_str().ok().filter(|text| {
        // `parse` alone would take a sign.
        text.bytes().all(|byte| byte.is_ascii_digit())
    });
    match digits.and_then(|text| text.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(BadResponse::ContentLength),
    }
}
