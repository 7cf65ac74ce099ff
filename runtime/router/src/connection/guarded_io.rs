//! The byte stream of a connection, between the socket and the HTTP layer.
//!
//! Owns the time limits for a silent or stalled client, and stops a stream that breaks the rules. Must not know requests
//! or apps. A timer is set once and its deadline moved, so a request costs no timer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::connection::alarm::Alarm;
use crate::connection::http1_guard::{Http1Guard, Http1Violation};
use crate::connection::http2_guard::Http2Guard;
use crate::limits::{
    HEAD_TIMEOUT, HEADER_BLOCK_MAX, KEEP_ALIVE_IDLE, LINGER_MAX, LINGER_TIME, SILENCE_TIMEOUT,
};
use crate::shared::connection_state::ConnectionState;
use crate::shared::rejection::Rejection;

/// The bytes that the HTTP layer reads in place of a head that breaks the rules: a request that is answered with an
/// error page, after the requests before it (see [`ConnectionState::rejected_head`]).
const REJECTED_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\n\r\n";

/// Pieces that are together no longer than this are written as one (bytes): copying them costs less than having the
/// kernel gather them.
const JOINED_MAX: usize = 1024;

/// Checks the bytes that are read.
#[derive(Debug)]
pub(crate) enum ProtocolGuard {
    Http1(Http1Guard),
    Http2(Http2Guard),
}

/// Why nothing is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadPause {
    /// Nothing has arrived yet.
    Fresh,
    /// Within a head. With the number of requests, so that each head has its own time limit.
    Head(u64),
    /// Between requests, or within a request, which has time limits of its own.
    Between,
}

/// Bytes that would be a head which breaks the rules, behind a request that asks to switch protocols. If the switch
/// happens, these bytes are no head.
#[derive(Clone, Copy, Debug)]
struct DoubtfulHead {
    /// Number of the request that asks to switch.
    upgrade: u64,
    /// The head's own number.
    number: u64,
    rejection: Rejection,
}

#[derive(Debug)]
pub(crate) struct GuardedIo<S> {
    io: S,
    connection: Arc<ConnectionState>,
    guard: ProtocolGuard,
    /// Bytes that were read to detect the protocol.
    replay: Bytes,
    /// A head that is not complete yet. The HTTP layer sees complete heads only, so that a head which breaks the rules can
    /// be replaced.
    partial_head: BytesMut,
    /// Checked bytes that the HTTP layer reads next.
    checked: Bytes,
    /// Reading has ended.
    is_ended: bool,
    /// A head was rejected.
    is_rejected: bool,
    /// Bytes that may be a head that breaks the rules.
    doubtful_head: Option<DoubtfulHead>,
    /// Interim responses that are being written.
    interim: Bytes,
    /// The HTTP layer has written all that it had.
    is_flushed: bool,
    pause: Option<ReadPause>,
    read_alarm: Alarm,
    write_alarm: Alarm,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
    /// Makes the end of the stream a reset.
    reset: fn(&S),
}

impl<S: AsyncRead + AsyncWrite + Unpin> GuardedIo<S> {
    pub(crate) fn new(
        io: S,
        connection: Arc<ConnectionState>,
        guard: ProtocolGuard,
        replay: Bytes,
        reset: fn(&S),
    ) -> Self {
        GuardedIo {
            io,
            connection,
            guard,
            replay,
            partial_head: BytesMut::new(),
            checked: Bytes::new(),
            is_ended: false,
            is_rejected: false,
            doubtful_head: None,
            interim: Bytes::new(),
            is_flushed: true,
            pause: None,
            read_alarm: Alarm::default(),
            write_alarm: Alarm::default(),
            linger: None,
            reset,
        }
    }

