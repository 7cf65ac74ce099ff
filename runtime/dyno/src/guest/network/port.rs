//! `$PORT` of a server dyno: a port that exists in this process alone.
//!
//! The kernel never hears of it. What a guest binds at `$PORT`, on loopback or on all addresses, is this value, and the
//! only way to it is [`ServerPort::connect`], which the dyno's own call has and nobody else: no other app and no process of
//! this machine, whoever's it is, has an address to dial. A connection is a pair of buffers in memory. To bind anything
//! else stays refused, by the gate. Must not know HTTP, nor dynos; the WASI side is in `tcp_p2` and `tcp_p3`.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot, watch};

use crate::guest::stdio::pipes::{InputPipe, OutputPipe};

/// Ports that guests are told: none of the well-known ones, and more of them than dynos can be awake.
const NUMBERS: Range<u16> = 20_000..60_000;

/// Bytes that a connection holds in each direction.
const BUFFER_BYTES: usize = 64 * 1024;

/// Connections that wait to be accepted. One comes at a time, and one more if it was given up.
const BACKLOG_LEN: usize = 4;

/// Longest wait for a server to accept: as Heroku's H19.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Port numbers that dynos of this process have.
#[derive(Default)]
pub(crate) struct PortNumbers(Mutex<HashSet<u16>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PortNumbers {
    /// A port with a number that no other dyno has; given back with its last holder.
    pub(crate) fn take(self: &Arc<Self>) -> Arc<ServerPort> {
        let mut taken = lock(&self.0);
        let span = NUMBERS.end - NUMBERS.start;
        let random = RandomState::new().hash_one(taken.len());
        let first = u16::try_from(random % u64::from(span)).unwrap_or_default();
        let numbers = (0..span).map(|n| NUMBERS.start + (first + n) % span);
        // With all of them taken, one is told twice: they are names, and lead to their own dyno alone.
        let mut free = numbers.filter(|number| !taken.contains(number));
        let number = free.next().unwrap_or(NUMBERS.start + first);
        taken.insert(number);
        drop(taken);
        let (state, _) = watch::channel(PortState::Unbound);
        Arc::new(ServerPort {
            number,
            state,
            numbers: Arc::clone(self),
        })
    }
}

/// The port of one dyno.
pub(crate) struct ServerPort {
    pub(crate) number: u16,
    state: watch::Sender<PortState>,
    numbers: Arc<PortNumbers>,
}

#[derive(Clone)]
enum PortState {
    Unbound,
    Bound,
    Listening(mpsc::Sender<PendingConnection>),
    /// The dyno is to end: nothing is accepted any more.
    Closed,
}

/// A connection on its way to the guest.
struct PendingConnection {
    stream: DuplexStream,
    accepted: oneshot::Sender<()>,
}

/// Why there is no connection to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotListening {
    /// Nobody listens.
    Refused,
}

impl Drop for ServerPort {
    fn drop(&mut self) {
        lock(&self.numbers.0).remove(&self.number);
    }
}

impl ServerPort {
    /// Whether a guest that binds `addr` means this port.
    pub(crate) fn is(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip();
        addr.port() == self.number && (ip.is_unspecified() || ip.is_loopback())
    }

    /// Ready with a connection that the guest has accepted.
    pub(crate) async fn connect(&self) -> Result<DuplexStream, NotListening> {
        let PortState::Listening(to) = self.state.borrow().clone() else {
            return Err(NotListening::Refused);
        };
        let (near, stream) = tokio::io::duplex(BUFFER_BYTES);
        let (accepted, answer) = oneshot::channel();
        let incoming = PendingConnection { stream, accepted };
        let sent = to.send(incoming).await;
        drop(to);
        sent.map_err(|_| NotListening::Refused)?;
        // Dropped unanswered with a listener that the guest closed.
        answer.await.map_err(|_| NotListening::Refused)?;
        Ok(near)
    }

