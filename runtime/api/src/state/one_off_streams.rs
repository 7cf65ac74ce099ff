//! The input and output of attached one-off dynos, between the program and the two requests of its client.
//!
//! Owns which client may take them, once each, and that the program is ended when the client is lost. Must not know who
//! runs the program, nor routes.
//!
//! Each direction buffers up to a fixed size: a program whose client does not read waits, and so does a client whose
//! program does not read.

use control::access::TokenId;
use control::once::OneOffPipes;
use futures_util::FutureExt;
use grid::name::{AppName, DynoId};
use grid::protocol::ProcessExit;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, DuplexStream, ReadBuf, duplex};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Buffer of each pipe, in bytes.
const PIPE_BYTES: usize = 64 * 1024;
/// How long a one-off dyno waits for its client to request the output; then it is ended.
const ATTACH_MAX: Duration = Duration::from_secs(30);

/// The client's ends of attached one-off dynos that their clients have not taken yet. A clone shares them.
#[derive(Clone, Default)]
pub(crate) struct OneOffStreams(Arc<Mutex<BTreeMap<OneOffKey, ClientStreams>>>);

pub(crate) type OneOffKey = (AppName, DynoId);

/// The client's ends of one attached dyno.
struct ClientStreams {
    /// The token that started the dyno; no other token may take the streams.
    token: TokenId,
    since: Instant,
    input: Option<ClientInput>,
    output: Option<ClientOutput>,
}

/// The way to the program's stdin.
pub(crate) struct ClientInput {
    pub(crate) pipe: DuplexStream,
    /// Set once the client has sent its whole input.
    pub(crate) is_complete: Arc<AtomicBool>,
    /// Cancelled when the client is lost: the program is ended then.
    pub(crate) lost: CancellationToken,
}

/// The program's output.
pub(crate) struct ClientOutput {
    pub(crate) stdout: DuplexStream,
    pub(crate) stderr: DuplexStream,
    pub(crate) exit: oneshot::Receiver<ProcessExit>,
    /// Notified when the client has come for the output.
    pub(crate) taken: oneshot::Sender<()>,
    /// Cancelled when the client is lost: the program is ended then.
    pub(crate) lost: CancellationToken,
}

/// The client's ends of a dyno that has no name yet.
pub(crate) struct UnnamedStreams(ClientStreams);

/// Makes the pipes of a program, and the client's ends of them for the holder of `token`.
pub(crate) fn open_pipes(token: TokenId) -> (OneOffPipes, UnnamedStreams) {
    let (stdin, program_stdin) = duplex(PIPE_BYTES);
    let (stdout, program_stdout) = duplex(PIPE_BYTES);
    let (stderr, program_stderr) = duplex(PIPE_BYTES);
    let (ended, exit) = oneshot::channel();
    let (taken, is_taken) = oneshot::channel();
    let (lost, is_complete) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
    let is_lost = lost.clone();
    let gone = async move {
        // Ready when no client came in time, or when the client that came is lost.
        if let Ok(Ok(())) = timeout(ATTACH_MAX, is_taken).await {
            is_lost.cancelled().await;
        }
    };
    let pipes = OneOffPipes {
        stdin: Box::new(ProgramStdin {
            pipe: program_stdin,
            is_complete: Arc::clone(&is_complete),
        }),
        stdout: Box::new(program_stdout),
        stderr: Box::new(program_stderr),
        gone: gone.boxed(),
        ended,
    };
    let input = ClientInput {
        pipe: stdin,
        is_complete,
        lost: lost.clone(),
    };
    let output = ClientOutput {
        stdout,
        stderr,
        exit,
        taken,
        lost,
    };
    let streams = ClientStreams {
        token,
        since: Instant::now(),
        input: Some(input),
        output: Some(output),
    };
    (pipes, UnnamedStreams(streams))
}

impl OneOffStreams {
    /// Keeps the streams until their client takes them. Replaces those of an earlier dyno of this name.
    pub(crate) fn insert(&self, app: AppName, dyno: DynoId, streams: UnnamedStreams) {
        let mut all = self.0.lock();
        // After this time the dyno has been ended, and its client cannot come any more.
        all.retain(|_, streams| streams.since.elapsed() < ATTACH_MAX);
        all.insert((app, dyno), streams.0);
    }

    /// Takes the way to a program's stdin; none if it was taken before, or belongs to another token.
    pub(crate) fn take_input(&self, token: &TokenId, key: &OneOffKey) -> Option<ClientInput> {
        self.take(token, key, |streams| streams.input.take())
    }

    /// Takes a program's output; none if it was taken before, or belongs to another token.
    pub(crate) fn take_output(&self, token: &TokenId, key: &OneOffKey) -> Option<ClientOutput> {
        self.take(token, key, |streams| streams.output.take())
    }

    fn take<T>(
        &self,
        token: &TokenId,
        key: &OneOffKey,
        take: impl FnOnce(&mut ClientStreams) -> Option<T>,
    ) -> Option<T> {
        let mut all = self.0.lock();
        let own = all.get_mut(key);
        let own = own.filter(|streams| streams.token == *token);
        let taken = own.and_then(take);
        let has_rest = all
            .get(key)
            .is_some_and(|streams| streams.input.is_some() || streams.output.is_some());
        if !has_rest {
            all.remove(key);
        }
        taken
    }
}

/// The program's stdin. It ends only if the client sent its whole input. If the client is lost before, reading waits until
/// the program is ended, so that no program takes half of its input for the whole.
struct ProgramStdin {
    pipe: DuplexStream,
    is_complete: Arc<AtomicBool>,
}

impl AsyncRead for ProgramStdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(cx, buffer))?;
        let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
        if is_end && !self.is_complete.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}
