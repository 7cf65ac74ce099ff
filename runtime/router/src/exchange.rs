//! The one buffer that a running call and a connection share, for one request.
//!
//! Owns who waits for whom, the buffered response, and how the response ended. Must not know sockets, the
//! HTTP library's bodies, or what runs the call. A mutex held for moments, and three wakers: no channel.

use crate::buffers::{Buffers, Share};
use crate::limits::SPILL_AFTER;
use crate::reader_rate::{ReaderRate, Verdict};
use crate::response::tunnel::Tunnel;
use crate::response_queue::{Next, ResponseQueue};
use crate::seam::Kill;
use crate::spill::{ReadJob, WriteJob};
use bytes::Bytes;
use grid::protocol::Refusal;
use http::HeaderMap;
use http::response::Parts;
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
    /// The head is all of the response.
    bodyless: bool,
    /// It is, and the guest sends a body that nobody will ever read: as if its client had left.
    unread: bool,
    /// `Content-Length`, if the guest gave one.
    declared: Option<u64>,
    received: u64,
    queue: ResponseQueue,
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
            bodyless: false,
            unread: false,
            declared: None,
            received: 0,
            queue: ResponseQueue::new(buffers),
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
        state.bodyless = bodyless;
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

    /// Ready when there is room for more, or when nobody wants more. Once the guest has waited for a while, room is made
    /// on disk; when that takes nothing either, the guest waits for its client.
    pub(crate) fn poll_room(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.queue.has_room() || state.discards() {
            state.rate.end_wait();
            return Poll::Ready(());
        }
        register(&mut state.writer, cx);
        if !state.queue.is_writing() {
            match state.begin_spill() {
                Some(job) => self.spill(job),
                None => state.rate.begin_wait(),
            }
        }
        Poll::Pending
    }

    fn spill(self: &Arc<Self>, job: WriteJob) {
        let exchange = self.clone();
        tokio::task::spawn_blocking(move || {
            let written = job.run();
            let mut state = exchange.lock();
            state.queue.end_write(written);
            let wakers = [state.reader.take(), state.writer.take(), None];
            drop(state);
            wake(wakers);
        });
    }

    /// Takes a piece of the body. More than was declared breaks the response off.
    pub(crate) fn put_data(&self, mut data: Bytes) {
        let mut state = self.lock();
        if data.is_empty() || state.discards() || !state.begun {
            state.unread |= state.bodyless && !data.is_empty();
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
        state.queue.push(data);
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
        state.queue.take_whole()
    }

    /// The next piece of the body, of at most `max` bytes.
    pub(crate) fn poll_piece(self: &Arc<Self>, cx: &mut Context<'_>, max: usize) -> Poll<Piece> {
        let mut state = self.lock();
        let holds_last = state.holds_last();
        match state.queue.next(max, holds_last) {
            Next::Data(data) => {
                state.rate.add_taken(data.len());
                let has_room = state.queue.has_room();
                let writer = state.writer.take_if(|_| has_room);
                drop(state);
                wake([writer, None, None]);
                return Poll::Ready(Piece::Data(data));
            }
            Next::Read(job) => {
                register(&mut state.reader, cx);
                self.read_back(job);
                return Poll::Pending;
            }
            Next::Wait => {
                register(&mut state.reader, cx);
                return Poll::Pending;
            }
            Next::Nothing => {}
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

    fn read_back(self: &Arc<Self>, job: ReadJob) {
        let exchange = self.clone();
        tokio::task::spawn_blocking(move || {
            let read = job.run();
            let mut state = exchange.lock();
            if state.queue.end_read(read).is_err() {
                // Of what the disk has lost, nothing that follows can be sent.
                state.queue.clear();
                state.end = Some(Err(Refusal::Platform));
            }
            let wakers = [state.reader.take(), state.writer.take(), None];
            drop(state);
            wake(wakers);
        });
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
        state.queue.clear();
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
    pub(crate) fn orders(self: &Arc<Self>, cx: &Context<'_>) -> Orders {
        let mut state = self.lock();
        register(&mut state.driver, cx);
        let mut verdict = match state.discards() {
            true => Verdict::NotWaiting,
            false => state.rate.judge(),
        };
        if let Verdict::Until(at) = &mut verdict {
            match state.begin_spill() {
                Some(job) => {
                    self.spill(job);
                    verdict = Verdict::NotWaiting;
                }
                // To look again when the time has come.
                None => *at = (*at).min(state.spill_at().unwrap_or(*at)),
            }
        }
        let orders = Orders {
            kill: state.order,
            abandoned: state.unread || (state.gone && state.is_unwanted()),
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
        state.queue.clear();
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
        self.end == Some(Ok(())) && self.queue.is_empty()
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

    /// The job that makes room on disk, for a guest that has waited long enough.
    fn begin_spill(&mut self) -> Option<WriteJob> {
        if self.rate.waited() < SPILL_AFTER {
            return None;
        }
        let job = self.queue.begin_write()?;
        self.rate.end_wait();
        Some(job)
    }

    /// When that will be.
    fn spill_at(&self) -> Option<Instant> {
        let left = SPILL_AFTER.checked_sub(self.rate.waited())?;
        (!left.is_zero()).then(|| Instant::now() + left)
    }

    fn discards(&self) -> bool {
        self.gone || self.end.is_some()
    }

    /// Whether the last byte must not go out yet: that of a declared length stays until the guest has said that there
    /// is no more. With it the client would have a whole response, whatever comes then.
    fn holds_last(&self) -> bool {
        self.declared == Some(self.received) && self.end != Some(Ok(()))
    }
}
