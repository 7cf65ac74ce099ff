//! What a program reads and writes besides files: stdin from a pipe, stdout and stderr into a pipe or the log.
//!
//! Nothing is kept but one chunk each way: a guest that writes faster than its reader reads waits, and stdin is read
//! when the guest asks for it. Knows nothing of programs; how lines of the log are made is `logs`' business.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// What is read from stdin, or taken from stdout, at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where a program's stdin comes from, and where its output goes.
pub struct ProgramStdio {
    /// What it reads. `None`: nothing, its stdin is at its end from the start.
    pub stdin: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Where what it prints goes.
    pub stdout: ProgramOutput,
    /// Where what it prints as errors goes.
    pub stderr: ProgramOutput,
}

/// Where a program's output goes.
pub enum ProgramOutput {
    /// Into the app's log, line by line.
    Log,
    /// There, byte by byte; the program waits until it was taken.
    Pipe(Box<dyn AsyncWrite + Send + Unpin>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// stdin of a guest; all its handles read from the same place.
#[derive(Clone)]
pub(crate) struct InputPipe(Arc<Mutex<InputState>>);

struct InputState {
    from: Option<Box<dyn AsyncRead + Send + Unpin>>,
    chunk: BytesMut,
}

impl InputPipe {
    pub(crate) fn new(from: Option<Box<dyn AsyncRead + Send + Unpin>>) -> InputPipe {
        let chunk = BytesMut::new();
        InputPipe(Arc::new(Mutex::new(InputState { from, chunk })))
    }
}

impl InputPipe {
    /// Nothing more is read.
    pub(crate) fn close(&self) {
        let mut input = lock(&self.0);
        input.from = None;
        input.chunk.clear();
    }
}

impl InputState {
    /// Ready when there is something in the chunk, or nothing more will come.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(from) = &mut self.from else {
            return Poll::Ready(());
        };
        if !self.chunk.is_empty() {
            return Poll::Ready(());
        }
        self.chunk.resize(CHUNK_BYTES, 0);
        let mut buffer = ReadBuf::new(&mut self.chunk);
        let polled = Pin::new(from).poll_read(cx, &mut buffer);
        let filled = buffer.filled().len();
        self.chunk.truncate(filled);
        match ready!(polled) {
            Ok(()) if filled > 0 => {}
            // A reader that failed has no more to give: to the guest that is the end.
            Ok(()) | Err(_) => self.from = None,
        }
        Poll::Ready(())
    }
}

impl IsTerminal for InputPipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for InputPipe {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

impl AsyncRead for InputPipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut input = lock(&self.0);
        ready!(input.poll_fill(cx));
        let len = input.chunk.len().min(to.remaining());
        to.put_slice(&input.chunk[..len]);
        input.chunk.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl InputStream for InputPipe {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut input = lock(&self.0);
        if input.chunk.is_empty() && input.from.is_none() {
            return Err(StreamError::Closed);
        }
        let len = input.chunk.len().min(size);
        Ok(input.chunk.split_to(len).freeze())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for InputPipe {
    async fn ready(&mut self) {
        poll_fn(|cx| lock(&self.0).poll_fill(cx)).await;
    }
}

/// stdout or stderr of a guest into a pipe; all its handles write to the same place.
#[derive(Clone)]
pub(crate) struct OutputPipe(Arc<Mutex<OutputState>>);

struct OutputState {
    /// `None`: the other side was told that this is the end.
    to: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// What was taken from the guest and has not been written.
    chunk: Bytes,
    /// Written, and not known to have left.
    dirty: bool,
    phase: OutputPhase,
    /// A task carries the chunk out; who waits for it is woken by that.
    carried: bool,
    waiting: Vec<Waker>,
}

/// How far the guest's side of an outlet has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OutputPhase {
    Open,
    /// Closed by the guest: the chunk still goes out, and then the end.
    Ending,
    /// Nobody reads any more, or all of it has left.
    Gone,
}

impl OutputPipe {
    pub(crate) fn new(to: Box<dyn AsyncWrite + Send + Unpin>) -> OutputPipe {
        OutputPipe(Arc::new(Mutex::new(OutputState {
            to: Some(to),
            chunk: Bytes::new(),
            dirty: false,
            phase: OutputPhase::Open,
            carried: false,
            waiting: Vec::new(),
        })))
    }

