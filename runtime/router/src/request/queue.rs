//! The dynos and the waiting requests of one app.
//!
//! Owns the free list and the one FIFO. Must not know requests, connections or timers; the lock is held for
//! moments and never across an await.
//!
//! Two things always hold: while a request waits no dyno is free, and a handle is in one place only (the free
//! list, a call, or on its way to one request). A request that stops waiting gives back what it was handed.

use crate::limits::{BOOT_WAIT_MAX, FIRST_BYTE_TIMEOUT, FIRST_BYTE_TIMEOUT_RANGE};
use crate::log::statistics::Tally;
use crate::request::free_list::FreeList;
use crate::request::sleep_sweeper;
use exchange::DynoHandle;
use grid::name::{AppName, DynoKey, Generation};
use grid::protocol::{Refusal, Route, RouteTarget};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// An app as the router knows it, from the first route to the last.
#[derive(Debug)]
pub(crate) struct App<D: DynoHandle> {
    pub(crate) name: AppName,
    pub(crate) tally: Arc<Tally>,
    pool: Mutex<Pool<D>>,
}

/// How busy an app is, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Dynos that wait for a request.
    pub free: usize,
    /// Those of them that sleep.
    pub asleep: usize,
    /// Dynos of the route that have one, or whose handle is lost and whose replacement is to come.
    pub busy: usize,
    /// Requests that wait for a dyno.
    pub waiting: usize,
}

/// A dyno taken for one request.
#[derive(Debug)]
pub(crate) struct Claim<D> {
    pub(crate) dyno: D,
    /// Which publish it was taken under: if none came since, it need not be looked up when it comes back.
    pub(crate) epoch: u64,
}

/// What a request that asks for a dyno gets.
pub(crate) enum Turn<D: DynoHandle> {
    Now(Claim<D>),
    Wait(Ticket<D>),
    Refused(Refusal),
}

/// A place in the FIFO.
#[derive(Debug)]
pub(crate) struct Ticket<D: DynoHandle> {
    app: Arc<App<D>>,
    number: u64,
    /// How many were waiting before.
    pub(crate) depth: u32,
    grant: oneshot::Receiver<Grant<D>>,
}

type Grant<D> = Result<Claim<D>, Refusal>;

#[derive(Debug)]
enum Mode {
    Serving,
    Booting,
    Refusing(Refusal),
}

#[derive(Debug)]
struct Pool<D> {
    generation: Option<Generation>,
    /// Counts publishes.
    epoch: u64,
    mode: Mode,
    /// When the app last went from booting to serving: waiting for a boot is not held against the app.
    booted: Option<Instant>,
    backlog_max: usize,
    first_byte: Duration,
    /// After so many passes of the sweeper a free dyno is put to sleep; none: never.
    idle_passes: Option<u64>,
    live: HashSet<DynoKey>,
    free: FreeList<D>,
    waiting: BTreeMap<u64, oneshot::Sender<Grant<D>>>,
    next_ticket: u64,
}

/// A route older than the one that is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route has generation {offered}, and {published} is published")]
pub struct Stale {
    /// What was to be published.
    pub offered: Generation,
    /// What is.
    pub published: Generation,
}

impl<D: DynoHandle> App<D> {
    pub(crate) fn new(name: AppName) -> Arc<Self> {
        Arc::new(App {
            name,
            tally: Arc::default(),
            pool: Mutex::new(Pool {
                generation: None,
                epoch: 0,
                mode: Mode::Refusing(Refusal::BlankApp),
                booted: None,
                backlog_max: 0,
                first_byte: FIRST_BYTE_TIMEOUT,
                idle_passes: None,
                live: HashSet::new(),
                free: FreeList::new(),
                waiting: BTreeMap::new(),
                next_ticket: 0,
            }),
        })
    }

    /// Whether a request has a chance at all: asked before its body is read.
    pub(crate) fn admit(&self) -> Result<(), Refusal> {
        self.lock().admit()
    }

