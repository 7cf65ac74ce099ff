//! The task of an HTTP/2 stream: sending its response.
//!
//! Owns interim responses, sending a body as the client's windows open, and the time limit for a client that takes
//! nothing. Must not know what a request is answered with.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, Response, header};
use http_body::Body;
use tokio::time::{Instant, Sleep};

use crate::limits::SILENCE_TIMEOUT;
use crate::response::http_date::current_date;
use crate::response::response_body::ResponseBody;
use crate::shared::stream_state::StreamState;

/// Waits for the response of a stream, and sends it. Dropping this future before its end resets the stream.
pub(crate) async fn send_response(
    response: impl Future<Output = Result<Response<ResponseBody>, Infallible>>,
    mut respond: SendResponse<Bytes>,
    stream: Arc<StreamState>,
) {
    let Some(response) = wait_for_response(response, &mut respond, &stream).await else {
        return;
    };
    let (mut head, body) = response.into_parts();
    let is_end = body.is_end_stream();
    complete_headers(&mut head.headers, &body, is_end);
    match respond.send_response(Response::from_parts(head, ()), is_end) {
        Ok(send) if !is_end => send_body(body, send).await,
        Ok(_) => {}
        Err(_) => respond.send_reset(Reason::INTERNAL_ERROR),
    }
}

/// Waits for the response, and sends the interim responses before it. `None` if the client resets the stream first.
async fn wait_for_response(
    response: impl Future<Output = Result<Response<ResponseBody>, Infallible>>,
    respond: &mut SendResponse<Bytes>,
    stream: &StreamState,
) -> Option<Response<ResponseBody>> {
    let mut response = pin!(response);
    poll_fn(|cx| {
        let polled = response.as_mut().poll(cx);
        for interim in stream.take_interim() {
            // If this fails, sending the response fails as well, and that error is handled.
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

/// Adds and removes the headers that the HTTP/1 layer handles by itself.
fn complete_headers(headers: &mut HeaderMap, body: &ResponseBody, is_end: bool) {
    headers.remove(header::CONNECTION);
    headers.entry(header::DATE).or_insert_with(current_date);
    if let Some(length) = body.size_hint().exact().filter(|_| !is_end) {
        headers
            .entry(header::CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
}

/// Sends a body piece by piece, each when the client's window lets some of it pass.
async fn send_body(mut body: ResponseBody, mut send: SendStream<Bytes>) {
    let mut waiting_piece: Option<(Bytes, bool)> = None;
    poll_fn(|cx| {
        loop {
            if send.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
            if let Some((data, is_end)) = &mut waiting_piece {
                while !data.is_empty() && send.capacity() == 0 {
                    if !matches!(ready!(send.poll_capacity(cx)), Some(Ok(_))) {
                        return Poll::Ready(());
                    }
                }
                let is_end = *is_end;
                let sent = send.send_data(std::mem::take(data), is_end);
                waiting_piece = None;
                if is_end || sent.is_err() {
                    return Poll::Ready(());
                }
            }
            // The next piece is read before any of the connection's window is reserved: other streams may use the
            // window meanwhile.
            match ready!(Pin::new(&mut body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        send.reserve_capacity(usize::from(!data.is_empty()));
                        waiting_piece = Some((data, body.is_end_stream()));
                    }
                    Err(frame) => {
                        send.reserve_capacity(0);
                        let trailers = frame.into_trailers().unwrap_or_default();
                        // This fails only if the stream has ended meanwhile.
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

/// Runs the task of a stream until the task ends, or its client takes nothing for too long. Dropping a stream that has
/// not finished resets it.
pub(crate) fn run_until_stalled(
    task: impl Future<Output = ()> + Send + 'static,
    stream: Arc<StreamState>,
) -> impl Future<Output = ()> + Send {
    // Boxed: a spawned future that pins its argument in place has room for it twice.
    let mut task = Box::pin(task);
    let mut timer = None;
    poll_fn(move |cx| {
        if stream.poll_stalled(cx).is_ready() || task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        poll_piece_timeout(&stream, &mut timer, cx)
    })
}

/// Ready when the HTTP layer has had one piece for too long.
fn poll_piece_timeout(
    stream: &StreamState,
    timer: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        let Some(since) = stream.piece_since() else {
            return Poll::Pending;
        };
        let deadline = since + SILENCE_TIMEOUT;
        if Instant::now() >= deadline {
            stream.mark_stalled();
            return Poll::Ready(());
        }
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.is_elapsed() || timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
    }
}
