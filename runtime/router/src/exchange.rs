//! The one buffer that a running call and a connection share, for one request.
//!
//! Owns who waits for whom, the buffered response, and how the response ended. Must not know sockets, the
//! HTTP library's bodies, or what runs the call. A mutex held for moments, and three wakers: no channel.

use crate::buffers::{Buffers, Share};
use crate::limits::RESPONSE_BUFFER;
use crate::reader_rate::{ReaderRate, Verdict};
use crate::seam::Kill;
use crate::tunnel::Tunnel;
use bytes::{Bytes, BytesMut};
use grid::routing::Refusal;
use http::HeaderMap;
use http::response::Parts;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// One request's state between the guest's side ([`crate::Reply`], [`crate::RequestBody`]), the client's side
/// (the response body) and whoever drives the call.
#[derive(Debug)]
pub(crate) struct Exchange {
    state: Mutex<State>,
}

/// How far a streamed request body has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Upload {
    /// A body is still coming.
    pub(crate) open: bool,
    /// Bytes that the client has sent.
    pub(crate) bytes: u64,
    /// The guest has read all that came and waits for more.
    pub(crate) waiting: bool,
}

/// What the client's side gets next.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// The response is not complete and never will be.
    Broken(Refusal),
}

/// What the driver of the call is to mind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    /// End the guest now.
    pub(crate) kill: Option<Kill>,
    /// The client left before the response was complete.
    pub(crate) abandoned: bool,
    /// The response is complete or given up; whatever the guest still does is afterwork.
    pub(crate) answered: bool,
    /// The guest waits for its client, which is to be judged then.
    pub(crate) judge_at: Option<Instant>,
}

/// Ends the connection, or the stream, of a client that does not read.
pub(crate) trait Cut: std::fmt::Debug + Send + Sync {
    /// Has it end as stalled. It must not wait, nor touch the exchange.
    fn cut(&self);
}

#[derive(Debug)]
struct State {
    /// A head that the client's side has not taken yet.
    head: Option<Parts>,
    /// A head was accepted.
    begun: bool,
    /// `Content-Length`, if the guest gave one.
    declared: Option<u64>,
    received: u64,
    chunks: VecDeque<Bytes>,
    buffered: usize,
    /// What that takes of the memory for all responses.
    share: Share,
    trailers: Option<HeaderMap>,
    /// What a server that switched protocols reads and writes from now on.
    switched: Option<Box<dyn Tunnel>>,
    /// It did: the exchange ends with the tunnel.
    tunnelled: bool,
    /// How long the dyno took to be connected to.
    connect: Duration,
    end: Option<Result<(), Refusal>>,
    /// More of why it failed, for the log.
    cause: Option<&'static str>,
    /// The client's side is gone: everything is thrown away, so that the guest can always finish.
    gone: bool,
    order: Option<Kill>,
    rate: ReaderRate,
    /// What ends the client's connection, once it is being written to.
    cut: Option<Arc<dyn Cut>>,
    upload: Upload,
    reader: Option<Waker>,
    writer: Option<Waker>,
    driver: Option<Waker>,
}

/// Wakers to call once the lock is released.
type Wakers = [Option<Waker>; 3];

fn wake(wakers: Wakers) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    if !slot.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
        *slot = Some(cx.waker().clone());
    }
}

impl Exchange {
    /// Nothing has happened yet.
    pub(crate) fn new(buffers: Arc<Buffers>) -> Self {
        let state = State {
            head: None,
            begun: false,
            declared: None,
            received: 0,
            chunks: VecDeque::new(),
            buffered: 0,
            share: Share::new(buffers),
            trailers: None,
            switched: None,
            tunnelled: false,
            connect: Duration::ZERO,
            end: None,
            cause: None,
            gone: false,
            order: None,
            rate: ReaderRate::default(),
            cut: None,
            upload: Upload::default(),
            reader: None,
            writer: None,
            driver: None,
        };
        Exchange {
            state: Mutex::new(state),
        }
    }
}

