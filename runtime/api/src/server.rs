//! Connections to the API.
//!
//! Owns how many there are, how long an idle one lives, and how connections end. Must not know single routes.

mod guard;

use crate::addresses::{LocalAddress, PeerAddress};
use crate::routes::documented_routes;
use crate::state::ApiState;
use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
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
/// How long a client may take to send the head of a request, and a connection may be idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Header fields of a request, at most.
const HEADERS_MAX: usize = 100;
/// Bytes of a request's head that a connection buffers.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// HTTP/2: requests at a time on one connection.
const STREAMS_MAX: u32 = 100;
/// How long requests may take to finish when the server ends.
const END_GRACE: Duration = Duration::from_secs(10);
/// How long a client that connected just before the end may take to send its request. If its connection were closed at
/// once, the client would get no response, although the next server takes over the socket and would have answered.
const FIRST_BYTE_GRACE: Duration = Duration::from_millis(500);
/// The pause after a failed accept: the process may be out of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All routes, with the guard around them. [`serve`] adds the addresses of the connection to each request.
fn router(state: ApiState) -> Router {
    let (routes, document) = documented_routes();
    let document = document.to_string();
    let show_document =
        move || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    routes
        .route("/v1/openapi.json", get(show_document))
        .fallback(guard::refuse_unknown_path)
        .layer(from_fn_with_state(state.clone(), guard::guard_request))
        .with_state(state)
}

/// Serves the API on a listener until `shutdown` is ready. Then streams and waiting requests end at once, and other
/// requests have 10 seconds to finish.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let routes = router(state.clone());
    let closing = &state.shared.closing;
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, peer, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let peer = PeerAddress(peer);
        let connection = serve_connection(stream, peer, routes.clone(), closing.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    closing.cancel();
    let rest = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(END_GRACE, rest).await;
    // Cuts off the connections that are still open.
    connections.shutdown().await;
    Ok(())
}

/// Accepts the next connection, as soon as there is room for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
    loop {
        let permit = Arc::clone(permits).acquire_owned().await;
        match (permit, listener.accept().await) {
            (Ok(permit), Ok((stream, peer))) => return (stream, peer.ip(), permit),
            // The client hung up before the accept, or there are no file descriptors: the next accept may succeed.
            _ => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves a connection to its end. Once the server closes, the connection ends after its running requests.
async fn serve_connection(
    stream: TcpStream,
    peer: PeerAddress,
    routes: Router,
    closing: CancellationToken,
) {
    // If this fails, responses are only slower.
    let _ = stream.set_nodelay(true);
    // A connection without a local address has been lost.
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
    let builder = connection_builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // The connection first: a request that has arrived is read before the connection is told to end.
        biased;
        // The error of a broken connection concerns its client only.
        _ = connection.as_mut() => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Waits for the first byte from a client; false if none comes in time.
async fn has_first_byte(stream: &TcpStream, closing: &CancellationToken) -> bool {
    let mut first = [0];
    let grace_is_over = async {
        closing.cancelled().await;
        tokio::time::sleep(FIRST_BYTE_GRACE).await;
    };
    tokio::select! {
        read = stream.peek(&mut first) => read.is_ok_and(|bytes| bytes > 0),
        () = tokio::time::sleep(HEADER_TIMEOUT) => false,
        () = grace_is_over => false,
    }
}

fn connection_builder() -> Builder<TokioExecutor> {
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
