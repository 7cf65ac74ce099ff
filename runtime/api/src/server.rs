//! Connections to the API.
//!
//! Owns how many there are, how long a silent one lives, and how they end. Must not know routes.

pub(crate) mod guard;

use crate::routes::router;
use crate::state::State;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections at a time; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 1_000;
/// How long a client may take to send the head of a request, and a connection may rest between two.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Headers of a request.
const HEADERS_MAX: usize = 100;
/// What a connection buffers of a request's head, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// HTTP/2: requests at a time on one connection.
const STREAMS_MAX: u32 = 100;
/// What requests have to finish in when the server ends.
const END_GRACE: Duration = Duration::from_secs(10);
/// What a client that connected just before the end has to send its request. Closed at once, it would get no answer at
/// all, although the next server takes over the socket and would have answered.
const FIRST_BYTE_GRACE: Duration = Duration::from_millis(500);
/// The pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address that a request came from; an extension of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The address of this machine that a request came in at; an extension of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalAddress(pub(crate) IpAddr);

/// Serves the API on a listener until `shutdown` is ready; then lets requests finish for a moment. Streams and
/// waits end at once.
pub async fn serve(
    listener: TcpListener,
    state: State,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let routes = router(state.clone());
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, peer, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let connection = connection(stream, Peer(peer), routes.clone(), state.0.closing.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    state.0.closing.cancel();
    // What is not done by then is cut off: its connections are dropped with the set.
    let rest = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(END_GRACE, rest).await;
    connections.shutdown().await;
    Ok(())
}

/// The next connection, as soon as there is room for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
    loop {
        let permit = Arc::clone(permits).acquire_owned().await;
        match (permit, listener.accept().await) {
            (Ok(permit), Ok((stream, peer))) => return (stream, peer.ip(), permit),
            // One that hung up before it was accepted, or no descriptors: others may fare better.
            _ => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// A connection from its first byte to its last. Once the server closes, it ends after what it is at.
async fn connection(stream: TcpStream, peer: Peer, routes: Router, closing: CancellationToken) {
    // Without it answers are slower, and nothing else.
    let _ = stream.set_nodelay(true);
    // A connection without an address is gone.
    let Ok(local) = stream.local_addr() else {
        return;
    };
    if !has_first_byte(&stream, &closing).await {
        return;
    }
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(LocalAddress(local.ip()));
        let request: Request = request.map(axum::body::Body::new);
        routes.clone().oneshot(request)
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // First, so that a request that is there already is read before the connection is told to end.
        biased;
        // A connection that breaks is the client's affair.
        _ = connection.as_mut() => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Waits for a client to say something; false if it does not, or not soon enough once the server closes.
async fn has_first_byte(stream: &TcpStream, closing: &CancellationToken) -> bool {
    let mut first = [0];
    let too_late = async {
        closing.cancelled().await;
        tokio::time::sleep(FIRST_BYTE_GRACE).await;
    };
    tokio::select! {
        read = stream.peek(&mut first) => read.is_ok_and(|bytes| bytes > 0),
        () = tokio::time::sleep(HEADER_TIMEOUT) => false,
        () = too_late => false,
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(HEADER_TIMEOUT)
        .keep_alive_timeout(HEADER_TIMEOUT);
    builder
}
