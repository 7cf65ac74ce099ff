//! Stdin, stdout and stderr of a program as byte pipes.
//!
//! Only one chunk is buffered in each direction: a guest that writes faster than its reader reads has to wait, and
//! stdin is read only when the guest asks for it. Must not know programs, nor how log lines are made.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// The most bytes that are read from stdin, or taken for stdout, at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The source of a program's stdin, and the targets of its output.
pub struct ProgramStdio {
    /// The source of stdin. `None`: stdin is at its end from the start.
    pub stdin: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// The target of stdout.
    pub stdout: ProgramOutput,
    /// The target of stderr.
    pub stderr: ProgramOutput,
}

/// The target of a program's output.
pub enum ProgramOutput {
    /// The app's log, line by line.
    Log,
    /// This writer, byte by byte. The program waits until the writer has taken the bytes.
    Pipe(Box<dyn AsyncWrite + Send + Unpin>),
}

/// Stdin of a guest. All handles of the guest read from the same source.
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
    /// Stops reading: stdin is at its end.
    pub(crate) fn close(&self) {
        let mut input = self.0.lock();
        input.from = None;
        input.chunk.clear();
    }

    /// Ready when there is data to read, or the source is at its end.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.lock().poll_fill(cx)
    }
}

impl InputState {
    /// Ready when the chunk has data, or the source is at its end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(from) = &mut self.from else {
            return Poll::Ready(());
        };
        if !self.chunk.is_empty() {
            return Poll::Ready(());
        }
        self.chunk.reserve(CHUNK_BYTES);
        let mut room = (&mut self.chunk).limit(CHUNK_BYTES);
        let read = pin!(from.read_buf(&mut room)).poll(cx);
        match ready!(read) {
            Ok(1..) => {}
            // To the guest, a source that failed is at its end.
            Ok(0) | Err(_) => self.from = None,
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
        let mut input = self.0.lock();
        ready!(input.poll_fill(cx));
        let len = input.chunk.len().min(to.remaining());
        to.put_slice(&input.chunk[..len]);
        input.chunk.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl InputStream for InputPipe {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut input = self.0.lock();
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
        poll_fn(|cx| self.poll_readable(cx)).await;
    }
}

/// Stdout or stderr of a guest, written to a pipe. All handles of the guest write to the same target.
#[derive(Clone)]
pub(crate) struct OutputPipe(Arc<Mutex<OutputState>>);

struct OutputState {
    /// `None`: the target was closed.
    to: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Bytes taken from the guest and not written yet.
    chunk: Bytes,
    /// Bytes were written and may not have been flushed.
    needs_flush: bool,
    phase: OutputPhase,
    /// A task writes the chunk out, and wakes everybody who waits for that.
    has_writer_task: bool,
    waiting: Vec<Waker>,
}

/// The state of the guest's side of an output pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OutputPhase {
    Open,
    /// The guest has closed the pipe: the chunk is still written, then the target is closed.
    Ending,
    /// The reader has gone, or everything was written.
    Gone,
}

impl OutputPipe {
    pub(crate) fn new(to: Box<dyn AsyncWrite + Send + Unpin>) -> OutputPipe {
        OutputPipe(Arc::new(Mutex::new(OutputState {
            to: Some(to),
            chunk: Bytes::new(),
            needs_flush: false,
            phase: OutputPhase::Open,
            has_writer_task: false,
            waiting: Vec::new(),
        })))
    }

