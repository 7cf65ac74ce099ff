//! The byte stream of a connection, between the socket and the HTTP layer.
//!
//! Owns the clocks of a silent or stalled client and the stopping of a stream that breaks the rules. Must not know
//! requests or apps. A clock is set once and looked at when it rings, so a request costs none.

use crate::connection::http1_guard::{Violation, Watch};
use crate::connection::http2_guard::Frames;
use crate::limits::{
    HEAD_TIMEOUT, HEADER_BLOCK_MAX, KEEP_ALIVE_IDLE, LINGER_MAX, LINGER_TIME, SILENCE_TIMEOUT,
};
use crate::request::admission::Reject;
use crate::shared::connection_state::Conn;
use bytes::{Buf, Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What the HTTP layer reads in place of a head that breaks the rules: a request that is refused in its turn, after the
/// requests before it, with a page (see [`Conn::refused_head`]).
const REFUSED: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\n\r\n";

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

/// A head would break the rules: but a request before it asks to switch protocols, and if it may, this is no head.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// The request that asks.
    upgrade: u64,
    /// The head's own number.
    number: u64,
    reject: Reject,
}

#[derive(Debug)]
pub(crate) struct Wire<S> {
    io: S,
    conn: Arc<Conn>,
    guard: Guard,
    /// Bytes that were read to tell the protocol.
    replay: Bytes,
    /// A head that is not complete yet. The HTTP layer sees whole heads only, so that one that breaks the rules can be
    /// replaced.
    held: BytesMut,
    /// What the HTTP layer reads before anything else.
    checked: Bytes,
    /// Nothing is read any more.
    ended: bool,
    /// A head broke the rules.
    refused: bool,
    /// What may be a head that breaks the rules.
    doubt: Option<Doubt>,
    /// The interim responses that are being written.
    interim: Bytes,
    /// The HTTP layer has written all that it had.
    flushed: bool,
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
            held: BytesMut::new(),
            checked: Bytes::new(),
            ended: false,
            refused: false,
            doubt: None,
            interim: Bytes::new(),
            flushed: true,
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

