//! Accepting connections.
//!
//! Owns the sockets, the caps on connections, and the graceful close. Must not know HTTP.

use crate::connection::http1;
use crate::limits::{FORCED_FLUSH, UNSENT_MAX};
use crate::router::Router;
use crate::shared::connection_state::Peer;
use exchange::DynoHandle;
use socket2::SockRef;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// How long accepting rests when the machine has run out of something, such as descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A listening socket and its connections. To drop it closes all of them without grace.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Carries the grace time.
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<Closed>,
}

/// How a server closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Every request was finished.
    Finished,
    /// The grace time was over first: this many connections were cut (H24).
    Forced(usize),
}

/// Connections that the kernel keeps until they are accepted; it cuts this to `net.core.somaxconn`, 4,096 by
/// default. With the 128 that is usual, a burst of new clients has some of them try again a second later.
const BACKLOG: u32 = 4_096;

/// A listening socket, for a runtime's thread to make.
///
/// # Errors
/// If the address is taken, or not this machine's.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of a server before this one may still be closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl<D: DynoHandle> Router<D> {
    /// Accepts connections from `listener`: HTTP/1.1, and HTTP/2 by prior knowledge, in clear.
    ///
    /// # Errors
    /// If the socket has no address.
    pub fn listen(&self, listener: TcpListener) -> io::Result<Server> {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let accepting = Accepting {
            router: self.clone(),
            listener,
            port: address.port(),
            clients: Clients::default(),
            connections: JoinSet::new(),
        };
        let task = tokio::spawn(accepting.run(stopped));
        Ok(Server {
            address,
            stop,
            task,
        })
    }
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests finish for `grace`, and ends the rest with H24. The router is closed for
    /// good then, its other listeners' connections as well. [`Router::force`] ends the grace time early.
    pub async fn close(self, grace: Duration) -> Closed {
        // If the task is gone already, so are its connections.
        let _ = self.stop.send(grace);
        self.task.await.unwrap_or(Closed::Forced(0))
    }
}

struct Accepting<D: DynoHandle> {
    router: Router<D>,
    listener: TcpListener,
    port: u16,
    clients: Clients,
    connections: JoinSet<()>,
}

impl<D: DynoHandle> Accepting<D> {
    async fn run(mut self, mut stopped: oneshot::Receiver<Duration>) -> Closed {
        loop {
            let accepted = tokio::select! {
                grace = &mut stopped => match grace {
                    Ok(grace) => return self.close(grace).await,
                    Err(_) => return Closed::Forced(self.connections.len()),
                },
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => self.admit(stream, client),
                Err(error) if is_exhaustion(&error) => tokio::time::sleep(ACCEPT_REST).await,
                // That one connection failed before it was ours.
                Err(_) => {}
            }
            while self.connections.try_join_next().is_some() {}
        }
    }

    fn admit(&mut self, stream: TcpStream, client: SocketAddr) {
        let hub = &self.router.hub;
        let limits = &hub.limits;
        // All clients of a trusted proxy come from its one address: no bound of one client is meant for it.
        let most = match hub.trusted.contains(client.ip()) {
            true => limits.connections_max,
            false => limits.connections_per_client_max,
        };
        let place = self.clients.enter(client.ip(), most);
        let Some(place) = place.filter(|_| self.connections.len() < limits.connections_max) else {
            hub.counters.connections_refused.fetch_add(1, Relaxed);
            return;
        };
        // Answers are written whole; to wait for more would only delay them. A socket that refuses is dead.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MAX);
        let peer = Peer {
            client,
            port: self.port,
            tls: false,
        };
        let (routes, hub) = (self.router.routes.clone(), hub.clone());
        self.connections.spawn(async move {
            let _place = place;
            http1::run(routes, hub, stream, peer, reset).await;
        });
    }

    async fn close(self, grace: Duration) -> Closed {
        let Accepting {
            router,
            listener,
            mut connections,
            ..
        } = self;
        drop(listener);
        router.hub.close();
        let all_gone = async { while connections.join_next().await.is_some() {} };
        let finished = tokio::select! {
            biased;
            () = all_gone => true,
            () = tokio::time::sleep(grace) => false,
            () = router.hub.forced() => false,
        };
        let (left, early) = (connections.len(), router.hub.is_forced());
        // Without clients too: a call that nobody waits for is ended.
        router.force();
        if finished && !early {
            return Closed::Finished;
        }
        let all_gone = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(FORCED_FLUSH, all_gone).await;
        connections.shutdown().await;
        Closed::Forced(left)
    }
}

/// Makes the end of a stream a reset.
fn reset(stream: &TcpStream) {
    // If it fails the connection is gone already.
    let _ = stream.set_zero_linger();
}

fn is_exhaustion(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// How many connections each client has. Touched when one opens or closes, not by requests.
#[derive(Clone, Debug, Default)]
struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place among its client's.
struct Place {
    clients: Clients,
    client: IpAddr,
}

impl Clients {
    fn enter(&self, client: IpAddr, max: usize) -> Option<Place> {
        let client = network(client);
        let mut counts = self.lock();
        let count = counts.entry(client).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place {
            clients: self.clone(),
            client,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.lock();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

/// Who counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which is the least that one
/// subscriber is given.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        v4 => v4,
    }
}
