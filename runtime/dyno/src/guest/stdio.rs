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
    to: Box<dyn AsyncWrite + Send + Unpin>,
    /// What was taken from the guest and has not been written.
    chunk: Bytes,
    /// Written, and not known to have left.
    dirty: bool,
    /// Nobody reads any more.
    closed: bool,
}

impl PipeOut {
    pub(crate) fn new(to: Box<dyn AsyncWrite + Send + Unpin>) -> PipeOut {
        PipeOut(Arc::new(Mutex::new(Outlet {
            to,
            chunk: Bytes::new(),
            dirty: false,
            closed: false,
        })))
    }

    /// Ready when all that the guest wrote has left, and the other side was told that this is the end.
    pub(crate) async fn end(&self) {
        poll_fn(|cx| lock(&self.0).poll_drain(cx)).await;
        // A reader that has gone does not mind.
        let _ = poll_fn(|cx| Pin::new(&mut lock(&self.0).to).poll_shutdown(cx)).await;
    }
}

impl Outlet {
    /// Ready when nothing is left to write, or nobody to read it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.closed && !self.chunk.is_empty() {
            match ready!(Pin::new(&mut self.to).poll_write(cx, &self.chunk)) {
                Ok(0) | Err(_) => self.closed = true,
                Ok(len) => {
                    self.chunk.advance(len);
                    self.dirty = true;
                }
            }
        }
        if !self.closed && self.dirty {
            let flushed = ready!(Pin::new(&mut self.to).poll_flush(cx));
            self.closed = flushed.is_err();
            self.dirty = false;
        }
        Poll::Ready(())
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
        // As far as it goes at once: a guest need not ask again before it computes on.
        let _ = outlet.poll_drain(&mut Context::from_waker(Waker::noop()));
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
        poll_fn(|cx| lock(&self.0).poll_drain(cx)).await;
    }
}

impl AsyncWrite for PipeOut {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut outlet = lock(&self.0);
        ready!(outlet.poll_drain(cx));
        if outlet.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = bytes.len().min(CHUNK_BYTES);
        outlet.chunk = Bytes::copy_from_slice(&bytes[..len]);
        let _ = outlet.poll_drain(cx);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outlet = lock(&self.0);
        ready!(outlet.poll_drain(cx));
        match outlet.closed {
            true => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