    /// Ready when the guest listens; never, if that is over.
    pub(crate) async fn listening(&self) {
        let mut state = self.state.subscribe();
        let listens = |state: &PortState| matches!(state, PortState::Listening(_));
        if state.wait_for(listens).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The guest's listener ends, and it can make no other.
    pub(crate) fn close(&self) {
        self.state.send_replace(PortState::Closed);
    }

    /// Takes the port for a socket; false if one has it.
    pub(crate) fn bind(&self) -> bool {
        self.state.send_if_modified(|state| {
            let free = matches!(state, PortState::Unbound);
            if free {
                *state = PortState::Bound;
            }
            free
        })
    }

    /// Begins to listen on the bound port.
    pub(crate) fn listen(self: &Arc<Self>) -> Option<PortListener> {
        let (send, incoming) = mpsc::channel(BACKLOG_LEN);
        let begun = self.state.send_if_modified(|state| {
            let bound = matches!(state, PortState::Bound);
            if bound {
                *state = PortState::Listening(send);
            }
            bound
        });
        begun.then(|| PortListener {
            port: Arc::clone(self),
            incoming,
            next: None,
        })
    }

    /// The socket that had it is gone.
    pub(crate) fn release(&self) {
        self.state.send_if_modified(|state| {
            let held = matches!(state, PortState::Bound | PortState::Listening(_));
            if held {
                *state = PortState::Unbound;
            }
            held
        });
    }

    /// The address that guests see of it.
    pub(crate) fn address(&self, family: AddressFamily) -> SocketAddr {
        SocketAddr::new(family.loopback(), self.number)
    }
}

/// Which addresses a socket has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressFamily {
    V4,
    V6,
}

impl AddressFamily {
    pub(crate) fn of(addr: SocketAddr) -> AddressFamily {
        if addr.is_ipv4() {
            AddressFamily::V4
        } else {
            AddressFamily::V6
        }
    }

    fn loopback(self) -> IpAddr {
        match self {
            AddressFamily::V4 => Ipv4Addr::LOCALHOST.into(),
            AddressFamily::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// What the other end of a connection seems to be.
    pub(crate) fn peer(self) -> SocketAddr {
        SocketAddr::new(self.loopback(), 1)
    }
}

/// The guest's side of the port.
pub(crate) struct PortListener {
    port: Arc<ServerPort>,
    incoming: mpsc::Receiver<PendingConnection>,
    next: Option<PendingConnection>,
}

/// A connection in the guest's hands: the same two pipes in every clone.
#[derive(Clone)]
pub(crate) struct PortConnection {
    pub(crate) input: InputPipe,
    pub(crate) output: OutputPipe,
}

impl PortConnection {
    fn new(stream: DuplexStream) -> PortConnection {
        let (from, to) = tokio::io::split(stream);
        PortConnection {
            input: InputPipe::new(Some(Box::new(from))),
            output: OutputPipe::new(Box::new(to)),
        }
    }
}

impl PortListener {
    /// Where it listens, as guests see it.
    pub(crate) fn address(&self, family: AddressFamily) -> SocketAddr {
        self.port.address(family)
    }

    /// Ready when there is a connection to accept, or there will never be one again.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.next.is_none() {
            match self.incoming.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                // One that was given up meanwhile is nobody's.
                Poll::Ready(Some(next)) if next.accepted.is_closed() => {}
                Poll::Ready(Some(next)) => self.next = Some(next),
            }
        }
        Poll::Ready(())
    }

    /// The next connection; `None`: there will never be one again.
    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<PortConnection>> {
        loop {
            if self.poll_ready(cx).is_pending() {
                return Poll::Pending;
            }
            let Some(next) = self.next.take() else {
                return Poll::Ready(None);
            };
            if next.accepted.send(()).is_ok() {
                return Poll::Ready(Some(PortConnection::new(next.stream)));
            }
        }
    }
}

impl Drop for PortListener {
    fn drop(&mut self) {
        self.port.release();
    }
}

/// Never ready when there will never be a connection again: a server of the standard library, which is told of the end
/// of its dyno by an error of `accept`, would most likely panic.
#[wasmtime_wasi::async_trait]
impl wasmtime_wasi::p2::Pollable for PortListener {
    async fn ready(&mut self) {
        let mut me = Pin::new(self);
        std::future::poll_fn(|cx| match me.poll_ready(cx) {
            Poll::Ready(()) if me.next.is_some() => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }
}
