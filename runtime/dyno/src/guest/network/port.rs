//! `$PORT` of a server dyno: a port that exists in this process only.
//!
//! The kernel does not know it. A guest that binds `$PORT` on loopback or on all addresses gets this port, and the
//! only way to connect to it is [`ServerPort::connect`], which only the dyno's own calls use: no other app and no
//! other process of this machine has an address to dial. A connection is a pair of buffers in memory. Binding any
//! other address is refused by the gate. `tcp_p2` and `tcp_p3` are the WASI interfaces. Must not know HTTP or dynos.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::guest::stdio::pipes::{InputPipe, OutputPipe};

/// The numbers that guests see as `$PORT`: none of the well-known ports, and more than there can be dynos awake.
const NUMBERS: Range<u16> = 20_000..60_000;

/// The buffer of a connection, in bytes for each direction.
const BUFFER_BYTES: usize = 64 * 1024;

/// Connections that wait to be accepted. Calls make one at a time, and another if the first was given up.
const BACKLOG_LEN: usize = 4;

/// The longest wait for a server to accept: as for Heroku's H19.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The port numbers that are in use in this process.
#[derive(Default)]
pub(crate) struct PortNumbers(Mutex<HashSet<u16>>);

impl PortNumbers {
    /// Takes a port with a number that no other dyno has. The number is free again when the port is dropped.
    pub(crate) fn take_port(self: &Arc<Self>) -> Arc<ServerPort> {
        let mut taken = self.0.lock();
        let span = NUMBERS.end - NUMBERS.start;
        let random = RandomState::new().hash_one(taken.len());
        let first = u16::try_from(random % u64::from(span)).unwrap_or_default();
        let numbers = (0..span).map(|n| NUMBERS.start + (first + n) % span);
        // If all numbers are in use, one is given twice. This is safe: a number is only a name, and leads to its own
        // dyno.
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

/// The port of one server dyno.
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
    /// The dyno is about to end: no connection is accepted any more.
    Closed,
}

/// A connection that waits to be accepted by the guest.
struct PendingConnection {
    stream: DuplexStream,
    accepted: oneshot::Sender<()>,
}

/// The guest does not listen on the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotListening;

impl Drop for ServerPort {
    fn drop(&mut self) {
        self.numbers.0.lock().remove(&self.number);
    }
}

impl ServerPort {
    /// Whether a guest that binds `addr` means this port.
    pub(crate) fn is_bound_by(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip();
        addr.port() == self.number && (ip.is_unspecified() || ip.is_loopback())
    }

    /// Connects to the guest. Ready when the guest has accepted the connection.
    pub(crate) async fn connect(&self) -> Result<DuplexStream, NotListening> {
        let PortState::Listening(to) = self.state.borrow().clone() else {
            return Err(NotListening);
        };
        let (near, stream) = tokio::io::duplex(BUFFER_BYTES);
        let (accepted, answer) = oneshot::channel();
        let incoming = PendingConnection { stream, accepted };
        let sent = to.send(incoming).await;
        drop(to);
        sent.map_err(|_| NotListening)?;
        // The sender is dropped without an answer when the guest closes its listener.
        answer.await.map_err(|_| NotListening)?;
        Ok(near)
    }

    /// Waits until the guest listens. Never ready if the port was closed.
    pub(crate) async fn wait_until_listening(&self) {
        let mut state = self.state.subscribe();
        let listens = |state: &PortState| matches!(state, PortState::Listening(_));
        if state.wait_for(listens).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the guest's listener. The guest cannot create another.
    pub(crate) fn close(&self) {
        self.state.send_replace(PortState::Closed);
    }

    /// Binds a socket to the port. Returns false if another socket is bound to it.
    pub(crate) fn bind(&self) -> bool {
        self.state.send_if_modified(|state| {
            let free = matches!(state, PortState::Unbound);
            if free {
                *state = PortState::Bound;
            }
            free
        })
    }

    /// Starts to listen on the bound port.
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

    /// Frees the port after its socket was closed.
    pub(crate) fn release(&self) {
        self.state.send_if_modified(|state| {
            let held = matches!(state, PortState::Bound | PortState::Listening(_));
            if held {
                *state = PortState::Unbound;
            }
            held
        });
    }

    /// The address of the port that guests see.
    pub(crate) fn address(&self, family: AddressFamily) -> SocketAddr {
        SocketAddr::new(family.loopback(), self.number)
    }
}

/// The address family of a socket.
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

    /// The address that the guest sees as the other end of a connection.
    pub(crate) fn peer_address(self) -> SocketAddr {
        SocketAddr::new(self.loopback(), 1)
    }
}

/// The guest's listener on the port.
pub(crate) struct PortListener {
    port: Arc<ServerPort>,
    incoming: mpsc::Receiver<PendingConnection>,
    next: Option<PendingConnection>,
}

/// A connection as two pipes. All clones share the same pipes.
#[derive(Clone)]
pub(crate) struct PipedConnection {
    pub(crate) input: InputPipe,
    pub(crate) output: OutputPipe,
}

impl PipedConnection {
    /// A connection that reads from one end and writes to the other.
    pub(crate) fn new(
        from: impl AsyncRead + Send + Unpin + 'static,
        to: impl AsyncWrite + Send + Unpin + 'static,
    ) -> PipedConnection {
        PipedConnection {
            input: InputPipe::new(Some(Box::new(from))),
            output: OutputPipe::new(Box::new(to)),
        }
    }
}

impl PortListener {
    /// The address at which it listens, as guests see it.
    pub(crate) fn address(&self, family: AddressFamily) -> SocketAddr {
        self.port.address(family)
    }

    /// Ready when a connection can be accepted, or when no connection will ever come again.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.next.take_if(|next| next.accepted.is_closed());
        while self.next.is_none() {
            match self.incoming.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                // Skips a connection that its caller has given up.
                Poll::Ready(Some(next)) if next.accepted.is_closed() => {}
                Poll::Ready(Some(next)) => self.next = Some(next),
            }
        }
        Poll::Ready(())
    }

    /// Whether a connection waits to be accepted, as far as [`PortListener::poll_ready`] has found out.
    pub(crate) fn has_waiting(&self) -> bool {
        self.next.is_some()
    }

    /// Accepts the next connection. `None`: no connection will ever come again.
    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<PipedConnection>> {
        loop {
            if self.poll_ready(cx).is_pending() {
                return Poll::Pending;
            }
            let Some(next) = self.next.take() else {
                return Poll::Ready(None);
            };
            if next.accepted.send(()).is_ok() {
                let (from, to) = tokio::io::split(next.stream);
                return Poll::Ready(Some(PipedConnection::new(from, to)));
            }
        }
    }
}

impl Drop for PortListener {
    fn drop(&mut self) {
        self.port.release();
    }
}

/// Never ready after the last connection: a server of the standard library would see the dyno's end as an error of
/// `accept`, and most likely panic.
#[wasmtime_wasi::async_trait]
impl wasmtime_wasi::p2::Pollable for PortListener {
    async fn ready(&mut self) {
        let mut me = Pin::new(self);
        std::future::poll_fn(|cx| match me.poll_ready(cx) {
            Poll::Ready(()) if me.has_waiting() => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }
}
