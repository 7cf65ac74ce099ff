//! HTTP/2 connections (RFC 9113), and a task for each of their streams.
//!
//! Owns the set-up of the protocol, interim responses, and the sending of a body as the client's windows open. Must not
//! know what a request is answered with, nor what breaks a stream's rules beyond what the protocol's library finds.

use crate::limits::{
    H2_CONNECTION_WINDOW, H2_ERROR_RESETS_MAX, H2_PENDING_RESETS_MAX, H2_STREAM_WINDOW,
    H2_STREAMS_MAX, HEADER_BLOCK_MAX, PIECE_MAX,
};
use crate::request::client_body::{ClientBody, Http2Body};
use crate::request::routing_table::Routes;
use crate::request::serve::serve;
use crate::response::http_date;
use crate::response::response_body::Outgoing;
use crate::shared::connection_state::Conn;
use crate::shared::stream_state::{StreamState, run_until_stalled};
use bytes::Bytes;
use exchange::DynoHandle;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, header};
use http_body::Body;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves a connection to its end; when the router closes, the streams under way are the last.
pub(crate) async fn serve_connection<D, S>(
    routes: Arc<Routes<D>>,
    conn: Arc<Conn>,
    wire: S,
) -> Result<(), h2::Error>
where
    D: DynoHandle,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = Builder::new()
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEADER_BLOCK_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(Some(H2_ERROR_RESETS_MAX))
        .initial_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buffer_size(2 * PIECE_MAX)
        .handshake::<_, Bytes>(wire)
        .await?;
    let mut closing = false;
    poll_fn(|cx| {
        conn.register(cx);
        loop {
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    spawn_stream(routes.clone(), &conn, request, respond);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if closing || !conn.hub.is_closing() => return Poll::Pending,
                // After a look at what has arrived: that is answered as well.
                Poll::Pending => {
                    closing = true;
                    connection.graceful_shutdown();
                }
            }
        }
    })
    .await
}

fn spawn_stream<D: DynoHandle>(
    routes: Arc<Routes<D>>,
    conn: &Arc<Conn>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let stream = Arc::new(StreamState::default());
    let (head, recv) = request.into_parts();
    let body = ClientBody::Http2(Http2Body::new(recv, &head.headers, &stream));
    let request = Request::from_parts(head, body);
    let response = serve(&routes, conn, Some(stream.clone()), request);
    tokio::spawn(run_until_stalled(
        run_stream(response, respond, stream.clone()),
        stream,
    ));
}

/// Waits for the response of a stream, and sends it. To drop this before its end resets the stream.
async fn run_stream(
    response: impl Future<Output = Result<Response<Outgoing>, Infallible>>,
    mut respond: SendResponse<Bytes>,
    stream: Arc<StreamState>,
) {
    let Some(response) = await_response(response, &mut respond, &stream).await else {
        return;
    };
    let (mut head, body) = response.into_parts();
    let ends = body.is_end_stream();
    finish_headers(&mut head.headers, &body, ends);
    match respond.send_response(Response::from_parts(head, ()), ends) {
        Ok(send) if !ends => send_body(body, send).await,
        Ok(_) => {}
        Err(_) => respond.send_reset(Reason::INTERNAL_ERROR),
    }
}

/// The response, with the interim responses sent before it; none if the client resets the stream first.
async fn await_response(
    response: impl Future<Output = Result<Response<Outgoing>, Infallible>>,
    respond: &mut SendResponse<Bytes>,
    stream: &StreamState,
) -> Option<Response<Outgoing>> {
    let mut response = pin!(response);
    poll_fn(|cx| {
        let polled = response.as_mut().poll(cx);
        for interim in stream.take_interim() {
            // If it cannot be sent, neither can the response, which says so.
            let _ = respond.send_informational(interim);
        }
        match polled {
            Poll::Ready(Ok(response)) => Poll::Ready(Some(response)),
            Poll::Pending => match respond.poll_reset(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(_) => Poll::Ready(None),
            },
        }
    })
    .await
}

/// What the HTTP/1 layer adds by itself.
fn finish_headers(headers: &mut HeaderMap, body: &Outgoing, ends: bool) {
    headers.remove(header::CONNECTION);
    headers.entry(header::DATE).or_insert_with(http_date::now);
    if let Some(length) = body.size_hint().exact().filter(|_| !ends) {
        headers
            .entry(header::CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
}

/// Sends a body piece by piece, each when the client's window lets some of it pass.
async fn send_body(mut body: Outgoing, mut send: SendStream<Bytes>) {
    let mut held: Option<(Bytes, bool)> = None;
    poll_fn(|cx| {
        loop {
            if send.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
            if let Some((data, ends)) = &mut held {
                while !data.is_empty() && send.capacity() == 0 {
                    if !matches!(ready!(send.poll_capacity(cx)), Some(Ok(_))) {
                        return Poll::Ready(());
                    }
                }
                let ends = *ends;
                let sent = send.send_data(std::mem::take(data), ends);
                held = None;
                if ends || sent.is_err() {
                    return Poll::Ready(());
                }
            }
            // Before any of the connection's window is claimed: others may use it meanwhile.
            match ready!(Pin::new(&mut body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        send.reserve_capacity(usize::from(!data.is_empty()));
                        held = Some((data, body.is_end_stream()));
                    }
                    Err(frame) => {
                        send.reserve_capacity(0);
                        let trailers = frame.into_trailers().unwrap_or_default();
                        // A stream that has ended meanwhile takes none.
                        let _ = send.send_trailers(trailers);
                        return Poll::Ready(());
                    }
                },
                Some(Err(_)) => {
                    send.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(());
                }
                None => {
                    let _ = send.send_data(Bytes::new(), true);
                    return Poll::Ready(());
                }
            }
        }
    })
    .await;
}
