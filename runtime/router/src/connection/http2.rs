//! HTTP/2 connections (RFC 9113).
//!
//! Owns the set-up of the protocol, and a task for each stream. Must not know what a request is answered with. The rules
//! of streams are the protocol library's.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use exchange::DynoHandle;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::http2_stream::{run_until_stalled, send_response};
use crate::limits::{
    H2_CONNECTION_WINDOW, H2_ERROR_RESETS_MAX, H2_PENDING_RESETS_MAX, H2_STREAM_WINDOW,
    H2_STREAMS_MAX, HEADER_BLOCK_MAX, PIECE_MAX,
};
use crate::request::client_body::{ClientBody, Http2Body};
use crate::request::routing_table::Routes;
use crate::request::serve::serve_request;
use crate::shared::connection_state::ConnectionState;
use crate::shared::stream_state::StreamState;

/// Serves a connection to its end. When the router closes, the streams under way are the last.
pub(crate) async fn serve_http2<D, S>(
    routes: Arc<Routes<D>>,
    connection: Arc<ConnectionState>,
    io: S,
) -> Result<(), h2::Error>
where
    D: DynoHandle,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut http2 = Builder::new()
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEADER_BLOCK_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(Some(H2_ERROR_RESETS_MAX))
        .initial_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buffer_size(2 * PIECE_MAX)
        .handshake::<_, Bytes>(io)
        .await?;
    let mut is_shut_down = false;
    poll_fn(|cx| {
        connection.register_waker(cx);
        loop {
            match http2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    spawn_stream(&routes, &connection, request, respond);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if is_shut_down || !connection.router.is_closing() => {
                    return Poll::Pending;
                }
                // Only now: streams that have arrived are answered as well.
                Poll::Pending => {
                    is_shut_down = true;
                    http2.graceful_shutdown();
                }
            }
        }
    })
    .await
}

fn spawn_stream<D: DynoHandle>(
    routes: &Routes<D>,
    connection: &Arc<ConnectionState>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let stream = Arc::new(StreamState::default());
    let (head, recv) = request.into_parts();
    let body = ClientBody::Http2(Http2Body::new(recv, &head.headers, &stream));
    let request = Request::from_parts(head, body);
    let response = serve_request(routes, connection, Some(stream.clone()), request);
    tokio::spawn(run_until_stalled(
        send_response(response, respond, stream.clone()),
        stream,
    ));
}