    /// Carries out what did not go at once: a guest may have written its last, and turn to something else. One task does
    /// it, and also the end: the pipe has a place for the waker of one alone.
    fn carry(&self, outlet: &mut OutputState) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        outlet.carried = true;
        let pipe = self.clone();
        // Ends with the last byte, or with the reader.
        drop(runtime.spawn(async move {
            let waiting = poll_fn(|cx| lock(&pipe.0).poll_carry(cx)).await;
            waiting.into_iter().for_each(Waker::wake);
        }));
    }

    /// Ready when all that the guest wrote has left, and the other side was told that this is the end.
    pub(crate) async fn end(&self) {
        poll_fn(|cx| lock(&self.0).poll_empty(cx)).await;
        poll_fn(|cx| match &mut lock(&self.0).to {
            // A reader that has gone does not mind.
            Some(to) => Pin::new(to).poll_shutdown(cx).map(drop),
            None => Poll::Ready(()),
        })
        .await;
    }

    /// Nothing more is written; what was, still goes out.
    pub(crate) fn close(&self) {
        let mut outlet = lock(&self.0);
        if outlet.phase != OutputPhase::Open {
            return;
        }
        outlet.phase = OutputPhase::Ending;
        if !outlet.carried {
            self.carry(&mut outlet);
        }
        // The guest has nothing to wait for any more.
        let waiting = std::mem::take(&mut outlet.waiting);
        drop(outlet);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl OutputState {
    /// Ready when the guest may write, or never may again.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.phase {
            OutputPhase::Open => self.poll_empty(cx),
            OutputPhase::Ending | OutputPhase::Gone => Poll::Ready(()),
        }
    }

    /// Ready when nothing is left to write; of many who wait, each is woken.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.carried {
            return self.poll_drain(cx);
        }
        if !self.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Ready when nothing is left to write, or nobody to read it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(to) = &mut self.to else {
            return Poll::Ready(());
        };
        while self.phase != OutputPhase::Gone && !self.chunk.is_empty() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.chunk)) {
                Ok(0) | Err(_) => self.phase = OutputPhase::Gone,
                Ok(len) => {
                    self.chunk.advance(len);
                    self.dirty = true;
                }
            }
        }
        if self.phase != OutputPhase::Gone && self.dirty {
            if ready!(Pin::new(to).poll_flush(cx)).is_err() {
                self.phase = OutputPhase::Gone;
            }
            self.dirty = false;
        }
        Poll::Ready(())
    }

    /// The carrying task's work: ready when it is done, with those who waited for it.
    fn poll_carry(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Waker>> {
        ready!(self.poll_drain(cx));
        if self.phase == OutputPhase::Ending {
            if let Some(to) = &mut self.to {
                // Whoever should read it has gone if this fails.
                let _ = ready!(Pin::new(to).poll_shutdown(cx));
            }
            self.phase = OutputPhase::Gone;
            self.to = None;
        }
        self.carried = false;
        Poll::Ready(std::mem::take(&mut self.waiting))
    }
}