/// The guest's side.
impl Exchange {
    /// Takes the checked head of the response. `false`: there was one already.
    ///
    /// The head of a bodyless response is all of it: the client need not wait for the guest to say so, and nothing that
    /// the guest does afterwards breaks the response off.
    pub(crate) fn put_head(&self, head: Parts, declared: Option<u64>, bodyless: bool) -> bool {
        let mut state = self.lock();
        if state.begun || state.end.is_some() {
            return !state.begun;
        }
        state.begun = true;
        state.declared = declared.filter(|_| !bodyless);
        if bodyless {
            state.end = Some(Ok(()));
        }
        state.head = Some(head);
        let reader = state.reader.take();
        drop(state);
        wake([reader, None, None]);
        true
    }

    /// Takes the head of a response that switches protocols, and the server's side of what follows.
    pub(crate) fn put_switch(&self, head: Parts, tunnel: Box<dyn Tunnel>) {
        let mut state = self.lock();
        if state.begun || state.end.is_some() {
            drop(state);
            // Outside the lock: what it does when it is dropped is not ours.
            return drop(tunnel);
        }
        state.begun = true;
        state.tunnelled = true;
        state.head = Some(head);
        state.switched = Some(tunnel);
        let reader = state.reader.take();
        drop(state);
        wake([reader, None, None]);
    }

    /// The dyno was connected to, after so long.
    pub(crate) fn connected(&self, took: Duration) {
        self.lock().connect = took;
    }

    /// Ready when there is room for more, or when nobody wants more.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.has_room() || state.discards() {
            state.rate.end_wait();
            return Poll::Ready(());
        }
        state.rate.begin_wait();
        register(&mut state.writer, cx);
        Poll::Pending
    }

    /// Takes a piece of the body. More than was declared breaks the response off.
    pub(crate) fn put_data(&self, mut data: Bytes) {
        let mut state = self.lock();
        if data.is_empty() || state.discards() || !state.begun {
            return;
        }
        if let Some(declared) = state.declared {
            let room = declared - state.received;
            if data.len() as u64 > room {
                data.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                state.end = Some(Err(Refusal::Interrupted));
            }
        }
        state.received += data.len() as u64;
        let buffered = state.buffered + data.len();
        state.set_buffered(buffered);
        state.chunks.push_back(data);
        let reader = state.reader.take();
        drop(state);
        wake([reader, None, None]);
    }

    /// The guest says that the response is complete.
    pub(crate) fn finish(&self, trailers: Option<HeaderMap>) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        let short = state.declared.is_some_and(|all| state.received < all);
        state.end = Some(match (state.begun, short) {
            (false, _) => Err(Refusal::NoResponse),
            (true, true) => Err(Refusal::Interrupted),
            (true, false) => Ok(()),
        });
        state.trailers = trailers;
        let reader = state.reader.take();
        drop(state);
        wake([reader, None, None]);
    }

    /// The response ends in failure, unless it has ended before.
    pub(crate) fn fail(&self, refusal: Refusal) {
        self.end(|_| refusal);
    }

    /// The same, with more of the why for the log.
    pub(crate) fn fail_because(&self, refusal: Refusal, cause: &'static str) {
        self.end(|state| {
            state.cause = Some(cause);
            refusal
        });
    }

    /// Does something unless the response has begun or ended, and keeps it from beginning meanwhile.
    pub(crate) fn while_unanswered(&self, action: impl FnOnce()) {
        let state = self.lock();
        if !state.begun && state.end.is_none() && !state.gone {
            action();
        }
    }

    /// Nothing more will come from the guest.
    pub(crate) fn close(&self) {
        self.end(|state| {
            if state.begun {
                Refusal::Interrupted
            } else {
                Refusal::NoResponse
            }
        });
    }

    fn end(&self, why: impl FnOnce(&mut State) -> Refusal) {
        let mut state = self.lock();
        if state.end.is_some() || state.tunnelled {
            return;
        }
        state.end = Some(Err(why(&mut state)));
        let wakers = [state.reader.take(), state.writer.take(), None];
        drop(state);
        wake(wakers);
    }

    /// Notes how the request body is coming along.
    pub(crate) fn note_upload(&self, change: impl FnOnce(&mut Upload)) {
        change(&mut self.lock().upload);
    }

    /// Ready when the client's side has left before the response was complete. For the task that writes.
    pub(crate) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.gone && state.end != Some(Ok(())) {
            return Poll::Ready(());
        }
        register(&mut state.writer, cx);
        Poll::Pending
    }

    /// Whether the client's side has left.
    pub(crate) fn is_gone(&self) -> bool {
        self.lock().gone
    }
}

