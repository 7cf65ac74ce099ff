//! What is known of one connection, shared by its reader, its requests and their bodies.
//!
//! Owns the connection's identity, counts and marks. Must not know bytes or HTTP messages.

use crate::buffers::Buffers;
use crate::hub::Hub;
use crate::streams::Pace;
use crate::tunnel::Switched;
use http::HeaderValue;
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
    /// Of responses.
    pub(crate) buffers: Arc<Buffers>,
    /// Of request bodies.
    pub(crate) uploads: Arc<Buffers>,
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
    /// What was wrong with a head that could not be read.
    violation: OnceLock<&'static str>,
    /// The pace of the HTTP/2 stream whose task is about to be made.
    pace: Mutex<Option<Arc<Pace>>>,
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
            buffers: hub.buffers.share(),
            uploads: hub.uploads.share(),
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
            pace: Mutex::new(None),
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

    /// What was wrong with a head that could not be read, if `watch` found it.
    pub(crate) fn violation(&self) -> Option<&'static str> {
        self.violation.get().copied()
    }

    pub(crate) fn mark(&self, mark: &AtomicBool) {
        mark.store(true, SeqCst);
    }

    /// Leaves a pace for the stream task that the HTTP/2 layer makes right after it called the service.
    pub(crate) fn leave_pace(&self) -> Arc<Pace> {
        let pace = Arc::new(Pace::default());
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = Some(pace.clone());
        pace
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

    pub(crate) fn take_pace(&self) -> Option<Arc<Pace>> {
        let mut slot = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}
