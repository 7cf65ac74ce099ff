//! HTTP/1 connections.
//!
//! Owns the set-up of the HTTP layer, and the graceful end of a connection. Must not know what a request is answered
//! with.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use exchange::DynoHandle;
use grid::protocol::Refusal;
use http::{Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::guarded_io::GuardedIo;
use crate::limits::{HEADER_BLOCK_MAX, HEADERS_MAX};
use crate::log::access_log::{AccessRecord, unread_method};
use crate::request::client_body::ClientBody;
use crate::request::routing_table::Routes;
use crate::request::serve::serve_request;
use crate::shared::connection_state::ConnectionState;

/// Beyond the largest head (bytes): the HTTP layer's buffer must hold what the guard lets pass.
const READ_SLACK: usize = 1024;

/// Serves a connection until it closes or switches protocols.
pub(crate) async fn serve_http1<D, S>(
    routes: Arc<Routes<D>>,
    connection: Arc<ConnectionState>,
    io: GuardedIo<S>,
) where
    D: DynoHandle,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    // `GuardedIo` has the time limits, and closes with the client: a half-open client does not read a response.
    builder.header_read_timeout(None).half_close(false);
    builder.max_buf_size(HEADER_BLOCK_MAX + READ_SLACK);
    let headers_max = connection.router.limits.headers_max;
    if headers_max > HEADERS_MAX {
        // With its own default, the parser needs no allocation.
        builder.max_headers(headers_max);
    }
    let state = connection.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        serve_request(&routes, &state, None, request.map(ClientBody::Http1))
    });
    let http1 = builder.serve_connection(TokioIo::new(io), service);
    let ended = poll_to_end(&connection, http1.with_upgrades(), |http1| {
        http1.graceful_shutdown();
    });
    if let Err(error) = ended.await
        && error.is_parse()
    {
        log_malformed_head(&connection);
    }
}

/// Polls a connection to its end. When the router closes, the requests under way are the last.
async fn poll_to_end<C>(
    connection: &ConnectionState,
    http1: C,
    shut_down: fn(Pin<&mut C>),
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut http1 = pin!(http1);
    let mut is_shut_down = false;
    // The partial head at the time when the close was first seen. Only this one is waited for, and none that begins
    // later: a client that always sends the start of one more head would keep its connection.
    let mut awaited_head = None;
    poll_fn(|cx| {
        connection.register_waker(cx);
        // Polled before the shutdown: a request that has arrived by then, or has begun to, is answered.
        let polled = http1.as_mut().poll(cx);
        if polled.is_ready() || is_shut_down || !connection.router.is_closing() {
            return polled;
        }
        let awaited_head = *awaited_head.get_or_insert_with(|| connection.partial_head());
        if awaited_head.is_some_and(|number| connection.request_count() <= number) {
            return polled;
        }
        is_shut_down = true;
        shut_down(http1.as_mut());
        http1.as_mut().poll(cx)
    })
    .await
}

/// Logs a head that could not be read. The HTTP layer has answered it with a 400 without a page.
fn log_malformed_head(connection: &ConnectionState) {
    let router = &connection.router;
    router.counters.malformed.fetch_add(1, Relaxed);
    let origin = connection.origin();
    router.log_request(&AccessRecord {
        at: SystemTime::now(),
        app: None,
        code: Some(Refusal::RequestError),
        cause: Some("malformed"),
        method: unread_method(),
        path: None,
        host: None,
        request_id: router
            .request_ids
            .create(connection.number, connection.request_count()),
        fwd: origin.addresses,
        dyno: None,
        queue: 0,
        wait: Duration::ZERO,
        connect: Duration::ZERO,
        service: Duration::ZERO,
        status: StatusCode::BAD_REQUEST.as_u16(),
        bytes: 0,
        version: Version::HTTP_11,
        tls: origin.tls,
    });
}
