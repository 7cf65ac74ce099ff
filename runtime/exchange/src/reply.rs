//! Where a guest's response goes.
//!
//! Owns what a guest may send, and in which order. Must not know how the response reaches the client.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use grid::protocol::Refusal;
use http::response::Parts;
use http::{HeaderMap, StatusCode, Version, header};

use crate::exchange::Exchange;
use crate::headers;
use crate::response_head::{BadResponse, check_head};
use crate::tunnel::Tunnel;

/// The writing end of a response: a head, then pieces of a body, then the end. One for each request.
///
/// A reply that is dropped before [`Reply::finish`] breaks the response off: the client gets H13 if there was no head,
/// H18 otherwise, and never sees a clean end. After the end, everything that is sent is discarded.
#[derive(Debug)]
pub struct Reply {
    exchange: Arc<Exchange>,
    /// The request's method is `HEAD`.
    is_head_request: bool,
    /// Takes interim responses, if the client can.
    interim_sink: Option<Arc<dyn InterimSink>>,
    /// [`Reply::finish`] was called.
    is_finished: bool,
}

/// Sends interim responses (RFC 9110, 15.2) to a client.
pub trait InterimSink: fmt::Debug + Send + Sync {
    /// Sends one, or drops it if too many wait already. Must not wait, and must not use the exchange.
    fn send_interim(&self, status: StatusCode, headers: HeaderMap);
}

impl Reply {
    /// The one reply of `exchange`.
    pub fn new(exchange: Arc<Exchange>, is_head_request: bool) -> Reply {
        Reply {
            exchange,
            is_head_request,
            interim_sink: None,
            is_finished: false,
        }
    }

    /// Sends interim responses to the client through `sink`. Without a sink they are dropped.
    pub fn with_interim_sink(mut self, sink: Arc<dyn InterimSink>) -> Reply {
        self.interim_sink = Some(sink);
        self
    }

    /// A function that takes the interim responses of a dyno.
    ///
    /// They are passed on while there is no head, to clients that can take them. A 100 is not passed on, since the
    /// router itself asks for request bodies; neither is a 101, which is no interim response.
    pub fn interim_sender(&self) -> impl Fn(StatusCode, &HeaderMap) + Send + Sync + use<> {
        let sink = self.interim_sink.clone();
        let sink = sink.map(|sink| (sink, self.exchange.clone()));
        move |status, headers| {
            let is_passed = (102..200).contains(&status.as_u16());
            if let Some((sink, exchange)) = sink.as_ref().filter(|_| is_passed) {
                let headers = headers::strip_interim(headers.clone());
                exchange.while_unanswered(|| sink.send_interim(status, headers));
            }
        }
    }

    /// Sends the head, without its hop-by-hop headers.
    ///
    /// # Errors
    /// If the head is not valid HTTP or a second one. The response has ended then (H17).
    pub fn send_head(&mut self, mut head: Parts) -> Result<(), BadResponse> {
        let declared_length = match check_head(&head) {
            Ok(declared_length) => declared_length,
            Err(bad) => {
                self.exchange
                    .fail_because(Refusal::BadResponse, bad.cause());
                return Err(bad);
            }
        };
        headers::strip_response(&mut head);
        // RFC 9110, 2.5: the router answers in its own version, whichever a server dyno used.
        head.version = Version::HTTP_11;
        let is_bodyless = self.is_head_request
            || matches!(
                head.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        match self.exchange.put_head(head, declared_length, is_bodyless) {
            true => Ok(()),
            false => Err(BadResponse::Twice),
        }
    }

    /// Notes how long connecting to a server dyno took; zero if a connection was kept.
    pub fn set_connect_time(&mut self, time: Duration) {
        self.exchange.set_connect_time(time);
    }

    /// Switches protocols: sends a head with status 101, and hands over the dyno's side of the bytes that follow.
    /// `tunnel` is dropped when the client's side has ended.
    ///
    /// # Errors
    /// If the status is another, or `Upgrade` is missing. The response has ended then (H17).
    pub fn switch_protocols(
        &mut self,
        mut head: Parts,
        tunnel: Box<dyn Tunnel>,
    ) -> Result<(), BadResponse> {
        let is_switch = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = head
            .headers
            .get(header::UPGRADE)
            .filter(|_| is_switch)
            .cloned();
        let Some(protocol) = protocol else {
            self.exchange.fail(Refusal::BadResponse);
            return Err(BadResponse::Status(head.status.as_u16()));
        };
        headers::strip_response(&mut head);
        head.headers.remove(header::CONTENT_LENGTH);
        headers::set_protocol_switch(&mut head.headers, protocol);
        self.exchange.put_tunnel(head, tunnel);
        Ok(())
    }

    /// Ready when there is room for more data, or when data is discarded because the client is gone: a guest that waits
    /// for room can always finish.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.exchange.poll_room(cx)
    }

    /// Ready when the client has left before the response was complete. To be awaited by the task that writes the
    /// response.
    pub fn client_left(&self) -> impl Future<Output = ()> + Send + use<> {
        let exchange = self.exchange.clone();
        poll_fn(move |cx| exchange.poll_client_left(cx))
    }

    /// Adds to the body. Wait for [`Reply::poll_ready`] first: one piece is accepted beyond the bound.
    pub fn send_data(&mut self, data: Bytes) {
        self.exchange.put_data(data);
    }

    /// Ends the response. A body shorter than its `Content-Length` counts as broken off.
    pub fn finish(&mut self, trailers: Option<HeaderMap>) {
        let trailers = trailers.map(headers::strip_trailers);
        self.exchange
            .finish_response(trailers.filter(|trailers| !trailers.is_empty()));
        self.is_finished = true;
    }

    /// Ends a response that is not valid HTTP (H17); `cause` is a word for the access log.
    pub fn reject(&mut self, cause: &'static str) {
        self.exchange.fail_because(Refusal::BadResponse, cause);
    }

    /// Ends the response in failure: with the page of `refusal` if no head was sent, else broken off.
    pub fn fail(&mut self, refusal: Refusal) {
        self.exchange.fail(refusal);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.is_finished {
            self.exchange.close();
        }
    }
}
