//! The byte stream of a connection, between the socket and the HTTP layer.
//!
//! Owns the clocks of a silent or stalled client and the stopping of a stream that breaks the rules. Must not know
//! requests or apps. A clock is set once and looked at when it rings, so a request costs none.

use crate::conn::Conn;
use crate::frames::Frames;
use crate::limits::{HEAD_TIMEOUT, KEEP_ALIVE_IDLE, LINGER_MAX, LINGER_TIME, SILENCE_TIMEOUT};
use crate::watch::{Violation, Watch};
use bytes::{Buf, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What the HTTP layer reads instead of a head that breaks the rules: no parser takes a NUL there, so it answers
/// 400 in its turn, after the requests before, and closes.
const POISON: &[u8] = b"\0\r\n\r\n";

/// Pieces that are no longer than this together are written as one: to copy so few costs less than to have the kernel
/// gather them.
const JOINED_MAX: usize = 1024;

/// Who looks at the bytes.
#[derive(Debug)]
pub(crate) enum Guard {
    Http1(Watch),
    Http2(Frames),
}

/// A clock that rings no earlier than due; later settings of the same hand cost nothing.
#[derive(Debug, Default)]
struct Alarm {
    due: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The sleep will wake the task.
    set: bool,
}

impl Alarm {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if self.set && !sleep.is_elapsed() && sleep.deadline() <= due {
            return Poll::Pending;
        }
        if Instant::now() >= due {
            return Poll::Ready(());
        }
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        self.set = sleep.as_mut().poll(cx).is_pending();
        if self.set {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

/// What a connection is doing as far as reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Nothing has come yet.
    Fresh,
    /// Within a head; with the count of requests, so that each head has its own time.
    Head(u64),
    /// Between requests, or within one, which has clocks of its own: only looked at now and then.
    Between,
}

#[derive(Debug)]
pub(crate) struct Wire<S> {
    io: S,
    conn: Arc<Conn>,
    guard: Guard,
    /// Bytes that were read to tell the protocol.
    replay: Bytes,
    /// What is still to be read of the [`POISON`]; then comes the end.
    poison: Option<&'static [u8]>,
    ended: bool,
    pause: Option<Pause>,
    read_alarm: Alarm,
    write_alarm: Alarm,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
    /// How to make the end of the stream look like no end.
    on_broken: fn(&S),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(
        io: S,
        conn: Arc<Conn>,
        guard: Guard,
        replay: Bytes,
        on_broken: fn(&S),
    ) -> Self {
        Wire {
            io,
            conn,
            guard,
            replay,
            poison: None,
            ended: false,
            pause: None,
            read_alarm: Alarm::default(),
            write_alarm: Alarm::default(),
            linger: None,
            on_broken,
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.replay.has_remaining() {
            let size = self.replay.len().min(buf.remaining());
            buf.put_slice(&self.replay.split_to(size));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }

    /// Looks at what was read; what breaks the rules does not pass.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        if self.conn.tunnelled.load(Relaxed) {
            return Ok(());
        }
        match &mut self.guard {
            Guard::Http1(watch) => {
                if let Err((passed, violation)) = watch.feed(&buf.filled()[before..]) {
                    buf.set_filled(before + passed);
                    self.stop(violation);
                    if passed == 0 {
                        self.put_poison(buf);
                    }
                }
                Ok(())
            }
            Guard::Http2(frames) => frames
                .feed(&buf.filled()[before..])
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "too many idle frames")),
        }
    }

    fn stop(&mut self, violation: Violation) {
        self.ended = true;
        let (Violation::Head(cause) | Violation::Body(cause)) = violation;
        self.conn.note_violation(cause);
        self.poison = matches!(violation, Violation::Head(_)).then_some(POISON);
    }

    fn put_poison(&mut self, buf: &mut ReadBuf<'_>) {
        if let Some(poison) = self.poison {
            let (now, later) = poison.split_at(poison.len().min(buf.remaining()));
            buf.put_slice(now);
            self.poison = Some(later).filter(|later| !later.is_empty());
        }
    }

    /// Nothing came: is that for too long?
    fn poll_silent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.conn.tunnelled.load(Relaxed) {
            // A tunnel has a clock of its own.
            return Poll::Pending;
        }
        let in_head = match &self.guard {
            Guard::Http1(watch) => watch.in_head(),
            Guard::Http2(frames) => frames.in_head(),
        };
        let is_h2 = matches!(self.guard, Guard::Http2(_));
        let active = self.conn.is_active();
        let pause = match self.conn.begun() {
            // An HTTP/1 head behind a request under way is not read on before that is answered.
            begun if in_head && (is_h2 || !active) => Pause::Head(begun),
            0 if !is_h2 && !active => Pause::Fresh,
            _ => Pause::Between,
        };
        if self.pause != Some(pause) {
            self.pause = Some(pause);
            let span = match pause {
                Pause::Fresh | Pause::Head(_) => HEAD_TIMEOUT,
                Pause::Between => KEEP_ALIVE_IDLE,
            };
            self.read_alarm.due = Some(Instant::now() + span);
        }
        loop {
            ready!(self.read_alarm.poll(cx));
            if pause != Pause::Between {
                return Poll::Ready(());
            }
            // The HTTP layer does not read when a request ends, so the pause may be younger than the clock.
            let now = Instant::now();
            let since = if self.conn.is_active() {
                now
            } else {
                self.conn.idle_since()
            };
            if now >= since + KEEP_ALIVE_IDLE {
                return Poll::Ready(());
            }
            self.read_alarm.due = Some(since + KEEP_ALIVE_IDLE);
        }
    }

    /// After a write: has the client taken nothing for too long?
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_alarm.due = None;
            return result;
        }
        let due = || Instant::now() + SILENCE_TIMEOUT;
        self.write_alarm.due.get_or_insert_with(due);
        ready!(self.write_alarm.poll(cx));
        self.conn.mark(&self.conn.stalled);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn count_written(&mut self, result: &Poll<io::Result<usize>>) {
        if let (Guard::Http2(frames), Poll::Ready(Ok(size))) = (&mut self.guard, result) {
            frames.wrote(*size);
        }
    }

    /// Reads and forgets what the client still sends, for a while: to close with unread input would reset the
    /// connection, and the client might never see the answer.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (alarm, left) = self
            .linger
            .get_or_insert_with(|| (sleep_for(LINGER_TIME), LINGER_MAX));
        let mut waste = [0; 4096];
        while *left > 0 && alarm.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    *left = left.saturating_sub(buf.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

/// All pieces in one, if they fit.
fn joined<'a>(bufs: &[IoSlice<'_>], room: &'a mut [u8; JOINED_MAX]) -> Option<&'a [u8]> {
    let mut size = 0;
    for piece in bufs {
        room.get_mut(size..size + piece.len())?
            .copy_from_slice(piece);
        size += piece.len();
    }
    Some(&room[..size])
}