/// The client's side.
impl Exchange {
    /// The head, once.
    pub(crate) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Parts, Refusal>> {
        let mut state = self.lock();
        if let Some(head) = state.head.take() {
            return Poll::Ready(Ok(head));
        }
        if let Some(end) = state.end {
            return Poll::Ready(Err(end.err().unwrap_or(Refusal::NoResponse)));
        }
        register(&mut state.reader, cx);
        Poll::Pending
    }

    /// The whole body in one piece, if it is complete and has no trailers.
    pub(crate) fn take_whole(&self) -> Option<(Bytes, Option<Share>)> {
        let mut state = self.lock();
        if state.end != Some(Ok(())) || state.trailers.is_some() {
            return None;
        }
        let whole = match state.chunks.len() {
            0 => Bytes::new(),
            1 => state.chunks.pop_front().unwrap_or_default(),
            _ => {
                let mut whole = BytesMut::with_capacity(state.buffered);
                // Not `extend`, which goes byte by byte.
                let chunks = state.chunks.drain(..);
                chunks.for_each(|chunk| whole.extend_from_slice(&chunk));
                whole.freeze()
            }
        };
        state.buffered = 0;
        Some((whole, state.share.take()))
    }

    /// The next piece of the body, of at most `max` bytes.
    pub(crate) fn poll_piece(&self, cx: &mut Context<'_>, max: usize) -> Poll<Piece> {
        let mut state = self.lock();
        let withheld = state.withheld();
        if let Some(chunk) = state.chunks.front_mut().filter(|c| c.len() > withheld) {
            let max = max.min(chunk.len() - withheld);
            let data = if chunk.len() > max {
                chunk.split_to(max)
            } else {
                state.chunks.pop_front().unwrap_or_default()
            };
            let buffered = state.buffered - data.len();
            state.set_buffered(buffered);
            state.rate.add_taken(data.len());
            let writer = if state.has_room() {
                state.writer.take()
            } else {
                None
            };
            drop(state);
            wake([writer, None, None]);
            return Poll::Ready(Piece::Data(data));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(match state.trailers.take() {
                Some(trailers) => Piece::Trailers(trailers),
                None => Piece::End,
            }),
            Some(Err(refusal)) => Poll::Ready(Piece::Broken(refusal)),
            None => {
                register(&mut state.reader, cx);
                Poll::Pending
            }
        }
    }

    /// The server's side, if it switched protocols.
    pub(crate) fn take_switched(&self) -> Option<Box<dyn Tunnel>> {
        self.lock().switched.take()
    }

    /// How long the dyno took to be connected to.
    pub(crate) fn connect(&self) -> Duration {
        self.lock().connect
    }

    /// Whether all of a complete response has been taken.
    pub(crate) fn is_drained(&self) -> bool {
        let state = self.lock();
        state.is_body_taken() && state.trailers.is_none()
    }

    /// The same but for trailers, which go out in chunked HTTP/1.1 and in HTTP/2 only: nobody asks for those beside a
    /// `Content-Length` (RFC 9112, 7.1.2).
    pub(crate) fn is_body_taken(&self) -> bool {
        self.lock().is_body_taken()
    }

