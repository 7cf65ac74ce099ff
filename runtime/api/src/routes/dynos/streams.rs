//! The two requests of the client of an attached one-off dyno: one reads the output, the other sends the input.
//!
//! Owns how output becomes frames. Must not know who runs the program.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::PathNames;
use crate::state::ApiState;
use crate::state::one_off_streams::OneOffKey;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use control::access::Role;
use control::once::frame;
use futures_util::{StreamExt, stream};
use grid::name::{AppName, DynoId};
use grid::protocol::ProcessExit;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

/// After this time without output an empty frame is sent, so that both sides notice a lost connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

fn not_attached((_, dyno): &OneOffKey) -> ApiFailure {
    let message = format!(
        "{dyno} has no input or output to take: only the token that started {dyno} attached may take them, once each"
    );
    ApiFailure::not_found_with_id("not_attached", message)
}

/// Read the output of an attached one-off dyno
///
/// The body is a sequence of frames, until the program has ended. A frame is one byte for its kind (0 empty, 1 stdout,
/// 2 stderr, 3 the exit code, 4 the reason of a failure), four bytes for its length, the most significant first, and as
/// many bytes of content. If the client leaves, the dyno is ended.
#[utoipa::path(
    get, path = "/v1/apps/{app}/dynos/{dyno}/output", operation_id = "read_output", tag = "dynos",
    responses((status = 200, description = "Frames", body = String, content_type = "application/vnd.dyno.frames")),
)]
pub(crate) async fn read_output(
    State(state): State<ApiState>,
    caller: Caller,
    PathNames(app, dyno): PathNames<AppName, DynoId>,
) -> Result<Response, ApiFailure> {
    caller.require_app_role(&app, Role::Deploy)?;
    let key = (app, dyno);
    let output = state
        .shared
        .one_off_streams
        .take_output(&caller.token.id, &key)
        .ok_or_else(|| not_attached(&key))?;
    // Fails if the program has ended already; the frames then say so.
    let _ = output.taken.send(());
    let frames = OutputFrames {
        stdout: Some(output.stdout),
        stderr: Some(output.stderr),
        exit: Some(output.exit),
        buffers: [BytesMut::new(), BytesMut::new()],
        closing: state.shared.closing.clone(),
        _lost: output.lost.drop_guard(),
    };
    let frames = stream::unfold(frames, |mut frames| async move {
        let frame = frames.next_frame().await?;
        Some((Ok::<_, Infallible>(frame), frames))
    });
    let headers = [(header::CONTENT_TYPE, frame::MEDIA_TYPE)];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// A program's output on its way to the client. When dropped, the program is ended.
struct OutputFrames {
    stdout: Option<DuplexStream>,
    stderr: Option<DuplexStream>,
    /// None once the last frame was made.
    exit: Option<oneshot::Receiver<ProcessExit>>,
    /// For stdout and stderr.
    buffers: [BytesMut; 2],
    closing: CancellationToken,
    _lost: DropGuard,
}

impl OutputFrames {
    /// The next frame; none after the last one, or when the server ends.
    async fn next_frame(&mut self) -> Option<Bytes> {
        loop {
            let exit = self.exit.as_mut()?;
            let [out_buffer, err_buffer] = &mut self.buffers;
            let is_open = self.stdout.is_some() || self.stderr.is_some();
            let (bytes, is_stderr) = tokio::select! {
                bytes = read_pipe(&mut self.stdout, out_buffer) => (bytes, false),
                bytes = read_pipe(&mut self.stderr, err_buffer) => (bytes, true),
                exit = exit, if !is_open => {
                    self.exit = None;
                    let lost = |_| ProcessExit::Failed("the server has lost it".into());
                    return Some(frame::encode_exit(&exit.unwrap_or_else(lost)).into());
                }
                () = sleep_until(Instant::now() + KEEP_ALIVE_INTERVAL) => return Some(frame::encode_alive().into()),
                () = self.closing.cancelled() => return None,
            };
            match (bytes, is_stderr) {
                (Some(bytes), _) => return Some(output_frame(is_stderr, &bytes)),
                (None, false) => self.stdout = None,
                (None, true) => self.stderr = None,
            }
        }
    }
}

/// The next bytes of a pipe; none at its end. Without a pipe, waits for ever. Nothing is lost if the future is dropped.
async fn read_pipe(pipe: &mut Option<DuplexStream>, buffer: &mut BytesMut) -> Option<Bytes> {
    let Some(pipe) = pipe else {
        return std::future::pending().await;
    };
    buffer.reserve(frame::BYTES_MAX);
    let mut limited = buffer.limit(frame::BYTES_MAX);
    // A pipe within this process cannot fail.
    let read = pipe.read_buf(&mut limited).await.unwrap_or(0);
    let bytes = buffer.split_to(read);
    (read > 0).then(|| bytes.freeze())
}

fn output_frame(is_stderr: bool, bytes: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(frame::HEAD_BYTES + bytes.len());
    frame.extend_from_slice(&frame::encode_head(is_stderr, bytes.len()));
    frame.extend_from_slice(bytes);
    frame.freeze()
}

/// Write the input of an attached one-off dyno
///
/// The body is the program's whole input. If the body breaks off, the dyno is ended, so that it does not take half of
/// its input for the whole.
#[utoipa::path(
    put, path = "/v1/apps/{app}/dynos/{dyno}/input", operation_id = "write_input", tag = "dynos",
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204, description = "The program has read its input, or has ended before")),
)]
pub(crate) async fn write_input(
    State(state): State<ApiState>,
    caller: Caller,
    PathNames(app, dyno): PathNames<AppName, DynoId>,
    body: Body,
) -> Result<StatusCode, ApiFailure> {
    caller.require_app_role(&app, Role::Deploy)?;
    let key = (app, dyno);
    let input = state
        .shared
        .one_off_streams
        .take_input(&caller.token.id, &key)
        .ok_or_else(|| not_attached(&key))?;
    // Ends the program also when this future is dropped because its connection was lost.
    let lost = input.lost.drop_guard();
    let mut pipe = input.pipe;
    let mut pieces = body.into_data_stream();
    let mut is_read = true;
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            return Err(ApiFailure::bad_request("bad_body", "the body broke off"));
        };
        // A program that has ended, or has closed its stdin, does not read the rest. The rest is received all the same:
        // a client cannot tell an early response from a lost connection.
        is_read = is_read && pipe.write_all(&piece).await.is_ok();
    }
    input.is_complete.store(true, Ordering::Release);
    drop(lost.disarm());
    let _ = pipe.shutdown().await;
    Ok(StatusCode::NO_CONTENT)
}