    /// Takes the free dyno that was used last, one that sleeps if there is no other, or a place in the FIFO.
    pub(crate) fn take(self: &Arc<Self>) -> Turn<D> {
        let mut pool = self.lock();
        if let Err(refusal) = pool.admit() {
            return Turn::Refused(refusal);
        }
        if let Some(dyno) = pool.free.pop() {
            let epoch = pool.epoch;
            return Turn::Now(Claim { dyno, epoch });
        }
        let (number, depth) = (pool.next_ticket, pool.waiting.len());
        pool.next_ticket += 1;
        let (sender, grant) = oneshot::channel();
        pool.waiting.insert(number, sender);
        drop(pool);
        Turn::Wait(Ticket {
            app: self.clone(),
            number,
            depth: u32::try_from(depth).unwrap_or(u32::MAX),
            grant,
        })
    }

    /// A dyno is done with its request. The oldest waiting request has it next, if the route still names it.
    pub(crate) fn give_back(&self, dyno: D, epoch: u64) {
        self.accept(dyno, epoch, FreeList::push);
    }

    fn accept(&self, dyno: D, epoch: u64, rest: fn(&mut FreeList<D>, D)) {
        let mut pool = self.lock();
        let retired = if epoch == pool.epoch || pool.live.contains(dyno.key()) {
            pool.hand_out(dyno, rest);
            None
        } else {
            Some(dyno)
        };
        drop(pool);
        // Outside the lock: what a handle does when it is dropped is not ours.
        drop(retired);
    }

    /// A pass of the sweeper: whether a dyno is to be put to sleep.
    pub(crate) fn sweep(&self) -> bool {
        let mut pool = self.lock();
        pool.free.pass();
        pool.idle_passes.is_some_and(|n| pool.free.is_tired(n))
    }

    /// Puts the dynos to sleep that have rested long enough, one after the other. It may take a while.
    pub(crate) fn put_to_sleep(&self) {
        while let Some(Claim { mut dyno, epoch }) = self.take_tired() {
            dyno.sleep();
            // Who waits has come in this moment, and wakes it at once.
            self.accept(dyno, epoch, FreeList::push_asleep);
        }
    }

    fn take_tired(&self) -> Option<Claim<D>> {
        let mut pool = self.lock();
        let passes = pool.idle_passes?;
        let dyno = pool.free.pop_tired(passes)?;
        let epoch = pool.epoch;
        Some(Claim { dyno, epoch })
    }

    /// How long a request that came at `arrived` may wait for a dyno.
    pub(crate) fn patience(&self, arrived: Instant) -> Patience {
        let pool = self.lock();
        let (due, refusal) = match pool.mode {
            Mode::Booting => (arrived + BOOT_WAIT_MAX, Refusal::BootTimeout),
            _ => (pool.first_byte_due(arrived), Refusal::RequestTimeout),
        };
        let window = pool.first_byte;
        Patience {
            due,
            refusal,
            window,
        }
    }

    /// When the first byte of the answer is due to a request that came at `arrived`, and what time it has in all.
    /// Boots are not held against a request.
    pub(crate) fn due(&self, arrived: Instant) -> (Instant, Duration) {
        let pool = self.lock();
        (pool.first_byte_due(arrived), pool.first_byte)
    }

    /// Puts a route in place of the one before. Handles of `fresh` that it does not name are dropped.
    pub(crate) fn publish(&self, route: &Route, fresh: Vec<D>) -> Result<(), Stale> {
        let mut pool = self.lock();
        if let Some(published) = pool.generation.filter(|now| *now > route.generation) {
            let offered = route.generation;
            drop(pool);
            return Err(Stale { offered, published });
        }
        pool.generation = Some(route.generation);
        pool.backlog_max = usize::try_from(route.backlog_max).unwrap_or(usize::MAX);
        let window = route.request_timeout.unwrap_or(FIRST_BYTE_TIMEOUT);
        let (least, most) = FIRST_BYTE_TIMEOUT_RANGE.into_inner();
        pool.first_byte = window.clamp(least, most);
        pool.idle_passes = route.idle_after.map(sleep_sweeper::passes);
        let retired = pool.swap(&route.target, fresh);
        drop(pool);
        drop(retired);
        Ok(())
    }

