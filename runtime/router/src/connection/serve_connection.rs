//! One connection, from its first byte to its last.
//!
//! Owns the choice of protocol. Must not know how connections come to be, nor what a request is.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Poll, ready};

use bytes::Bytes;
use exchange::DynoHandle;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, timeout};

use crate::connection::guarded_io::{GuardedIo, ProtocolGuard};
use crate::connection::http1::serve_http1;
use crate::connection::http1_guard::Http1Guard;
use crate::connection::http2::serve_http2;
use crate::connection::http2_guard::{Http2Guard, PREFACE};
use crate::limits::{FIRST_REQUEST_GRACE, HEAD_TIMEOUT};
use crate::request::routing_table::Routes;
use crate::shared::connection_state::{ConnectionState, Peer};
use crate::shared::router_shared::RouterShared;

/// Counts a connection as open while it lives.
struct OpenConnection(Arc<ConnectionState>);

impl OpenConnection {
    fn new(connection: Arc<ConnectionState>) -> OpenConnection {
        let counters = &connection.router.counters;
        counters.connections.fetch_add(1, SeqCst);
        OpenConnection(connection)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let router = &self.0.router;
        router.counters.connections.fetch_sub(1, SeqCst);
        router.remove_connection(self.0.number);
        // A tunnel that never ran holds the connection, which holds the tunnel.
        drop(self.0.take_tunnel_task());
    }
}

/// Serves a connection until it closes. `reset` makes the end of the stream a reset.
pub(crate) async fn serve_connection<D, S>(
    routes: Arc<Routes<D>>,
    router: Arc<RouterShared>,
    mut io: S,
    peer: Peer,
    reset: fn(&S),
) where
    D: DynoHandle,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = ConnectionState::new(router, peer);
    let _open = OpenConnection::new(connection.clone());
    let Ok(Some((is_http2, first_bytes))) = detect_http2(&mut io, &connection).await else {
        return;
    };
    if is_http2 {
        let guard = ProtocolGuard::Http2(Http2Guard::new());
        let io = GuardedIo::new(io, connection.clone(), guard, first_bytes, reset);
        // An error ends the connection; its streams have log lines of their own.
        let _ = serve_http2(routes, connection, io).await;
    } else {
        let guard = ProtocolGuard::Http1(Http1Guard::new(&connection.router.limits));
        let io = GuardedIo::new(io, connection.clone(), guard, first_bytes, reset);
        serve_http1(routes, connection.clone(), io).await;
        if let Some(tunnel) = connection.take_tunnel_task() {
            tunnel.await;
        }
    }
}

/// Recognizes HTTP/2 by its preface. Returns the bytes that were read for this; `None` if the connection closes without
/// a byte, or if none comes for a moment after the router has begun to close.
async fn detect_http2<S>(
    io: &mut S,
    connection: &ConnectionState,
) -> io::Result<Option<(bool, Bytes)>>
where
    S: AsyncRead + Unpin,
{
    let mut first = [0; PREFACE.len()];
    let mut len = 0;
    let mut last_chance = None;
    while len < first.len() && PREFACE.starts_with(&first[..len]) {
        let read = poll_fn(|cx| {
            connection.register_waker(cx);
            let mut buf = ReadBuf::new(&mut first[len..]);
            if let Poll::Ready(read) = Pin::new(&mut *io).poll_read(cx, &mut buf) {
                read?;
                return Poll::Ready(Ok::<_, io::Error>(buf.filled().len()));
            }
            if len > 0 || !connection.router.is_closing() {
                return Poll::Pending;
            }
            let last_chance =
                last_chance.get_or_insert_with(|| Box::pin(sleep(FIRST_REQUEST_GRACE)));
            ready!(last_chance.as_mut().poll(cx));
            Poll::Ready(Ok(0))
        });
        match timeout(HEAD_TIMEOUT, read).await {
            Ok(Ok(0)) | Err(_) if len == 0 => return Ok(None),
            Ok(Ok(0)) | Err(_) => break,
            Ok(read) => len += read?,
        }
    }
    let is_http2 = first[..len] == PREFACE[..];
    Ok(Some((is_http2, Bytes::copy_from_slice(&first[..len]))))
}
