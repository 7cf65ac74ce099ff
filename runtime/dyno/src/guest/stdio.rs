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
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// What is read from stdin, or taken from stdout, at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where a program's stdin comes from, and where its output goes.
pub struct Stdio {
    /// What it reads. `None`: nothing, its stdin is at its end from the start.
    pub stdin: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Where what it prints goes.
    pub stdout: Output,
    /// Where what it prints as errors goes.
    pub stderr: Output,
}

/// Where a program's output goes.
pub enum Output {
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
pub(crate) struct PipeIn(Arc<Mutex<Input>>);

struct Input {
    from: Option<Box<dyn AsyncRead + Send + Unpin>>,
    chunk: BytesMut,
}

impl PipeIn {
    pub(crate) fn new(from: Option<Box<dyn AsyncRead + Send + Unpin>>) -> PipeIn {
        let chunk = BytesMut::new();
        PipeIn(Arc::new(Mutex::new(Input { from, chunk })))
    }
}

impl PipeIn {
    /// Nothing more is read.
    pub(crate) fn close(&self) {
        let mut input = lock(&self.0);
        input.from = None;
        input.chunk.clear();
    }
}

impl Input {
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

impl IsTerminal for PipeIn {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for PipeIn {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

impl AsyncRead for PipeIn {
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

impl InputStream for PipeIn {
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
impl Pollable for PipeIn {
    async fn ready(&mut self) {
        poll_fn(|cx| lock(&self.0).poll_fill(cx)).await;
    }
}

/// stdout or stderr of a guest into a pipe; all its handles write to the same place.
#[derive(Clone)]
pub(crate) struct PipeOut(Arc<Mutex<Outlet>>);

struct Outlet {
    /// `None`: closed, and what was written is on its way.
    to: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// What was taken from the guest and has not been written.
    chunk: Bytes,
    /// Written, and not known to have left.
    dirty: bool,
    /// Nobody reads any more.
    closed: bool,
    /// A task carries the chunk out; who waits for it is woken by that.
    carried: bool,
    waiting: Vec<Waker>,
}

impl PipeOut {
    pub(crate) fn new(to: Box<dyn AsyncWrite + Send + Unpin>) -> PipeOut {
        PipeOut(Arc::new(Mutex::new(Outlet {
            to: Some(to),
            chunk: Bytes::new(),
            dirty: false,
            closed: false,
            carried: false,
            waiting: Vec::new(),
        })))
    }

    /// Carries out what did not go at once: a guest may have written its last, and turn to something else.
    fn carry(&self, outlet: &mut Outlet) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        outlet.carried = true;
        let pipe = self.clone();
        // Ends with the last byte, or with the reader.
        drop(runtime.spawn(async move {
            poll_fn(|cx| lock(&pipe.0).poll_drain(cx)).await;
            let mut outlet = lock(&pipe.0);
            outlet.carried = false;
            let waiting = std::mem::take(&mut outlet.waiting);
            drop(outlet);
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
        lock(&self.0).close();
    }
}

impl Outlet {
    fn close(&mut self) {
        self.closed = true;
        let chunk = std::mem::take(&mut self.chunk);
        let Some(mut to) = self.to.take() else {
            return;
        };
        let rest = async move {
            // Whoever should read it has gone if this fails.
            if to.write_all(&chunk).await.is_ok() {
                let _ = to.shutdown().await;
            }
        };
        // Ends with the last byte, or with the reader.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(rest));
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
        while !self.closed && !self.chunk.is_empty() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.chunk)) {
                Ok(0) | Err(_) => self.closed = true,
                Ok(len) => {
                    self.chunk.advance(len);
                    self.dirty = true;
                }
            }
        }
        if !self.closed && self.dirty {
            let flushed = ready!(Pin::new(to).poll_flush(cx));
            self.closed = flushed.is_err();
            self.dirty = false;
        }
        Poll::Ready(())
    }
}

impl Drop for Outlet {
    /// A guest that closes a connection does not wait until all of it has been read.
    fn drop(&mut self) {
        if !self.closed && !self.chunk.is_empty() {
            self.close();
        }
    }
}

impl IsTerminal for PipeOut {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for PipeOut {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for PipeOut {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut outlet = lock(&self.0);
        if outlet.closed {
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
        match outlet.closed {
            true => Err(StreamError::Closed),
            false if outlet.chunk.is_empty() && !outlet.dirty => Ok(CHUNK_BYTES),
            false => Ok(0),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for PipeOut {
    async fn ready(&mut self) {
        poll_fn(|cx| lock(&self.0).poll_empty(cx)).await;
    }
}

impl AsyncWrite for PipeOut {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut outlet = lock(&self.0);
        ready!(outlet.poll_empty(cx));
        if outlet.closed {
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
        ready!(outlet.poll_empty(cx));
        match outlet.closed {
            true => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
