//! The two connections of an attached one-off dyno: what it prints goes out of one, what it reads comes in by the
//! other.
//!
//! Owns who may take them, once each, and what their loss means: the dyno is ended. Must not know who runs it.
//!
//! Nothing is held beyond a buffer each way: a program whose client does not read waits, and so does a client whose
//! program does not.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::Path2;
use crate::state::State;
use axum::body::Body;
use axum::extract::State as With;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use control::access::{Role, TokenId};
use control::once::{OneOffPipes, frame};
use futures_util::{FutureExt, StreamExt, stream};
use grid::name::{AppName, DynoId};
use grid::protocol::ProcessExit;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What waits in a pipe, in bytes.
const PIPE_BYTES: usize = 64 * 1024;
/// How long a one-off dyno waits for its client to come for its output; then it is ended.
const ATTACH_MAX: Duration = Duration::from_secs(30);
/// After so long without output a frame without content goes out, so that a lost connection is found to be so.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// The ends of attached dynos that their clients have not taken yet. A clone shares them.
#[derive(Clone, Default)]
pub(crate) struct Attached(Arc<Mutex<BTreeMap<Place, Ends>>>);

type Place = (AppName, DynoId);

/// A client's side of an attached dyno.
struct Ends {
    /// Who started it, and may have it.
    token: TokenId,
    since: Instant,
    stdin: Option<Input>,
    output: Option<Output>,
}

/// The way in to the program's stdin.
struct Input {
    pipe: DuplexStream,
    complete: Arc<AtomicBool>,
    lost: CancellationToken,
}

/// What comes of the program.
struct Output {
    stdout: DuplexStream,
    stderr: DuplexStream,
    ended: oneshot::Receiver<ProcessExit>,
    taken: oneshot::Sender<()>,
    lost: CancellationToken,
}

/// A client's side that is not known by its dyno's name yet.
pub(crate) struct Loose {
    ends: Ends,
    attached: Attached,
}

/// Pipes for a program, and the other side of them.
pub(crate) fn pipes(state: &State, caller: &Caller) -> (OneOffPipes, Loose) {
    let (stdin, program_stdin) = duplex(PIPE_BYTES);
    let (stdout, program_stdout) = duplex(PIPE_BYTES);
    let (stderr, program_stderr) = duplex(PIPE_BYTES);
    let (end, ended) = oneshot::channel();
    let (taken, is_taken) = oneshot::channel();
    let (lost, complete) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
    let is_lost = lost.clone();
    let gone = async move {
        // Nobody came, or whoever did has left.
        if let Ok(Ok(())) = timeout(ATTACH_MAX, is_taken).await {
            is_lost.cancelled().await;
        }
    };
    let pipes = OneOffPipes {
        stdin: Box::new(Whole {
            pipe: program_stdin,
            complete: Arc::clone(&complete),
        }),
        stdout: Box::new(program_stdout),
        stderr: Box::new(program_stderr),
        gone: gone.boxed(),
        ended: end,
    };
    let input = Input {
        pipe: stdin,
        complete,
        lost: lost.clone(),
    };
    let output = Output {
        stdout,
        stderr,
        ended,
        taken,
        lost,
    };
    let ends = Ends {
        token: caller.token.id.clone(),
        since: Instant::now(),
        stdin: Some(input),
        output: Some(output),
    };
    let attached = state.0.attached.clone();
    (pipes, Loose { ends, attached })
}

impl Loose {
    /// Has the ends wait for their client. Those of an earlier dyno of this name are of no use any more.
    pub(crate) fn wait_as(self, app: AppName, dyno: DynoId) {
        let mut all = self.attached.lock();
        // Nobody comes for those any more.
        all.retain(|_, ends| ends.since.elapsed() < ATTACH_MAX);
        all.insert((app, dyno), self.ends);
    }
}

impl Attached {
    /// Each change is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Ends>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one of the ends, if it is there and the caller's.
    fn take<T>(
        &self,
        caller: &Caller,
        place: &Place,
        end: impl FnOnce(&mut Ends) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut all = self.lock();
        let own = all.get_mut(place);
        let own = own.filter(|ends| ends.token == caller.token.id);
        let taken = own.and_then(end);
        let rest = all
            .get(place)
            .is_some_and(|ends| ends.stdin.is_some() || ends.output.is_some());
        if !rest {
            all.remove(place);
        }
        taken.ok_or_else(|| {
            let message = format!(
                "{} waits for nobody: only who started it attached may have its output and give it input, \
                 once each",
                place.1
            );
            Failure::missing("not_attached", message)
        })
    }
}

/// What a program reads: an end that was not said to be one is none, so that nobody takes half for the whole. The
/// program is ended instead.
struct Whole {
    pipe: DuplexStream,
    complete: Arc<AtomicBool>,
}

impl AsyncRead for Whole {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(cx, buffer))?;
        let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
        if is_end && !self.complete.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

