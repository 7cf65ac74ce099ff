//! Carries a response from the guest to its [`Reply`].
//!
//! Owns the state of one response on its way out. Must not know how the guest is run.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use exchange::Reply;
use http::{HeaderMap, response};
use http_body::{Body, Frame};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::guest::http::handling::{AnswerSlot, HandlerAnswer};
use crate::guest::http::writing::is_without_content;
use crate::instance::outcome::CallOutcome;

/// How far the response has come.
enum PumpState {
    /// The guest has not set a head.
    Head(AnswerSlot),
    /// The head was sent.
    Body(WasiBody),
    /// The response has ended.
    Ended(CallOutcome),
}

/// Why the pump cannot go on.
enum PumpStop {
    /// The guest has produced nothing more.
    Guest,
    /// The reply has no room.
    Reply,
    Ended(CallOutcome),
}

/// Carries the response as far as the guest and the reply allow.
pub(super) struct ResponsePump<'a> {
    state: PumpState,
    reply: &'a mut Reply,
    is_head_request: bool,
    /// The head was sent, and by protocol it is the whole response: the body does not matter.
    is_whole: bool,
}

impl<'a> ResponsePump<'a> {
    pub(super) fn new(slot: AnswerSlot, reply: &'a mut Reply, is_head_request: bool) -> Self {
        ResponsePump {
            state: PumpState::Head(slot),
            reply,
            is_head_request,
            is_whole: false,
        }
    }

    /// Carries everything that is there. Returns whether anything moved.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_moved = false;
        while self.step(cx).is_none() {
            has_moved = true;
        }
        has_moved
    }

    /// Ready when the response has ended.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<CallOutcome> {
        loop {
            match self.step(cx) {
                None => {}
                Some(PumpStop::Ended(outcome)) => return Poll::Ready(outcome),
                Some(PumpStop::Guest | PumpStop::Reply) => return Poll::Pending,
            }
        }
    }

    /// Like [`ResponsePump::poll_end`], after the guest has returned: what it has not produced will never come.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<CallOutcome> {
        loop {
            match self.step(cx) {
                None => {}
                Some(PumpStop::Ended(outcome)) => return Poll::Ready(outcome),
                Some(PumpStop::Reply) => return Poll::Pending,
                Some(PumpStop::Guest) if self.is_whole => self.finish(None),
                Some(PumpStop::Guest) => {
                    let reason = match self.state {
                        PumpState::Head(_) => "the handler returned without a response",
                        _ => "the handler returned before its response was complete",
                    };
                    return Poll::Ready(CallOutcome::Incomplete(reason));
                }
            }
        }
    }

    /// Carries one part of the response, or says why it cannot.
    fn step(&mut self, cx: &mut Context<'_>) -> Option<PumpStop> {
        match &mut self.state {
            PumpState::Head(slot) => match slot.take() {
                HandlerAnswer::Nothing => return Some(PumpStop::Guest),
                HandlerAnswer::Response(head, body) => self.send_head(head, body),
                HandlerAnswer::Error => self.fail("the handler answered with an error"),
                HandlerAnswer::Dropped => self.fail("the handler dropped its response"),
            },
            PumpState::Body(body) => {
                if self.reply.poll_ready(cx).is_pending() {
                    return Some(PumpStop::Reply);
                }
                match Pin::new(body).poll_frame(cx) {
                    Poll::Pending => return Some(PumpStop::Guest),
                    Poll::Ready(frame) => self.send_frame(frame),
                }
            }
            PumpState::Ended(outcome) => return Some(PumpStop::Ended(*outcome)),
        }
        None
    }

    pub(super) fn send_head(&mut self, head: response::Parts, body: Option<WasiBody>) {
        let is_without_content = self.is_head_request || is_without_content(head.status);
        let sent = self.reply.send_head(head);
        self.is_whole = is_without_content && sent.is_ok();
        match (sent, body) {
            (Ok(()), Some(body)) => self.state = PumpState::Body(body),
            (Ok(()), None) => self.finish(None),
            (Err(bad), _) => self.fail(bad.reason()),
        }
    }

    fn send_frame(&mut self, frame: Option<Result<Frame<Bytes>, Error>>) {
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.reply.send_data(data),
                Err(frame) => self.finish(frame.into_trailers().ok()),
            },
            Some(Err(_)) if self.is_whole => self.finish(None),
            Some(Err(Error::HttpResponseBodySize(_))) => {
                self.fail("the body does not have its announced length");
            }
            Some(Err(_)) => self.fail("the app broke its response off"),
            None => self.finish(None),
        }
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.reply.finish(trailers);
        self.state = PumpState::Ended(CallOutcome::Complete);
    }

    fn fail(&mut self, reason: &'static str) {
        self.state = PumpState::Ended(CallOutcome::Incomplete(reason));
    }
}
