//! What is known of one connection, shared by its reader, its requests and their bodies.
//!
//! Owns the connection's identity, counts and marks. Must not know bytes or HTTP messages.

use crate::limits::INTERIM_MAX;
use crate::request::admission::Reject;
use crate::response::tunnel::Switched;
use crate::shared::router_shared::Hub;
use bytes::{Bytes, BytesMut};
use exchange::{InterimSink, MemoryBudget};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// Who is at the other end, and how it came in.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client.
    pub client: SocketAddr,
    /// The port that it connected to.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) id: u64,
    pub(crate) hub: Arc<Hub>,
    /// The client's address, as in `X-Forwarded-For`.
    pub(crate) client: HeaderValue,
    pub(crate) port: HeaderValue,
    pub(crate) tls: bool,
    /// It is a proxy whose forwarding headers are believed.
    pub(crate) trusted: bool,
    /// Of responses.
    pub(crate) buffers: Arc<MemoryBudget>,
    /// Of request bodies.
    pub(crate) uploads: Arc<MemoryBudget>,
    born: Instant,
    /// When the last request ended: microseconds since it was born.
    ended: AtomicU64,
    requests: AtomicU64,
    active: AtomicUsize,
    /// The client did not take what was written: what ends now ends with H28.
    pub(crate) stalled: AtomicBool,
    /// A response without framing broke off: the connection must be reset, since a plain end would look
    /// like the end of the response.
    pub(crate) broken: AtomicBool,
    waker: OnceLock<Waker>,
    /// What was wrong with a body.
    violation: OnceLock<&'static str>,
    /// The number of a request that stands for a head which broke the rules, and what was wrong with that.
    refused: OnceLock<(u64, Reject)>,
    /// Interim responses that are to be written, whole.
    interim: Mutex<BytesMut>,
    has_interim: AtomicBool,
    /// All of the responses so far has been written.
    flushed: AtomicBool,
    /// Part of a head has come, which the HTTP layer sees when all of it has: the number of its request, from 1; else 0.
    held_head: AtomicU64,
    /// What came behind the request under way breaks the rules, unless that switches protocols.
    in_doubt: AtomicBool,
    /// The protocol has changed: what is read is not HTTP any more.
    pub(crate) tunnelled: AtomicBool,
    /// What the connection does from then on.
    switched: Mutex<Option<Switched>>,
}

impl Conn {
    pub(crate) fn new(hub: Arc<Hub>, peer: Peer) -> Arc<Self> {
        let client = peer.client.ip().to_canonical().to_string();
        Arc::new(Conn {
            id: hub.next_number(),
            buffers: hub.buffers.for_connection(),
            uploads: hub.uploads.for_connection(),
            trusted: hub.trusted.contains(peer.client.ip()),
            hub,
            client: HeaderValue::from_str(&client).expect("an address is a header value"),
            port: peer.port.into(),
            tls: peer.tls,
            born: Instant::now(),
            ended: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            active: AtomicUsize::new(0),
            stalled: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            waker: OnceLock::new(),
            violation: OnceLock::new(),
            refused: OnceLock::new(),
            interim: Mutex::default(),
            has_interim: AtomicBool::new(false),
            flushed: AtomicBool::new(true),
            held_head: AtomicU64::new(0),
            in_doubt: AtomicBool::new(false),
            tunnelled: AtomicBool::new(false),
            switched: Mutex::new(None),
        })
    }

    /// A request begins; returns its number on this connection.
    pub(crate) fn begin(&self) -> u64 {
        self.active.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed)
    }

    /// A request has ended, with its response.
    pub(crate) fn end(&self, now: Instant) {
        let ended = (now - self.born).as_micros();
        self.ended
            .store(u64::try_from(ended).unwrap_or(u64::MAX), Relaxed);
        self.active.fetch_sub(1, Relaxed);
        if self.in_doubt.load(Relaxed) {
            self.wake();
        }
    }

    /// How many requests have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Since when there is no request, if there is none.
    pub(crate) fn idle_since(&self) -> Instant {
        self.born + Duration::from_micros(self.ended.load(Relaxed))
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Relaxed) > 0
    }

    /// Notes who is to be woken when the router closes. A connection stays in one task, so once is enough.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.waker.get_or_init(|| cx.waker().clone());
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn note_violation(&self, cause: &'static str) {
        self.violation.get_or_init(|| cause);
    }

    /// Notes that the request with this number, from 0, stands for a head that broke the rules.
    pub(crate) fn refuse_head(&self, number: u64, reject: Reject) {
        self.refused.get_or_init(|| (number, reject));
    }

    /// What was wrong with the head that the next request stands for, if it stands for one.
    pub(crate) fn refused_head(&self) -> Option<Reject> {
        let (number, reject) = self.refused.get()?;
        (*number == self.begun()).then_some(*reject)
    }

    /// Has an interim response of the request under way written before its response. It is dropped, as it may be,
    /// while the response before it is not out: the client is in no hurry.
    fn put_interim(&self, head: &[u8]) {
        let mut interim = self.interim.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.flushed.load(SeqCst) || interim.len() + head.len() > INTERIM_MAX {
            return;
        }
        interim.extend_from_slice(head);
        drop(interim);
        self.has_interim.store(true, SeqCst);
        self.wake();
    }

    /// Whether there are interim responses to write.
    pub(crate) fn has_interim(&self) -> bool {
        self.has_interim.load(Relaxed)
    }

    /// The interim responses that are to be written now.
    pub(crate) fn take_interim(&self) -> Option<Bytes> {
        if !self.has_interim.swap(false, SeqCst) {
            return None;
        }
        let mut interim = self.interim.lock().unwrap_or_else(PoisonError::into_inner);
        Some(interim.split().freeze()).filter(|interim| !interim.is_empty())
    }

    /// The number, from 0, of a request that has begun and that the HTTP layer knows nothing of yet, if there is one.
    pub(crate) fn held_head(&self) -> Option<u64> {
        self.held_head.load(Relaxed).checked_sub(1)
    }

    pub(crate) fn note_held_head(&self, number: Option<u64>) {
        let number = number.map_or(0, |number| number + 1);
        self.held_head.store(number, Relaxed);
    }

    /// Has the reader woken by the end of a request from now on: it has to judge what came behind it.
    pub(crate) fn note_doubt(&self) {
        self.mark(&self.in_doubt);
    }

    /// Whether all of the responses so far has been written.
    pub(crate) fn note_flushed(&self, flushed: bool) {
        self.flushed.store(flushed, Relaxed);
    }

    /// What was wrong with a body, if `watch` found it.
    pub(crate) fn violation(&self) -> Option<&'static str> {
        self.violation.get().copied()
    }

    pub(crate) fn mark(&self, mark: &AtomicBool) {
        mark.store(true, SeqCst);
    }

    /// From the answer under way on, the connection is a tunnel.
    pub(crate) fn switch(&self, switched: Switched) {
        self.mark(&self.tunnelled);
        *self.switched.lock().unwrap_or_else(PoisonError::into_inner) = Some(switched);
    }

    pub(crate) fn take_switched(&self) -> Option<Switched> {
        let mut slot = self.switched.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}

impl InterimSink for Conn {
    fn send_interim(&self, status: StatusCode, headers: HeaderMap) {
        self.put_interim(&interim_head(status, &headers));
    }
}

/// An interim response in the form of HTTP/1.1.
fn interim_head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Interim");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