impl IsTerminal for OutputPipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for OutputPipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for OutputPipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut outlet = lock(&self.0);
        if outlet.phase != OutputPhase::Open {
            return Err(StreamError::Closed);
        }
        if !outlet.chunk.is_empty() || bytes.len() > CHUNK_BYTES {
            return Err(StreamError::trap("wrote more than check-write allowed"));
        }
        outlet.chunk = bytes;
        let mut cx = Context::from_waker(Waker::noop());
        if outlet.poll_drain(&mut cx).is_pending() {
            self.carry(&mut outlet);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let outlet = lock(&self.0);
        match outlet.phase {
            OutputPhase::Ending | OutputPhase::Gone => Err(StreamError::Closed),
            OutputPhase::Open if outlet.chunk.is_empty() && !outlet.dirty => Ok(CHUNK_BYTES),
            OutputPhase::Open => Ok(0),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for OutputPipe {
    async fn ready(&mut self) {
        poll_fn(|cx| lock(&self.0).poll_room(cx)).await;
    }
}

impl AsyncWrite for OutputPipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut outlet = lock(&self.0);
        ready!(outlet.poll_room(cx));
        if outlet.phase != OutputPhase::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = bytes.len().min(CHUNK_BYTES);
        outlet.chunk = Bytes::copy_from_slice(&bytes[..len]);
        let mut at_once = Context::from_waker(Waker::noop());
        if outlet.poll_drain(&mut at_once).is_pending() {
            self.carry(&mut outlet);
        }
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outlet = lock(&self.0);
        ready!(outlet.poll_room(cx));
        match outlet.phase {
            OutputPhase::Open => Poll::Ready(Ok(())),
            OutputPhase::Ending | OutputPhase::Gone => {
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, DuplexStream};
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;

    const TEXT: &[u8] = b"more than the pipe holds";
    const LIMIT: Duration = Duration::from_secs(10);

    /// A pipe of 4 bytes that is full, with a task that waits to carry out the rest.
    async fn full() -> (DuplexStream, OutputPipe) {
        let (near, far) = tokio::io::duplex(4);
        let mut pipe = OutputPipe::new(Box::new(far));
        let written = OutputStream::write(&mut pipe, Bytes::from_static(TEXT));
        assert!(written.is_ok());
        yield_now().await;
        assert_eq!(holders(&pipe), 2, "a task carries the rest");
        (near, pipe)
    }

    fn holders(pipe: &OutputPipe) -> usize {
        Arc::strong_count(&pipe.0)
    }

    async fn read(mut near: DuplexStream) -> Vec<u8> {
        let mut all = Vec::new();
        let end = timeout(LIMIT, near.read_to_end(&mut all)).await;
        assert!(matches!(end, Ok(Ok(_))), "the end was not told: {end:?}");
        all
    }

    #[tokio::test]
    async fn what_is_carried_arrives_after_a_close_and_then_the_end() {
        let (near, pipe) = full().await;
        let mut polled = pipe.clone();
        let waits = tokio::spawn(async move { polled.ready().await });
        yield_now().await;
        pipe.close();
        pipe.close();
        assert!(matches!(timeout(LIMIT, waits).await, Ok(Ok(()))), "woken");
        let may_write = pipe.clone().check_write();
        assert!(matches!(may_write, Err(StreamError::Closed)));
        assert_eq!(holders(&pipe), 2, "one task, not two");
        assert_eq!(read(near).await, TEXT);
        assert_eq!(holders(&pipe), 1, "the task has ended");
        assert!(timeout(LIMIT, pipe.clone().ready()).await.is_ok());
        assert!(timeout(LIMIT, pipe.end()).await.is_ok());
    }

    #[tokio::test]
    async fn a_reader_that_goes_ends_the_task_of_a_closed_pipe() {
        let (near, pipe) = full().await;
        pipe.close();
        drop(near);
        yield_now().await;
        assert_eq!(holders(&pipe), 1);
    }

    #[tokio::test]
    async fn an_idle_pipe_that_is_closed_ends_at_once() {
        let (near, far) = tokio::io::duplex(4);
        let pipe = OutputPipe::new(Box::new(far));
        pipe.close();
        assert_eq!(read(near).await, b"");
        assert_eq!(holders(&pipe), 1);
    }

    #[tokio::test]
    async fn what_is_carried_arrives_though_the_guest_is_gone() {
        let (near, pipe) = full().await;
        drop(pipe);
        assert_eq!(read(near).await, TEXT);
    }
}
