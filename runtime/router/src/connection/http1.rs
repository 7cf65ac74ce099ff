//! One connection, from its first byte to its last.
//!
//! Owns the choice of protocol and the set-up of the HTTP layer. Must not know how connections come to be, nor
//! what a request is.

use crate::connection::guarded_io::{Guard, Wire};
use crate::connection::http1_guard::Watch;
use crate::connection::http2;
use crate::connection::http2_guard::{Frames, PREFACE};
use crate::limits::{FIRST_REQUEST_GRACE, HEAD_TIMEOUT, HEADER_BLOCK_MAX, HEADERS_MAX};
use crate::log::access_log::Record;
use crate::request::client_body::ClientBody;
use crate::request::routing_table::Routes;
use crate::request::serve::serve;
use crate::shared::connection_state::{Conn, Peer};
use crate::shared::router_shared::Hub;
use bytes::Bytes;
use exchange::DynoHandle;
use grid::protocol::Refusal;
use http::{Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, ready};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, timeout};

/// Beyond the largest head (bytes): the HTTP layer's buffer must hold what `watch` lets pass.
const READ_SLACK: usize = 1024;

/// Counts a connection as open while it lives.
struct Entered(Arc<Conn>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.hub.exit(&self.0);
        // Its log line holds the connection, which holds it.
        drop(self.0.take_switched());
    }
}

/// Serves a connection until it closes.
pub(crate) async fn run<D, S>(
    routes: Arc<Routes<D>>,
    hub: Arc<Hub>,
    mut io: S,
    peer: Peer,
    on_broken: fn(&S),
) where
    D: DynoHandle,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let conn = Conn::new(hub, peer);
    conn.hub.enter(&conn);
    let _entered = Entered(conn.clone());
    let Ok(Some((is_h2, replay))) = detect(&mut io, &conn).await else {
        return;
    };
    if is_h2 {
        let guard = Guard::Http2(Frames::new());
        let wire = Wire::new(io, conn.clone(), guard, replay, on_broken);
        let _ = http2::serve_connection(routes, conn, wire).await;
    } else {
        let guard = Guard::Http1(Watch::new(&conn.hub.limits));
        let wire = Wire::new(io, conn.clone(), guard, replay, on_broken);
        if let Err(error) = http1_connection(routes, conn.clone(), wire).await
            && error.is_parse()
        {
            malformed(&conn);
        }
        if let Some(switched) = conn.take_switched() {
            switched.run(&conn).await;
        }
    }
}

/// Tells HTTP/2 by its preface. Nothing if the connection closes without a byte, or if none comes for a moment once the
/// router closes.
async fn detect<S>(io: &mut S, conn: &Conn) -> io::Result<Option<(bool, Bytes)>>
where
    S: AsyncRead + Unpin,
{
    let mut first = [0; PREFACE.len()];
    let mut have = 0;
    let mut last_chance = None;
    while have < first.len() && PREFACE.starts_with(&first[..have]) {
        let read = poll_fn(|cx| {
            conn.register(cx);
            let mut buf = ReadBuf::new(&mut first[have..]);
            if let Poll::Ready(read) = Pin::new(&mut *io).poll_read(cx, &mut buf) {
                read?;
                return Poll::Ready(Ok::<_, io::Error>(buf.filled().len()));
            }
            if have > 0 || !conn.hub.is_closing() {
                return Poll::Pending;
            }
            let last_chance =
                last_chance.get_or_insert_with(|| Box::pin(sleep(FIRST_REQUEST_GRACE)));
            ready!(last_chance.as_mut().poll(cx));
            Poll::Ready(Ok(0))
        });
        match timeout(HEAD_TIMEOUT, read).await {
            Ok(Ok(0)) | Err(_) if have == 0 => return Ok(None),
            Ok(Ok(0)) | Err(_) => break,
            Ok(read) => have += read?,
        }
    }
    let is_h2 = first[..have] == PREFACE[..];
    Ok(Some((is_h2, Bytes::copy_from_slice(&first[..have]))))
}

async fn http1_connection<D, S>(
    routes: Arc<Routes<D>>,
    conn: Arc<Conn>,
    wire: Wire<S>,
) -> hyper::Result<()>
where
    D: DynoHandle,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    // `wire` has the clocks, and closes with the client: nobody waits for what a half-open client gets.
    builder.header_read_timeout(None).half_close(false);
    builder.max_buf_size(HEADER_BLOCK_MAX + READ_SLACK);
    let headers_max = conn.hub.limits.headers_max;
    if headers_max > HEADERS_MAX {
        // Only then: with its own number of headers the parser needs no allocation.
        builder.max_headers(headers_max);
    }
    let of = conn.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        serve(&routes, &of, None, request.map(ClientBody::Http1))
    });
    let connection = builder.serve_connection(TokioIo::new(wire), service);
    drive(&conn, connection.with_upgrades(), |c| c.graceful_shutdown()).await
}

/// Polls a connection to its end; when the router closes, the requests under way are the last.
async fn drive<C>(conn: &Conn, connection: C, finish: fn(Pin<&mut C>)) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut told = false;
    // The head that was held when the close was first seen: it is waited for, and none that begins later. Else a client
    // that always sends the start of one more would keep its connection.
    let mut awaited = None;
    poll_fn(|cx| {
        conn.register(cx);
        // Polled before it is told to finish: a request that has arrived by then, or has begun to, is answered.
        let polled = connection.as_mut().poll(cx);
        if polled.is_ready() || told || !conn.hub.is_closing() {
            return polled;
        }
        let awaited = *awaited.get_or_insert_with(|| conn.held_head());
        if awaited.is_some_and(|number| conn.begun() <= number) {
            return polled;
        }
        told = true;
        finish(connection.as_mut());
        connection.as_mut().poll(cx)
    })
    .await
}

/// The method of a head that could not be read, for the log.
pub(crate) fn unread_method() -> Method {
    Method::from_bytes(b"-").expect("a dash is a token")
}

/// Notes a head that could not be read: the HTTP layer has answered it with a bare 400.
fn malformed(conn: &Conn) {
    let hub = &conn.hub;
    hub.counters.malformed.fetch_add(1, Relaxed);
    hub.write(&Record {
        at: SystemTime::now(),
        app: None,
        code: Some(Refusal::RequestError),
        cause: Some("malformed"),
        method: unread_method(),
        path: None,
        host: None,
        request_id: hub.ids.make(conn.id, conn.begun()),
        fwd: conn.client.clone(),
        dyno: None,
        queue: 0,
        wait: Duration::ZERO,
        connect: Duration::ZERO,
        service: Duration::ZERO,
        status: StatusCode::BAD_REQUEST.as_u16(),
        bytes: 0,
        version: Version::HTTP_11,
        tls: conn.tls,
    });
}