    /// More of why the response failed.
    pub(crate) fn cause(&self) -> Option<&'static str> {
        self.lock().cause
    }

    /// How the response failed, if it did.
    pub(crate) fn failure(&self) -> Option<Refusal> {
        self.lock().end.and_then(Result::err)
    }

    /// The response is being written to a client, whose connection or stream this ends.
    pub(crate) fn set_cut(&self, cut: Arc<dyn Cut>) {
        self.lock().cut = Some(cut);
    }

    /// The client's side leaves; the guest goes on into the void.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        state.gone = true;
        state.chunks.clear();
        state.set_buffered(0);
        let wakers = [state.writer.take(), state.driver.take(), None];
        drop(state);
        wake(wakers);
    }

    /// Gives the response up and has the guest ended.
    pub(crate) fn abort(&self, refusal: Refusal, why: Kill) {
        let mut state = self.lock();
        state.end.get_or_insert(Err(refusal));
        state.order.get_or_insert(why);
        let wakers = [
            state.reader.take(),
            state.writer.take(),
            state.driver.take(),
        ];
        drop(state);
        wake(wakers);
    }

    /// How far a streamed request body has come.
    pub(crate) fn upload(&self) -> Upload {
        self.lock().upload
    }
}

/// The driver's side.
impl Exchange {
    /// What the driver is to do; it is woken when that changes.
    pub(crate) fn orders(&self, cx: &Context<'_>) -> Orders {
        let mut state = self.lock();
        register(&mut state.driver, cx);
        let verdict = match state.discards() {
            true => Verdict::NotWaiting,
            false => state.rate.judge(),
        };
        let orders = Orders {
            kill: state.order,
            abandoned: state.gone && state.is_unwanted(),
            answered: state.end.is_some(),
            judge_at: match verdict {
                Verdict::Until(at) => Some(at),
                Verdict::NotWaiting | Verdict::TooSlow => None,
            },
        };
        if verdict == Verdict::TooSlow {
            self.cut_reader(state);
        }
        orders
    }

    /// Cuts off a client that reads too slowly (H28). The guest goes on into the void.
    fn cut_reader(&self, mut state: MutexGuard<'_, State>) {
        state.end = Some(Err(Refusal::ClientIdle));
        state.chunks.clear();
        state.set_buffered(0);
        let cut = state.cut.take();
        let wakers = [state.reader.take(), state.writer.take(), None];
        drop(state);
        wake(wakers);
        if let Some(cut) = cut {
            cut.cut();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half way, so a poisoned state is still a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_body_taken(&self) -> bool {
        self.end == Some(Ok(())) && self.chunks.is_empty()
    }

    fn set_buffered(&mut self, buffered: usize) {
        self.buffered = buffered;
        self.share.set(buffered);
    }

    fn has_room(&self) -> bool {
        self.buffered < RESPONSE_BUFFER && self.share.has_room(self.buffered)
    }

    /// Whether the client's leaving is what ended it, or will. A response that has ended otherwise, well or badly, is
    /// told before the client leaves.
    fn is_unwanted(&self) -> bool {
        match self.end {
            None => true,
            Some(Ok(())) => false,
            Some(Err(refusal)) => matches!(
                refusal,
                Refusal::ClientInterrupted | Refusal::ClientIdle | Refusal::ForcedClose
            ),
        }
    }

    fn discards(&self) -> bool {
        self.gone || self.end.is_some()
    }

    /// Bytes of the first chunk that must not go out yet: the last one of a declared length stays until the guest
    /// has said that there is no more. With it the client would have a whole response, whatever comes then.
    fn withheld(&self) -> usize {
        let last = self.declared == Some(self.received) && self.chunks.len() == 1;
        usize::from(last && self.end != Some(Ok(())))
    }
}
