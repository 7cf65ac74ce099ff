//! Fits a dyno to what the router asks of one; neither knows the other.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use grid::name::DynoKey;
use grid::protocol::Refusal;
use http::{HeaderMap, response};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty};
use router::{Asked, Finished, Reply, RequestBody};

/// A dyno in the router's hands.
#[derive(Debug)]
pub(crate) struct Handle(pub(super) dyno::Dyno);

impl router::Dyno for Handle {
    fn key(&self) -> &DynoKey {
        self.0.key()
    }

    fn call(self, asked: Asked, reply: Reply) -> Pin<Box<dyn router::Call<Self>>> {
        let body = |body: RequestBody| match body.is_end_stream() {
            // Takes no memory, unlike the other.
            true => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            false => body.map_err(|_| dyno::client_gone()).boxed_unsync(),
        };
        let asked = dyno::Asked {
            request: asked.request.map(body),
            told: asked
                .told
                .map(|told| -> dyno::Told { Box::new(|headers| told.tell(headers)) }),
        };
        Box::pin(Running(self.0.call(asked, Sink(Some(reply)))))
    }

    fn switches(&self) -> bool {
        self.0.switches()
    }

    fn sleep(&mut self) {
        self.0.sleep();
    }
}

/// A dyno's call as the router's.
struct Running(dyno::Call);

impl Future for Running {
    type Output = Finished<Handle>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished<Handle>> {
        Pin::new(&mut self.0).poll(cx).map(|dyno| match dyno {
            Some(dyno) => Finished::Free(Handle(dyno)),
            None => Finished::Gone,
        })
    }
}

impl router::Call<Handle> for Running {
    fn kill(self: Pin<Box<Self>>, why: router::Kill) {
        let why = match why {
            router::Kill::Timeout => dyno::Kill::Timeout,
            router::Kill::Hangup | router::Kill::Stalled | router::Kill::Forced => {
                dyno::Kill::Unwanted
            }
        };
        Pin::into_inner(self).0.kill(why);
    }
}

/// Why a head is refused that comes after the end.
const ENDED: &str = "the response has ended already";

/// Carries a response to the router. Dropped before its end, it breaks the response off.
struct Sink(Option<Reply>);

impl dyno::ResponseSink for Sink {
    fn head(&mut self, head: response::Parts) -> Result<(), dyno::BadHead> {
        let Some(reply) = &mut self.0 else {
            return Err(dyno::BadHead(ENDED));
        };
        reply
            .send_head(head)
            .map_err(|bad| dyno::BadHead(bad.reason()))
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(reply) => reply.poll_ready(cx),
            None => Poll::Ready(()),
        }
    }

    fn data(&mut self, data: Bytes) {
        if let Some(reply) = &mut self.0 {
            reply.send_data(data);
        }
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        if let Some(reply) = self.0.take() {
            reply.finish(trailers);
        }
    }

    fn left(&self) -> dyno::Left {
        match &self.0 {
            Some(reply) => Box::pin(reply.left()),
            None => Box::pin(std::future::pending()),
        }
    }

    fn reject(&mut self, cause: &'static str) {
        if let Some(reply) = self.0.take() {
            reply.reject(cause);
        }
    }

    fn interim(&self) -> dyno::Interim {
        match &self.0 {
            Some(reply) => Box::new(reply.interim()),
            None => Box::new(|_, _| {}),
        }
    }

    fn connected(&mut self, took: Duration) {
        if let Some(reply) = &mut self.0 {
            reply.connected(took);
        }
    }

    fn unreachable(&mut self, why: dyno::Unreachable) {
        if let Some(reply) = self.0.take() {
            reply.fail(match why {
                dyno::Unreachable::Refused => Refusal::BackendRefused,
                dyno::Unreachable::TimedOut => Refusal::BackendTimeout,
            });
        }
    }

    fn switch(&mut self, head: response::Parts, tunnel: dyno::Tunnel) -> Result<(), dyno::BadHead> {
        let Some(reply) = self.0.take() else {
            return Err(dyno::BadHead(ENDED));
        };
        reply
            .switch(head, Box::new(tunnel))
            .map_err(|bad| dyno::BadHead(bad.reason()))
    }
}