/// The output of an attached one-off dyno
///
/// As frames, until it has ended: a byte for what it is (0 nothing, 1 stdout, 2 stderr, 3 the exit code, 4 why it
/// failed), four bytes for its length, the most significant first, and as many bytes. Leaving ends the dyno.
#[utoipa::path(
    get, path = "/v1/apps/{app}/dynos/{dyno}/output", operation_id = "read_output", tag = "dynos",
    responses((status = 200, description = "Frames", body = String, content_type = "application/vnd.dyno.frames")),
)]
pub(crate) async fn output(
    With(state): With<State>,
    caller: Caller,
    Path2(app, dyno): Path2<AppName, DynoId>,
) -> Result<Response, Failure> {
    caller.may_change(&app, Role::Deploy)?;
    let attached = &state.0.attached;
    let output = attached.take(&caller, &(app, dyno), |ends| ends.output.take())?;
    // Whoever runs it waits for this; if it has ended already, that is told too.
    let _ = output.taken.send(());
    let frames = Frames {
        stdout: Some(output.stdout),
        stderr: Some(output.stderr),
        ended: Some(output.ended),
        buffers: [BytesMut::new(), BytesMut::new()],
        closing: state.0.closing.clone(),
        _lost: output.lost.drop_guard(),
    };
    let frames = stream::unfold(frames, |mut frames| async move {
        let frame = frames.next().await?;
        Some((Ok::<_, Infallible>(frame), frames))
    });
    let headers = [(header::CONTENT_TYPE, frame::MEDIA_TYPE)];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// A program's output as it leaves. Dropped, whoever runs the program knows that nobody wants it any more.
struct Frames {
    stdout: Option<DuplexStream>,
    stderr: Option<DuplexStream>,
    /// None once the last frame has left.
    ended: Option<oneshot::Receiver<ProcessExit>>,
    buffers: [BytesMut; 2],
    closing: CancellationToken,
    _lost: DropGuard,
}

impl Frames {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let ended = self.ended.as_mut()?;
            let [out, err] = &mut self.buffers;
            let open = self.stdout.is_some() || self.stderr.is_some();
            let (bytes, is_stderr) = tokio::select! {
                bytes = piece(&mut self.stdout, out) => (bytes, false),
                bytes = piece(&mut self.stderr, err) => (bytes, true),
                exit = ended, if !open => {
                    self.ended = None;
                    let lost = |_| ProcessExit::Failed("the server has lost it".into());
                    return Some(frame::encode_exit(&exit.unwrap_or_else(lost)).into());
                }
                () = sleep_until(Instant::now() + ALIVE_EVERY) => return Some(frame::encode_alive().into()),
                () = self.closing.cancelled() => return None,
            };
            match (bytes, is_stderr) {
                (Some(bytes), _) => return Some(framed(is_stderr, &bytes)),
                (None, false) => self.stdout = None,
                (None, true) => self.stderr = None,
            }
        }
    }
}

/// What comes next of a pipe; none at its end, and never if there is no pipe. Nothing is lost if it is dropped.
async fn piece(pipe: &mut Option<DuplexStream>, buffer: &mut BytesMut) -> Option<Bytes> {
    let Some(pipe) = pipe else {
        return std::future::pending().await;
    };
    buffer.reserve(frame::BYTES_MAX);
    let mut limited = buffer.limit(frame::BYTES_MAX);
    // A pipe within this process does not fail.
    let read = pipe.read_buf(&mut limited).await.unwrap_or(0);
    let bytes = buffer.split_to(read);
    (read > 0).then(|| bytes.freeze())
}

/// Output as a frame.
fn framed(is_stderr: bool, bytes: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(frame::HEAD_BYTES + bytes.len());
    frame.extend_from_slice(&frame::encode_head(is_stderr, bytes.len()));
    frame.extend_from_slice(bytes);
    frame.freeze()
}

/// The input of an attached one-off dyno
///
/// The body is what it reads, to its end. A body that breaks off ends the dyno: nobody takes half for the whole.
#[utoipa::path(
    put, path = "/v1/apps/{app}/dynos/{dyno}/input", operation_id = "write_input", tag = "dynos",
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204, description = "It was read, or the program ended without reading it all")),
)]
pub(crate) async fn input(
    With(state): With<State>,
    caller: Caller,
    Path2(app, dyno): Path2<AppName, DynoId>,
    body: Body,
) -> Result<StatusCode, Failure> {
    caller.may_change(&app, Role::Deploy)?;
    let attached = &state.0.attached;
    let input = attached.take(&caller, &(app, dyno), |ends| ends.stdin.take())?;
    // So that it is also ended if this very future is dropped, as it is with its connection.
    let lost = input.lost.drop_guard();
    let mut pipe = input.pipe;
    let mut pieces = body.into_data_stream();
    let mut is_read = true;
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            return Err(Failure::bad_request("bad_body", "the body broke off"));
        };
        // A program that has ended, or wants no more, reads nothing of the rest. It is taken nevertheless: whoever
        // sends it could not tell an answer that comes too early from a lost connection.
        is_read = is_read && pipe.write_all(&piece).await.is_ok();
    }
    input.complete.store(true, Ordering::Release);
    drop(lost.disarm());
    let _ = pipe.shutdown().await;
    Ok(StatusCode::NO_CONTENT)
}