    /// Starts a task that writes out the bytes that could not be written at once: the guest may never write again, so
    /// nobody else would. The same task also closes the target, since a pipe stores the waker of one task only.
    fn spawn_writer_task(&self, outlet: &mut OutputState) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        outlet.has_writer_task = true;
        let pipe = self.clone();
        // The task ends with the last byte, or when the reader goes.
        drop(runtime.spawn(async move {
            let waiting = poll_fn(|cx| pipe.0.lock().poll_writer_task(cx)).await;
            waiting.into_iter().for_each(Waker::wake);
        }));
    }

    /// Ready when the guest may write, or when the pipe is closed.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.lock().poll_room(cx)
    }

    /// Waits until everything that the guest wrote has been taken, and closes the target.
    pub(crate) async fn finish(&self) {
        poll_fn(|cx| self.0.lock().poll_empty(cx)).await;
        poll_fn(|cx| match &mut self.0.lock().to {
            // If the reader has gone, there is nothing to close.
            Some(to) => Pin::new(to).poll_shutdown(cx).map(drop),
            None => Poll::Ready(()),
        })
        .await;
    }

    /// Closes the pipe for the guest. Bytes written before are still delivered.
    pub(crate) fn close(&self) {
        let mut outlet = self.0.lock();
        if outlet.phase != OutputPhase::Open {
            return;
        }
        outlet.phase = OutputPhase::Ending;
        if !outlet.has_writer_task {
            self.spawn_writer_task(&mut outlet);
        }
        // Wakes the tasks of the guest that wait for room.
        let waiting = std::mem::take(&mut outlet.waiting);
        drop(outlet);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl OutputState {
    /// Ready when the guest may write, or when the pipe is closed.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.phase {
            OutputPhase::Open => self.poll_empty(cx),
            OutputPhase::Ending | OutputPhase::Gone => Poll::Ready(()),
        }
    }

    /// Ready when nothing is left to write. Wakes every task that waits.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_writer_task {
            return self.poll_drain(cx);
        }
        if !self.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Ready when nothing is left to write, or the reader has gone.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(to) = &mut self.to else {
            return Poll::Ready(());
        };
        while self.phase != OutputPhase::Gone && !self.chunk.is_empty() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.chunk)) {
                Ok(0) | Err(_) => self.phase = OutputPhase::Gone,
                Ok(len) => {
                    self.chunk.advance(len);
                    self.needs_flush = true;
                }
            }
        }
        if self.phase != OutputPhase::Gone && self.needs_flush {
            if ready!(Pin::new(to).poll_flush(cx)).is_err() {
                self.phase = OutputPhase::Gone;
            }
            self.needs_flush = false;
        }
        Poll::Ready(())
    }

    /// The work of the writing task: ready when it is done, with the wakers of the tasks that wait.
    fn poll_writer_task(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Waker>> {
        ready!(self.poll_drain(cx));
        if self.phase == OutputPhase::Ending {
            if let Some(to) = &mut self.to {
                // If closing fails, the reader has gone.
                let _ = ready!(Pin::new(to).poll_shutdown(cx));
            }
            self.phase = OutputPhase::Gone;
            self.to = None;
        }
        self.has_writer_task = false;
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
        let mut outlet = self.0.lock();
        if outlet.phase != OutputPhase::Open {
            return Err(StreamError::Closed);
        }
        if !outlet.chunk.is_empty() || bytes.len() > CHUNK_BYTES {
            return Err(StreamError::trap("wrote more than check-write allowed"));
        }
        outlet.chunk = bytes;
        let mut cx = Context::from_waker(Waker::noop());
        if outlet.poll_drain(&mut cx).is_pending() {
            self.spawn_writer_task(&mut outlet);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let outlet = self.0.lock();
        match outlet.phase {
            OutputPhase::Ending | OutputPhase::Gone => Err(StreamError::Closed),
            OutputPhase::Open if outlet.chunk.is_empty() && !outlet.needs_flush => Ok(CHUNK_BYTES),
            OutputPhase::Open => Ok(0),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for OutputPipe {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll_writable(cx)).await;
    }
}

impl AsyncWrite for OutputPipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut outlet = self.0.lock();
        ready!(outlet.poll_room(cx));
        if outlet.phase != OutputPhase::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = bytes.len().min(CHUNK_BYTES);
        outlet.chunk = Bytes::copy_from_slice(&bytes[..len]);
        let mut at_once = Context::from_waker(Waker::noop());
        if outlet.poll_drain(&mut at_once).is_pending() {
            self.spawn_writer_task(&mut outlet);
        }
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outlet = self.0.lock();
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

    /// A pipe of 4 bytes that is full, with a task that waits to write the rest.
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
    async fn buffered_output_is_delivered_after_close_before_the_end() {
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
        assert!(timeout(LIMIT, pipe.finish()).await.is_ok());
    }

    #[tokio::test]
    async fn dropping_the_reader_ends_the_task_of_a_closed_pipe() {
        let (near, pipe) = full().await;
        pipe.close();
        drop(near);
        yield_now().await;
        assert_eq!(holders(&pipe), 1);
    }

    #[tokio::test]
    async fn closing_an_idle_pipe_ends_it_at_once() {
        let (near, far) = tokio::io::duplex(4);
        let pipe = OutputPipe::new(Box::new(far));
        pipe.close();
        assert_eq!(read(near).await, b"");
        assert_eq!(holders(&pipe), 1);
    }

    #[tokio::test]
    async fn buffered_output_is_delivered_after_the_guest_has_ended() {
        let (near, pipe) = full().await;
        drop(pipe);
        assert_eq!(read(near).await, TEXT);
    }
}