    fn poll_read_io(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.replay.has_remaining() {
            let size = self.replay.len().min(buf.remaining());
            buf.put_slice(&self.replay.split_to(size));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }

    /// Checks what was read; nothing read is the end of the stream. Bytes that break the rules do not pass.
    fn check_read(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        if self.connection.is_tunnel() {
            if !self.partial_head.is_empty() {
                self.partial_head.extend_from_slice(&buf.filled()[before..]);
                buf.set_filled(before);
                self.release_partial_head(buf);
            }
            return Ok(());
        }
        if self.doubtful_head.is_some() {
            self.partial_head.extend_from_slice(&buf.filled()[before..]);
            buf.set_filled(before);
            return Ok(());
        }
        let guard = match &mut self.guard {
            ProtocolGuard::Http1(guard) => guard,
            ProtocolGuard::Http2(guard) => {
                return guard.check(&buf.filled()[before..]).map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidData, "too many control frames")
                });
            }
        };
        if buf.filled().len() == before {
            self.release_partial_head(buf);
            return Ok(());
        }
        match guard.check(&buf.filled()[before..]) {
            // Nearly every request.
            Ok(whole) if self.partial_head.is_empty() && before + whole == buf.filled().len() => {}
            Ok(whole) => self.pass_bytes(buf, before, whole, true),
            Err((whole, Http1Violation::Head(rejection))) => {
                let (number, upgrade) = (guard.head_count(), guard.last_upgrade());
                self.pass_bytes(buf, before, whole, true);
                match upgrade {
                    None => self.reject_head(buf, number, rejection),
                    Some(upgrade) => self.doubt_head(
                        buf,
                        DoubtfulHead {
                            upgrade,
                            number,
                            rejection,
                        },
                    ),
                }
            }
            Err((whole, Http1Violation::Body(cause))) => {
                self.is_ended = true;
                self.pass_bytes(buf, before, whole, false);
                self.connection.set_body_violation(cause);
            }
        }
        Ok(())
    }

    /// Passes the first `whole` bytes of what was read, after the partial head that they complete, if any. Keeps the rest
    /// as a partial head, or drops it.
    fn pass_bytes(&mut self, buf: &mut ReadBuf<'_>, before: usize, whole: usize, keeps_rest: bool) {
        let end = before + whole;
        let completes = whole > 0 && !self.partial_head.is_empty();
        if completes {
            let mut checked = std::mem::take(&mut self.partial_head);
            checked.extend_from_slice(&buf.filled()[before..end]);
            self.checked = checked.freeze();
        }
        match keeps_rest {
            true => self.partial_head.extend_from_slice(&buf.filled()[end..]),
            false => self.partial_head = BytesMut::new(),
        }
        self.connection.set_partial_head(match &self.guard {
            ProtocolGuard::Http1(guard) if !self.partial_head.is_empty() => {
                Some(guard.head_count())
            }
            _ => None,
        });
        buf.set_filled(if completes { before } else { end });
        self.put_checked(buf);
    }

    /// Passes the partial head, whatever it is.
    fn release_partial_head(&mut self, buf: &mut ReadBuf<'_>) {
        self.doubtful_head = None;
        self.checked = self.partial_head.split().freeze();
        self.connection.set_partial_head(None);
        self.put_checked(buf);
    }

    fn doubt_head(&mut self, buf: &mut ReadBuf<'_>, head: DoubtfulHead) {
        self.doubtful_head = Some(head);
        self.connection.wake_reader_after_request();
        self.settle_doubtful_head(buf);
    }

    /// Rejects the doubtful head if the request that asked to switch protocols has ended without a switch.
    fn settle_doubtful_head(&mut self, buf: &mut ReadBuf<'_>) {
        let Some(head) = self.doubtful_head else {
            return;
        };
        // Requests run one at a time: this one has ended if another has begun.
        let later = self
            .connection
            .request_count()
            .saturating_sub(head.upgrade + 1);
        if self.connection.request_count() > head.upgrade
            && (later > 0 || !self.connection.has_active_request())
        {
            self.doubtful_head = None;
            self.reject_head(buf, head.number, head.rejection);
        }
    }

    /// Before more is read: passes bytes that were kept, if they may pass now. `Some`: this is the result of the read.
    fn resume_read(&mut self, buf: &mut ReadBuf<'_>) -> Option<Poll<io::Result<()>>> {
        let before = buf.filled().len();
        if self.connection.is_tunnel() {
            // The bytes came before the response that switched protocols.
            self.release_partial_head(buf);
        } else {
            self.settle_doubtful_head(buf);
        }
        if buf.filled().len() > before {
            return Some(Poll::Ready(Ok(())));
        }
        // Full: the end of the request wakes the reader.
        let is_full = self.doubtful_head.is_some() && self.partial_head.len() >= HEADER_BLOCK_MAX;
        is_full.then_some(Poll::Pending)
    }

    /// Makes the HTTP layer read a rejected request, after the bytes that it has yet to read.
    fn reject_head(&mut self, buf: &mut ReadBuf<'_>, number: u64, rejection: Rejection) {
        self.partial_head = BytesMut::new();
        self.connection.set_partial_head(None);
        self.connection.set_rejected_head(number, rejection);
        self.is_ended = true;
        self.is_rejected = true;
        let mut checked = BytesMut::from(&self.checked[..]);
        checked.extend_from_slice(REJECTED_REQUEST);
        self.checked = checked.freeze();
        self.put_checked(buf);
    }

    fn put_checked(&mut self, buf: &mut ReadBuf<'_>) {
        let size = self.checked.len().min(buf.remaining());
        buf.put_slice(&self.checked.split_to(size));
    }

    /// Writes interim responses that wait: after all of the previous response, and before the first byte of the next.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.is_flushed {
            if self.interim.is_empty() {
                match self.connection.take_interim() {
                    Some(interim) => self.interim = interim,
                    None => return Poll::Ready(Ok(())),
                }
            }
            let result = Pin::new(&mut self.io).poll_write(cx, &self.interim);
            let size = ready!(self.check_write_timeout(cx, result))?;
            if size == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim.advance(size);
        }
        Poll::Ready(Ok(()))
    }

    /// Before the HTTP layer writes.
    fn poll_begin_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.interim.is_empty() || self.connection.has_interim() {
            ready!(self.poll_interim(cx))?;
        }
        self.is_flushed = false;
        self.connection.set_flushed(false);
        Poll::Ready(Ok(()))
    }

    /// After the HTTP layer has written all that it had.
    fn poll_end_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_flushed = true;
        self.connection.set_flushed(true);
        match self.interim.is_empty() && !self.connection.has_interim() {
            true => Poll::Ready(Ok(())),
            false => self.poll_interim(cx),
        }
    }

    /// Ready when nothing has arrived for too long.
    fn poll_read_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.connection.is_tunnel() {
            // A tunnel has a time limit of its own.
            return Poll::Pending;
        }
        let in_head = match &self.guard {
            ProtocolGuard::Http1(guard) => guard.in_head(),
            ProtocolGuard::Http2(guard) => guard.in_head(),
        };
        let is_http2 = matches!(self.guard, ProtocolGuard::Http2(_));
        let has_request = self.connection.has_active_request();
        let pause = match self.connection.request_count() {
            // An HTTP/1 head behind a running request is not read on before that request is answered.
            count if in_head && (is_http2 || !has_request) => ReadPause::Head(count),
            0 if !is_http2 && !has_request => ReadPause::Fresh,
            _ => ReadPause::Between,
        };
        if self.pause != Some(pause) {
            self.pause = Some(pause);
            let span = match pause {
                ReadPause::Fresh | ReadPause::Head(_) => HEAD_TIMEOUT,
                ReadPause::Between => KEEP_ALIVE_IDLE,
            };
            self.read_alarm.deadline = Some(Instant::now() + span);
        }
        loop {
            ready!(self.read_alarm.poll(cx));
            if pause != ReadPause::Between {
                return Poll::Ready(());
            }
            // The HTTP layer does not read when a request ends, so the pause may have begun after the alarm was set.
            let now = Instant::now();
            let since = if self.connection.has_active_request() {
                now
            } else {
                self.connection.idle_since()
            };
            if now >= since + KEEP_ALIVE_IDLE {
                return Poll::Ready(());
            }
            self.read_alarm.deadline = Some(since + KEEP_ALIVE_IDLE);
        }
    }

    /// Passes on the result of a write; an error if the client has taken nothing for too long.
    fn check_write_timeout<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_alarm.deadline = None;
            return result;
        }
        if !self.connection.is_stalled() {
            let due = || Instant::now() + SILENCE_TIMEOUT;
            self.write_alarm.deadline.get_or_insert_with(due);
            ready!(self.write_alarm.poll(cx));
        }
        self.connection.mark_stalled();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn count_written(&mut self, result: &Poll<io::Result<usize>>) {
        if let (ProtocolGuard::Http2(guard), Poll::Ready(Ok(size))) = (&mut self.guard, result) {
            guard.count_written(*size);
        }
    }

    /// Reads and discards what the client still sends, for a while: closing with unread input would reset the connection,
    /// and the client might never see the response.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (timer, remaining) = self
            .linger
            .get_or_insert_with(|| (sleep_for(LINGER_TIME), LINGER_MAX));
        let mut discarded = [0; 4096];
        while *remaining > 0 && timer.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    *remaining = remaining.saturating_sub(buf.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

/// All pieces in one, if they fit into `room`.
fn join_pieces<'a>(bufs: &[IoSlice<'_>], room: &'a mut [u8; JOINED_MAX]) -> Option<&'a [u8]> {
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for GuardedIo<S> {
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
        if me.is_rejected {
            // The response closes the connection. If the HTTP layer saw the end of the stream now, it would close too
            // early.
            return Poll::Pending;
        }
        if me.is_ended {
            return Poll::Ready(Ok(()));
        }
        if !me.partial_head.is_empty()
            && let Some(resumed) = me.resume_read(buf)
        {
            return resumed;
        }
        let before = buf.filled().len();
        while let Poll::Ready(result) = me.poll_read_io(cx, buf) {
            result?;
            me.pause = me.pause.filter(|pause| matches!(pause, ReadPause::Head(_)));
            let is_end = buf.filled().len() == before;
            me.check_read(buf, before)?;
            if is_end || me.is_ended || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            // All of it belongs to a partial head.
        }
        ready!(me.poll_read_timeout(cx));
        // To the HTTP layer, the client has closed the stream.
        me.is_ended = true;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedIo<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        ready!(me.poll_begin_write(cx))?;
        let result = Pin::new(&mut me.io).poll_write(cx, buf);
        me.count_written(&result);
        me.check_write_timeout(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        ready!(me.poll_begin_write(cx))?;
        let mut room = [0; JOINED_MAX];
        let result = match join_pieces(bufs, &mut room) {
            Some(joined) => Pin::new(&mut me.io).poll_write(cx, joined),
            None => Pin::new(&mut me.io).poll_write_vectored(cx, bufs),
        };
        me.count_written(&result);
        me.check_write_timeout(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        ready!(me.poll_end_write(cx))?;
        let result = Pin::new(&mut me.io).poll_flush(cx);
        // Only a flush that is not ready tells that there is no progress.
        if result.is_ready() {
            return result;
        }
        me.check_write_timeout(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if me.linger.is_none() {
            let result = Pin::new(&mut me.io).poll_shutdown(cx);
            ready!(me.check_write_timeout(cx, result))?;
        }
        let has_unread_input = match &me.guard {
            ProtocolGuard::Http1(guard) => guard.is_mid_message(),
            ProtocolGuard::Http2(_) => false,
        };
        if has_unread_input {
            ready!(me.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Drop for GuardedIo<S> {
    fn drop(&mut self) {
        if self.connection.must_reset() {
            (self.reset)(&self.io);
        }
    }
}