    /// Looks at what was read, which is the end if it is nothing; what breaks the rules does not pass.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        if self.conn.tunnelled.load(Relaxed) {
            if !self.held.is_empty() {
                self.held.extend_from_slice(&buf.filled()[before..]);
                buf.set_filled(before);
                self.release_held(buf);
            }
            return Ok(());
        }
        if self.doubt.is_some() {
            self.held.extend_from_slice(&buf.filled()[before..]);
            buf.set_filled(before);
            return Ok(());
        }
        let watch = match &mut self.guard {
            Guard::Http1(watch) => watch,
            Guard::Http2(frames) => {
                return frames.feed(&buf.filled()[before..]).map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidData, "too many idle frames")
                });
            }
        };
        if buf.filled().len() == before {
            self.release_held(buf);
            return Ok(());
        }
        match watch.feed(&buf.filled()[before..]) {
            // Nearly every request.
            Ok(whole) if self.held.is_empty() && before + whole == buf.filled().len() => {}
            Ok(whole) => self.pass(buf, before, whole, true),
            Err((whole, Violation::Head(reject))) => {
                let (number, upgrade) = (watch.heads(), watch.last_upgrade());
                self.pass(buf, before, whole, true);
                match upgrade {
                    None => self.refuse_head(buf, number, reject),
                    Some(upgrade) => self.doubt(
                        buf,
                        Doubt {
                            upgrade,
                            number,
                            reject,
                        },
                    ),
                }
            }
            Err((whole, Violation::Body(cause))) => {
                self.ended = true;
                self.pass(buf, before, whole, false);
                self.conn.note_violation(cause);
            }
        }
        Ok(())
    }

    /// Passes the first `whole` bytes of what was read, after a head that was held and is complete with them. Holds or
    /// forgets the rest.
    fn pass(&mut self, buf: &mut ReadBuf<'_>, before: usize, whole: usize, holds_rest: bool) {
        let end = before + whole;
        let completes = whole > 0 && !self.held.is_empty();
        if completes {
            let mut checked = std::mem::take(&mut self.held);
            checked.extend_from_slice(&buf.filled()[before..end]);
            self.checked = checked.freeze();
        }
        match holds_rest {
            true => self.held.extend_from_slice(&buf.filled()[end..]),
            false => self.held = BytesMut::new(),
        }
        self.conn.note_held_head(match &self.guard {
            Guard::Http1(watch) if !self.held.is_empty() => Some(watch.heads()),
            _ => None,
        });
        buf.set_filled(if completes { before } else { end });
        self.put_checked(buf);
    }

    /// Passes what was held, whatever it is.
    fn release_held(&mut self, buf: &mut ReadBuf<'_>) {
        self.doubt = None;
        self.checked = self.held.split().freeze();
        self.conn.note_held_head(None);
        self.put_checked(buf);
    }

    fn doubt(&mut self, buf: &mut ReadBuf<'_>, doubt: Doubt) {
        self.doubt = Some(doubt);
        self.conn.note_doubt();
        self.settle_doubt(buf);
    }

    /// Refuses what breaks the rules once the request that asked to switch protocols has ended without that.
    fn settle_doubt(&mut self, buf: &mut ReadBuf<'_>) {
        let Some(doubt) = self.doubt else {
            return;
        };
        // One at a time: it has ended if another has begun.
        let later = self.conn.begun().saturating_sub(doubt.upgrade + 1);
        if self.conn.begun() > doubt.upgrade && (later > 0 || !self.conn.is_active()) {
            self.doubt = None;
            self.refuse_head(buf, doubt.number, doubt.reject);
        }
    }

    /// Before more is read: what of the held bytes is to be passed now, and whether that is all for now.
    fn resume(&mut self, buf: &mut ReadBuf<'_>) -> Option<Poll<io::Result<()>>> {
        let before = buf.filled().len();
        if self.conn.tunnelled.load(Relaxed) {
            // It came before the answer that made this a tunnel.
            self.release_held(buf);
        } else {
            self.settle_doubt(buf);
        }
        if buf.filled().len() > before {
            return Some(Poll::Ready(Ok(())));
        }
        // The end of the request wakes the reader.
        let is_full = self.doubt.is_some() && self.held.len() >= HEADER_BLOCK_MAX;
        is_full.then_some(Poll::Pending)
    }

    /// Has the HTTP layer read a request that is refused, after what it has yet to read.
    fn refuse_head(&mut self, buf: &mut ReadBuf<'_>, number: u64, reject: Reject) {
        self.held = BytesMut::new();
        self.conn.note_held_head(None);
        self.conn.refuse_head(number, reject);
        self.ended = true;
        self.refused = true;
        let mut checked = BytesMut::from(&self.checked[..]);
        checked.extend_from_slice(REFUSED);
        self.checked = checked.freeze();
        self.put_checked(buf);
    }

    fn put_checked(&mut self, buf: &mut ReadBuf<'_>) {
        let size = self.checked.len().min(buf.remaining());
        buf.put_slice(&self.checked.split_to(size));
    }

    /// Writes the interim responses that there are: when all of the response before has been written, and before the
    /// first byte of the next one.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.flushed {
            if self.interim.is_empty() {
                match self.conn.take_interim() {
                    Some(interim) => self.interim = interim,
                    None => return Poll::Ready(Ok(())),
                }
            }
            let result = Pin::new(&mut self.io).poll_write(cx, &self.interim);
            let size = ready!(self.written(cx, result))?;
            if size == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim.advance(size);
        }
        Poll::Ready(Ok(()))
    }

    /// Before the HTTP layer writes.
    fn poll_begin_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.interim.is_empty() || self.conn.has_interim() {
            ready!(self.poll_interim(cx))?;
        }
        self.flushed = false;
        self.conn.note_flushed(false);
        Poll::Ready(Ok(()))
    }

    /// After the HTTP layer has written all that it had.
    fn poll_end_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = true;
        self.conn.note_flushed(true);
        match self.interim.is_empty() && !self.conn.has_interim() {
            true => Poll::Ready(Ok(())),
            false => self.poll_interim(cx),
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
        if !self.conn.stalled.load(Relaxed) {
            let due = || Instant::now() + SILENCE_TIMEOUT;
            self.write_alarm.due.get_or_insert_with(due);
            ready!(self.write_alarm.poll(cx));
        }
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
        if !me.checked.is_empty() {
            me.put_checked(buf);
            return Poll::Ready(Ok(()));
        }
        if me.refused {
            // The answer closes the connection. To show the end now would have the HTTP layer close it first.
            return Poll::Pending;
        }
        if me.ended {
            return Poll::Ready(Ok(()));
        }
        if !me.held.is_empty()
            && let Some(resumed) = me.resume(buf)
        {
            return resumed;
        }
        let before = buf.filled().len();
        while let Poll::Ready(result) = me.poll_fill(cx, buf) {
            result?;
            me.pause = me.pause.filter(|pause| matches!(pause, Pause::Head(_)));
            let is_end = buf.filled().len() == before;
            me.inspect(buf, before)?;
            if is_end || me.ended || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            // All of it is held.
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
        ready!(me.poll_begin_write(cx))?;
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
        ready!(me.poll_begin_write(cx))?;
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
        ready!(me.poll_end_write(cx))?;
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