fn sleep_for(span: Duration) -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep_until(Instant::now() + span))
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if me.ended {
            me.put_poison(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if let Poll::Ready(result) = me.poll_fill(cx, buf) {
            me.pause = me.pause.filter(|pause| matches!(pause, Pause::Head(_)));
            return Poll::Ready(result.and_then(|()| me.inspect(buf, before)));
        }
        ready!(me.poll_silent(cx));
        // The end of the stream, as if the client had closed it.
        me.ended = true;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let result = Pin::new(&mut me.io).poll_write(cx, buf);
        me.count_written(&result);
        me.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let mut room = [0; JOINED_MAX];
        let result = match joined(bufs, &mut room) {
            Some(joined) => Pin::new(&mut me.io).poll_write(cx, joined),
            None => Pin::new(&mut me.io).poll_write_vectored(cx, bufs),
        };
        me.count_written(&result);
        me.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let result = Pin::new(&mut me.io).poll_flush(cx);
        // A flush says nothing of progress unless it fails to make any.
        if result.is_ready() {
            return result;
        }
        me.written(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if me.linger.is_none() {
            let result = Pin::new(&mut me.io).poll_shutdown(cx);
            ready!(me.written(cx, result))?;
        }
        let unread = match &me.guard {
            Guard::Http1(watch) => watch.is_mid_message(),
            Guard::Http2(_) => false,
        };
        if unread {
            ready!(me.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Drop for Wire<S> {
    fn drop(&mut self) {
        if self.conn.broken.load(SeqCst) {
            (self.on_broken)(&self.io);
        }
    }
}
