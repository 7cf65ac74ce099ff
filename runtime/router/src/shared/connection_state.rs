//! State of one connection, shared by its reader, its requests and their bodies.
//!
//! Owns the connection's identity, its counters and its flags. Must not know bytes or HTTP messages.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use exchange::{InterimSink, MemoryBudget};
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::INTERIM_MAX;
use crate::shared::rejection::Rejection;
use crate::shared::router_shared::RouterShared;

/// The client's end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client's address.
    pub client: SocketAddr,
    /// The port that the client connected to.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// The origin of a request, as far as it is known.
#[derive(Debug)]
pub(crate) struct ClientOrigin {
    /// The value of `X-Forwarded-For`: every address that the request came through, the peer's last.
    pub(crate) addresses: HeaderValue,
    /// Whether the client's own connection is encrypted.
    pub(crate) tls: bool,
    /// The port that the client connected to, unless it is the connection's own.
    pub(crate) port: Option<HeaderValue>,
}

/// Carries the bytes of a tunnel to its end.
type TunnelTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection from its first byte to its last.
pub(crate) struct ConnectionState {
    pub(crate) number: u64,
    pub(crate) router: Arc<RouterShared>,
    /// The client's address, as in `X-Forwarded-For`.
    client: HeaderValue,
    /// The port that the client connected to.
    pub(crate) port: HeaderValue,
    tls: bool,
    /// The peer is a trusted proxy: its forwarding headers are believed.
    pub(crate) from_trusted_proxy: bool,
    /// Memory for buffered responses.
    pub(crate) response_memory: Arc<MemoryBudget>,
    /// Memory for buffered request bodies.
    pub(crate) request_memory: Arc<MemoryBudget>,
    opened: Instant,
    /// When the last request ended: microseconds since `opened`.
    last_request_end: AtomicU64,
    /// Requests that have begun.
    request_count: AtomicU64,
    /// Requests that have begun and not ended.
    active_requests: AtomicUsize,
    /// The client did not take what was written: a request that ends now ends with H28.
    is_stalled: AtomicBool,
    /// A response without framing broke off. The connection must be reset, since a plain end would look like the end of
    /// the response.
    must_reset: AtomicBool,
    waker: OnceLock<Waker>,
    /// The error in the framing of a request body.
    body_violation: OnceLock<&'static str>,
    /// The number of the request that stands for a rejected head, and why the head was rejected.
    rejected_head: OnceLock<(u64, Rejection)>,
    /// Interim responses that are to be written, each of them whole.
    interim: Mutex<BytesMut>,
    has_interim: AtomicBool,
    /// All bytes of the responses so far have been written.
    is_flushed: AtomicBool,
    /// Number of the request, from 1, of which part of the head has arrived. The HTTP layer sees only complete heads.
    /// 0: none.
    partial_head: AtomicU64,
    /// The reader has to judge bytes behind the current request when that request ends.
    wakes_reader_after_request: AtomicBool,
    /// The connection has switched protocols: the bytes are not HTTP any more.
    is_tunnel: AtomicBool,
    /// The connection's work after the switch.
    tunnel_task: Mutex<Option<TunnelTask>>,
}