    /// Refuses all who wait and all who come.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        let retired = self.lock().swap(&RouteTarget::Refuse(refusal), Vec::new());
        drop(retired);
    }

    pub(crate) fn load(&self) -> Load {
        let pool = self.lock();
        Load {
            free: pool.free.len(),
            asleep: pool.free.asleep(),
            busy: pool.live.len().saturating_sub(pool.free.len()),
            waiting: pool.waiting.len(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pool<D>> {
        // A panic in here could only come from a waker; the pool is whole then.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a request may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Until when, as things are.
    pub(crate) due: Instant,
    /// What it is told then.
    pub(crate) refusal: Refusal,
    /// The app's time to the first byte.
    pub(crate) window: Duration,
}

impl<D: DynoHandle> Pool<D> {
    fn admit(&self) -> Result<(), Refusal> {
        match self.mode {
            Mode::Refusing(refusal) => Err(refusal),
            _ if self.free.is_empty() && self.waiting.len() >= self.backlog_max => {
                Err(Refusal::BacklogTooDeep)
            }
            _ => Ok(()),
        }
    }

    fn first_byte_due(&self, arrived: Instant) -> Instant {
        let counted_from = self.booted.map_or(arrived, |booted| booted.max(arrived));
        counted_from + self.first_byte
    }

    /// To the oldest who waits, skipping those who have left; else to the free list, to rest there.
    fn hand_out(&mut self, dyno: D, rest: fn(&mut FreeList<D>, D)) {
        let mut claim = Claim {
            dyno,
            epoch: self.epoch,
        };
        while let Some((_, waiter)) = self.waiting.pop_first() {
            match waiter.send(Ok(claim)) {
                Ok(()) => return,
                Err(Ok(back)) => claim = back,
                Err(Err(_)) => unreachable!("what comes back is what was sent"),
            }
        }
        rest(&mut self.free, claim.dyno);
    }

    /// Takes over what a route says. Returns the handles that it has no use for.
    fn swap(&mut self, serve: &RouteTarget, fresh: Vec<D>) -> Vec<D> {
        self.epoch += 1;
        let mode = match serve {
            RouteTarget::Dynos(_) => Mode::Serving,
            RouteTarget::Booting => Mode::Booting,
            RouteTarget::Refuse(refusal) => Mode::Refusing(*refusal),
        };
        if matches!((&self.mode, &mode), (Mode::Booting, Mode::Serving)) {
            self.booted = Some(Instant::now());
        }
        self.mode = mode;
        let live = match serve {
            RouteTarget::Dynos(keys) => keys.iter().cloned().collect(),
            _ => HashSet::new(),
        };
        let known = std::mem::replace(&mut self.live, live);
        let mut retired = self.free.retain(|dyno| self.live.contains(dyno.key()));
        // A second handle of a dyno would let two requests into it.
        let (new, excess): (Vec<D>, Vec<D>) = fresh
            .into_iter()
            .partition(|dyno| self.live.contains(dyno.key()) && !known.contains(dyno.key()));
        retired.extend(excess);
        for dyno in new {
            self.hand_out(dyno, FreeList::push);
        }
        if let Mode::Refusing(refusal) = self.mode {
            for (_, waiter) in std::mem::take(&mut self.waiting) {
                // One who has left needs no answer.
                let _ = waiter.send(Err(refusal));
            }
        }
        retired
    }
}

impl<D: DynoHandle> Ticket<D> {
    /// Waits for the turn. May be dropped and called again at any point.
    pub(crate) async fn granted(&mut self) -> Grant<D> {
        let grant = (&mut self.grant).await;
        // The sender is dropped unused only with the pool itself.
        grant.unwrap_or(Err(Refusal::Platform))
    }
}

impl<D: DynoHandle> Drop for Ticket<D> {
    fn drop(&mut self) {
        self.grant.close();
        match self.grant.try_recv() {
            // Handed over in the moment of leaving: it must not be lost.
            Ok(Ok(claim)) => self.app.give_back(claim.dyno, claim.epoch),
            Ok(Err(_)) => {}
            Err(_) => {
                self.app.lock().waiting.remove(&self.number);
            }
        }
    }
}
