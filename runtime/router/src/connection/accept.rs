//! Accepting connections.
//!
//! Owns the listening sockets, the limits for the number of connections, and the graceful close. Must not know HTTP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use exchange::DynoHandle;
use grid::protocol::Refusal;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::connection::serve_connection::serve_connection;
use crate::limits::{FORCED_FLUSH, UNSENT_MAX};
use crate::request::routing_table::Routes;
use crate::shared::connection_state::Peer;
use crate::shared::router_shared::RouterShared;

/// How long accepting pauses when the machine has run out of a resource, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the kernel keeps until they are accepted. The kernel reduces this to `net.core.somaxconn`, 4,096 by
/// default. With the usual 128, some clients of a burst would have to try again a second later.
const BACKLOG: u32 = 4_096;

/// A listening socket and its connections. Dropping it closes all of them without grace.
#[derive(Debug)]
pub struct RouterServer {
    address: SocketAddr,
    /// Carries the grace time.
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<ServerClose>,
}

/// How a server closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerClose {
    /// Every request was finished.
    Finished,
    /// The grace time ended first: this many connections were cut (H24).
    Forced(usize),
}

/// Opens a listening socket. To be called on a thread of the runtime.
///
/// # Errors
/// If the address is in use, or is no address of this machine.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of an earlier server may still be closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl RouterServer {
    /// Starts to accept connections from `listener`.
    pub(crate) fn start<D: DynoHandle>(
        routes: Arc<Routes<D>>,
        router: Arc<RouterShared>,
        listener: TcpListener,
    ) -> io::Result<RouterServer> {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let acceptor = Acceptor {
            routes,
            router,
            listener,
            port: address.port(),
            clients: ClientCounts::default(),
            connections: JoinSet::new(),
        };
        let task = tokio::spawn(acceptor.run(stopped));
        Ok(RouterServer {
            address,
            stop,
            task,
        })
    }

    /// The address of the listening socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests finish for `grace`, and ends the rest with H24.
    ///
    /// The router is closed for good then, the connections of its other listeners included.
    /// [`Router::force`](crate::Router::force) ends the grace time early.
    pub async fn close(self, grace: Duration) -> ServerClose {
        // This fails only if the task is gone, and its connections with it.
        let _ = self.stop.send(grace);
        self.task.await.unwrap_or(ServerClose::Forced(0))
    }
}

/// The accept loop.
struct Acceptor<D: DynoHandle> {
    routes: Arc<Routes<D>>,
    router: Arc<RouterShared>,
    listener: TcpListener,
    port: u16,
    clients: ClientCounts,
    connections: JoinSet<()>,
}

impl<D: DynoHandle> Acceptor<D> {
    async fn run(mut self, mut stopped: oneshot::Receiver<Duration>) -> ServerClose {
        loop {
            let accepted = tokio::select! {
                grace = &mut stopped => match grace {
                    Ok(grace) => return self.close(grace).await,
                    Err(_) => return ServerClose::Forced(self.connections.len()),
                },
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => self.admit(stream, client),
                Err(error) if is_exhaustion(&error) => tokio::time::sleep(ACCEPT_PAUSE).await,
                // One connection failed before it was accepted.
                Err(_) => {}
            }
            while self.connections.try_join_next().is_some() {}
        }
    }

    fn admit(&mut self, stream: TcpStream, client: SocketAddr) {
        let limits = &self.router.limits;
        // All clients of a trusted proxy come from the proxy's address: the limit of one client does not apply to it.
        let max = match self.router.trusted_proxies.contains(client.ip()) {
            true => limits.connections_max,
            false => limits.connections_per_client_max,
        };
        let counted = self.clients.add_connection(client.ip(), max);
        let is_below_max = self.connections.len() < limits.connections_max;
        let Some(counted) = counted.filter(|_| is_below_max) else {
            let counters = &self.router.counters;
            counters.connections_refused.fetch_add(1, Relaxed);
            return;
        };
        // Responses are written as a whole: waiting for more bytes would only delay them. If these options cannot be set,
        // the socket is dead.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MAX);
        let peer = Peer {
            client,
            port: self.port,
            tls: false,
        };
        let (routes, router) = (self.routes.clone(), self.router.clone());
        self.connections.spawn(async move {
            let _counted = counted;
            serve_connection(routes, router, stream, peer, reset_on_close).await;
        });
    }

    async fn close(self, grace: Duration) -> ServerClose {
        let Acceptor {
            routes,
            router,
            listener,
            mut connections,
            ..
        } = self;
        drop(listener);
        router.close();
        let all_closed = async { while connections.join_next().await.is_some() {} };
        let is_finished = tokio::select! {
            biased;
            () = all_closed => true,
            () = tokio::time::sleep(grace) => false,
            () = router.wait_until_forced() => false,
        };
        let (remaining, is_early) = (connections.len(), router.is_forced());
        // Even when no connection is open: calls whose clients have left must end too.
        routes.refuse_all(Refusal::ForcedClose);
        router.force();
        if is_finished && !is_early {
            return ServerClose::Finished;
        }
        let all_closed = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(FORCED_FLUSH, all_closed).await;
        connections.shutdown().await;
        ServerClose::Forced(remaining)
    }
}

/// Makes the end of a stream a reset.
fn reset_on_close(stream: &TcpStream) {
    // This fails only if the connection is gone already.
    let _ = stream.set_zero_linger();
}

/// Whether accepting failed for want of a resource, rather than because of one connection.
fn is_exhaustion(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// How many connections each client has. Locked when a connection opens or closes, not by requests.
#[derive(Clone, Debug, Default)]
struct ClientCounts(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// Counts one connection of a client while it lives.
struct CountedConnection {
    clients: ClientCounts,
    client: IpAddr,
}

impl ClientCounts {
    /// Counts a connection, unless the client has `max` already.
    fn add_connection(&self, client: IpAddr, max: usize) -> Option<CountedConnection> {
        let client = client_network(client);
        let mut counts = self.0.lock();
        let count = counts.entry(client).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(CountedConnection {
            clients: self.clone(),
            client,
        })
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, the smallest that a subscriber is given.
fn client_network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        v4 => v4,
    }
}