impl fmt::Debug for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionState")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl ConnectionState {
    pub(crate) fn new(router: Arc<RouterShared>, peer: Peer) -> Arc<Self> {
        let client = peer.client.ip().to_canonical().to_string();
        Arc::new(ConnectionState {
            number: router.next_number(),
            response_memory: router.response_memory.for_connection(),
            request_memory: router.request_memory.for_connection(),
            from_trusted_proxy: router.trusted_proxies.contains(peer.client.ip()),
            router,
            client: HeaderValue::from_str(&client).expect("an address is a header value"),
            port: peer.port.into(),
            tls: peer.tls,
            opened: Instant::now(),
            last_request_end: AtomicU64::new(0),
            request_count: AtomicU64::new(0),
            active_requests: AtomicUsize::new(0),
            is_stalled: AtomicBool::new(false),
            must_reset: AtomicBool::new(false),
            waker: OnceLock::new(),
            body_violation: OnceLock::new(),
            rejected_head: OnceLock::new(),
            interim: Mutex::default(),
            has_interim: AtomicBool::new(false),
            is_flushed: AtomicBool::new(true),
            partial_head: AtomicU64::new(0),
            wakes_reader_after_request: AtomicBool::new(false),
            is_tunnel: AtomicBool::new(false),
            tunnel_task: Mutex::new(None),
        })
    }

    /// The origin of a request of which no proxy says more.
    pub(crate) fn origin(&self) -> ClientOrigin {
        ClientOrigin {
            addresses: self.client.clone(),
            tls: self.tls,
            port: None,
        }
    }

    /// Counts a request that begins. Returns its number on this connection, from 0.
    pub(crate) fn begin_request(&self) -> u64 {
        self.active_requests.fetch_add(1, Relaxed);
        self.request_count.fetch_add(1, Relaxed)
    }

    /// Counts a request that has ended, with its response.
    pub(crate) fn end_request(&self, now: Instant) {
        let ended = (now - self.opened).as_micros();
        self.last_request_end
            .store(u64::try_from(ended).unwrap_or(u64::MAX), Relaxed);
        self.active_requests.fetch_sub(1, Relaxed);
        if self.wakes_reader_after_request.load(Relaxed) {
            self.wake();
        }
    }

    /// How many requests have begun.
    pub(crate) fn request_count(&self) -> u64 {
        self.request_count.load(Relaxed)
    }

    /// Since when there has been no request, provided that there is none now.
    pub(crate) fn idle_since(&self) -> Instant {
        self.opened + Duration::from_micros(self.last_request_end.load(Relaxed))
    }

    pub(crate) fn has_active_request(&self) -> bool {
        self.active_requests.load(Relaxed) > 0
    }

    /// Wakes the connection's task when the router closes. A connection stays in one task, so only the first call
    /// registers a waker.
    pub(crate) fn register_waker(&self, cx: &Context<'_>) {
        self.waker.get_or_init(|| {
            let waker = cx.waker().clone();
            self.router.register_connection(self.number, waker.clone());
            waker
        });
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// The error in the framing of a request body, if the guard found one.
    pub(crate) fn body_violation(&self) -> Option<&'static str> {
        self.body_violation.get().copied()
    }

    pub(crate) fn set_body_violation(&self, cause: &'static str) {
        self.body_violation.get_or_init(|| cause);
    }

    /// Notes that the request with this number, from 0, stands for a rejected head.
    pub(crate) fn set_rejected_head(&self, number: u64, rejection: Rejection) {
        self.rejected_head.get_or_init(|| (number, rejection));
    }

    /// Why the head was rejected that the next request stands for, if it stands for one.
    pub(crate) fn rejected_head(&self) -> Option<Rejection> {
        let (number, rejection) = self.rejected_head.get()?;
        (*number == self.request_count()).then_some(*rejection)
    }

    /// Queues an interim response of the current request, to be written before its response. If the previous response
    /// is not written yet, the interim response is dropped: HTTP allows that, and the client still waits for the
    /// previous response.
    fn put_interim(&self, head: &[u8]) {
        let mut interim = self.interim.lock();
        if !self.is_flushed.load(SeqCst) || interim.len() + head.len() > INTERIM_MAX {
            return;
        }
        interim.extend_from_slice(head);
        drop(interim);
        self.has_interim.store(true, SeqCst);
        self.wake();
    }

    /// Whether interim responses wait to be written.
    pub(crate) fn has_interim(&self) -> bool {
        self.has_interim.load(Relaxed)
    }

    /// Takes the interim responses that are to be written now.
    pub(crate) fn take_interim(&self) -> Option<Bytes> {
        if !self.has_interim.swap(false, SeqCst) {
            return None;
        }
        let mut interim = self.interim.lock();
        Some(interim.split().freeze()).filter(|interim| !interim.is_empty())
    }

    /// Notes whether all bytes of the responses so far have been written.
    pub(crate) fn set_flushed(&self, is_flushed: bool) {
        self.is_flushed.store(is_flushed, Relaxed);
    }

    /// The number, from 0, of the request whose head has arrived in part only, if there is one.
    pub(crate) fn partial_head(&self) -> Option<u64> {
        self.partial_head.load(Relaxed).checked_sub(1)
    }

    pub(crate) fn set_partial_head(&self, number: Option<u64>) {
        let number = number.map_or(0, |number| number + 1);
        self.partial_head.store(number, Relaxed);
    }

    /// From now on, the end of each request wakes the reader, which then checks the bytes behind that request.
    pub(crate) fn wake_reader_after_request(&self) {
        self.wakes_reader_after_request.store(true, SeqCst);
    }

    /// Marks the client as one that does not take what is written.
    pub(crate) fn mark_stalled(&self) {
        self.is_stalled.store(true, SeqCst);
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.is_stalled.load(SeqCst)
    }

    /// Makes the connection end with a reset.
    pub(crate) fn mark_for_reset(&self) {
        self.must_reset.store(true, SeqCst);
    }

    pub(crate) fn must_reset(&self) -> bool {
        self.must_reset.load(SeqCst)
    }

    /// After the response under way, the connection is a tunnel that `task` runs.
    pub(crate) fn start_tunnel(&self, task: TunnelTask) {
        self.is_tunnel.store(true, SeqCst);
        *self.tunnel_task.lock() = Some(task);
    }

    pub(crate) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Relaxed)
    }

    pub(crate) fn take_tunnel_task(&self) -> Option<TunnelTask> {
        self.tunnel_task.lock().take()
    }
}

impl InterimSink for ConnectionState {
    fn send_interim(&self, status: StatusCode, headers: HeaderMap) {
        self.put_interim(&http1_interim_head(status, &headers));
    }
}

/// An interim response in the form of HTTP/1.1.
fn http1_interim_head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
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
