//! The guest's side of an exchange: writing the response, and progress of the request body.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use grid::protocol::Refusal;
use http::HeaderMap;
use http::response::Parts;

use super::{Exchange, UploadProgress, register_waker, wake_all};
use crate::tunnel::Tunnel;

impl Exchange {
    /// Takes the checked head of the response; `false` if there was a head before.
    ///
    /// The head of a bodyless response is the whole response: the client need not wait for the guest to finish, and
    /// nothing that the guest does afterwards breaks the response off.
    pub(crate) fn put_head(
        &self,
        head: Parts,
        declared_length: Option<u64>,
        is_bodyless: bool,
    ) -> bool {
        let mut state = self.lock();
        if state.has_begun || state.end.is_some() {
            return !state.has_begun;
        }
        state.has_begun = true;
        state.declared_length = declared_length.filter(|_| !is_bodyless);
        state.is_bodyless = is_bodyless;
        if is_bodyless {
            state.end = Some(Ok(()));
        }
        state.head = Some(head);
        let reader = state.reader.take();
        drop(state);
        wake_all([reader, None, None]);
        true
    }

    /// Takes the head of a response that switches protocols, and the dyno's side of the tunnel.
    pub(crate) fn put_tunnel(&self, head: Parts, tunnel: Box<dyn Tunnel>) {
        let mut state = self.lock();
        if state.has_begun || state.end.is_some() {
            drop(state);
            // Outside the lock: the drop runs code of the dyno.
            return drop(tunnel);
        }
        state.has_begun = true;
        state.is_tunnel = true;
        state.head = Some(head);
        state.tunnel = Some(tunnel);
        let reader = state.reader.take();
        drop(state);
        wake_all([reader, None, None]);
    }

    /// Notes how long connecting to the dyno took.
    pub(crate) fn set_connect_time(&self, time: Duration) {
        self.lock().connect_time = time;
    }

    /// Ready when there is room for more data, or when data is discarded.
    ///
    /// Once the guest has waited for a while, room is made on disk. If the disk takes nothing either, the guest waits
    /// for its client.
    pub(crate) fn poll_room(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.buffer.has_room() || state.discards_data() {
            state.reader_rate.end_wait();
            return Poll::Ready(());
        }
        register_waker(&mut state.writer, cx);
        if !state.buffer.is_writing() {
            match state.begin_spill() {
                Some(job) => self.spawn_write(job),
                None => state.reader_rate.begin_wait(),
            }
        }
        Poll::Pending
    }

    /// Takes a piece of the body. More bytes than `Content-Length` break the response off.
    pub(crate) fn put_data(&self, mut data: Bytes) {
        let mut state = self.lock();
        if data.is_empty() || state.discards_data() || !state.has_begun {
            state.has_unread_body |= state.is_bodyless && !data.is_empty();
            return;
        }
        if let Some(declared) = state.declared_length {
            let expected = declared - state.received_length;
            if data.len() as u64 > expected {
                data.truncate(usize::try_from(expected).unwrap_or(usize::MAX));
                state.end = Some(Err(Refusal::Interrupted));
            }
        }
        state.received_length += data.len() as u64;
        state.buffer.push(data);
        let reader = state.reader.take();
        drop(state);
        wake_all([reader, None, None]);
    }

    /// The guest says that its response is complete.
    pub(crate) fn finish_response(&self, trailers: Option<HeaderMap>) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        let is_short = state
            .declared_length
            .is_some_and(|declared| state.received_length < declared);
        state.end = Some(match (state.has_begun, is_short) {
            (false, _) => Err(Refusal::NoResponse),
            (true, true) => Err(Refusal::Interrupted),
            (true, false) => Ok(()),
        });
        state.trailers = trailers;
        let reader = state.reader.take();
        drop(state);
        wake_all([reader, None, None]);
    }

    /// Ends the response in failure, with a detail for the log's `cause=`.
    pub(crate) fn fail_because(&self, refusal: Refusal, cause: &'static str) {
        self.end_with(|state| {
            state.cause = Some(cause);
            refusal
        });
    }

    /// Runs `action` unless the response has begun or ended, and keeps it from beginning meanwhile.
    pub(crate) fn while_unanswered(&self, action: impl FnOnce()) {
        let state = self.lock();
        if !state.has_begun && state.end.is_none() && !state.is_client_gone {
            action();
        }
    }

    /// Changes the progress of the request body.
    pub(crate) fn update_upload(&self, change: impl FnOnce(&mut UploadProgress)) {
        change(&mut self.lock().upload);
    }

    /// Ready when the client's side has left before the response was complete. For the task that writes the response.
    pub(crate) fn poll_client_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_client_gone && state.end != Some(Ok(())) {
            return Poll::Ready(());
        }
        register_waker(&mut state.writer, cx);
        Poll::Pending
    }

    /// Whether the client's side has left.
    pub(crate) fn is_client_gone(&self) -> bool {
        self.lock().is_client_gone
    }
}
