//! The dynos and the waiting requests of one app, as a state machine.
//!
//! Owns which request gets which dyno, which request waits, and which request is refused. Must not know HTTP, locks,
//! timers or clocks: the router drives a line under its lock, the simulator drives it in virtual time. Events are
//! method calls, actions are what the methods return; nothing happens between two calls.
//!
//! Always true: while a request waits, no dyno is free; and a dyno's handle is in one place only: in the free list, or
//! in the claim of one request.
//!
//! A lost dyno is no event. Its handle never comes back, and the next route leaves the dyno out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::free_list::{FreeList, count_passes};
use super::{BOOT_WAIT_MAX, FIRST_BYTE_TIMEOUT, FIRST_BYTE_TIMEOUT_RANGE};
use crate::name::{DynoKey, Generation};
use crate::protocol::{Refusal, Route, RouteTarget};
use crate::time::Time;

/// One app's free list and queue of waiting requests.
///
/// `D` is a handle: the exclusive right to hand one dyno one request. `W` is what the driver needs to answer a request
/// that waits.
#[derive(Debug)]
pub struct Line<D, W> {
    key_of: fn(&D) -> &DynoKey,
    generation: Option<Generation>,
    /// Counts changes of the route.
    epoch: RouteEpoch,
    mode: Mode,
    /// When the app last went from booting to serving: time spent waiting for a boot is not held against the app.
    booted: Option<Time>,
    backlog_max: usize,
    first_byte_timeout: Duration,
    /// After so many passes of the sweeper a free dyno is put to sleep; none: never.
    idle_passes: Option<u64>,
    /// The dynos that the route names.
    routed: BTreeSet<DynoKey>,
    free: FreeList<D>,
    /// In order of arrival.
    waiting: BTreeMap<Ticket, QueuedRequest<W>>,
    next_ticket: Ticket,
}

/// The handling of requests while no dyno is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Serving,
    Booting,
    Refusing(Refusal),
}

#[derive(Debug)]
struct QueuedRequest<W> {
    arrived: Time,
    waiter: W,
}

/// The place of a waiting request in its app's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Identifies the route of an app at one moment. Equal epochs mean that the route has not changed in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteEpoch(u64);

/// A dyno that was taken for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<D> {
    /// The dyno's handle.
    pub dyno: D,
    /// When the dyno was taken. If the route is still the same when the dyno comes back, nothing needs to be looked up.
    pub epoch: RouteEpoch,
}

/// The outcome for a request that has just arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival<D> {
    /// The request gets this dyno.
    Claimed(Claim<D>),
    /// The request waits, behind `depth` others.
    Queued {
        /// Its place in the queue.
        ticket: Ticket,
        /// Requests that waited before it.
        depth: u32,
    },
    /// The request is answered at once.
    Refused(Refusal),
}

/// The outcome for a dyno that has finished a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover<D, W> {
    /// The dyno is for the request that has waited longest. If that request is gone by now, release the claim again.
    Grant(W, Claim<D>),
    /// The dyno is free.
    Rested,
    /// The route no longer names the dyno: drop its handle.
    Retired(D),
}

/// How a waiting request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStatus {
    /// The request goes on waiting. Ask again at this time: a route that was published meanwhile may change its limit.
    Waiting {
        /// When to ask again, at the latest.
        check_at: Time,
    },
    /// The request has waited too long, and has left the queue.
    TimedOut(Refusal),
    /// The request does not wait any more: it was granted a dyno, refused, or has left.
    Gone,
}

/// When a response is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstByteDue {
    /// When the first byte of the response must be there.
    pub at: Time,
    /// The app's whole time to the first byte.
    pub timeout: Duration,
}

/// The actions that a change of the route requires of the driver.
#[derive(Debug)]
pub struct RouteSwap<D, W> {
    /// Requests that get a dyno, in order of arrival. If one of them is gone by now, release its claim again.
    pub grants: Vec<(W, Claim<D>)>,
    /// Requests that are refused, in order of arrival.
    pub refused: Vec<(W, Refusal)>,
    /// Handles to be dropped: of dynos that the route does not name, and second handles of one dyno.
    pub retired: Vec<D>,
}

/// A route older than the published one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route has generation {offered}, and {published} is published")]
pub struct StaleRoute {
    /// The generation of the refused route.
    pub offered: Generation,
    /// The generation of the published route.
    pub published: Generation,
}

/// How busy an app is, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Dynos that wait for a request.
    pub free: usize,
    /// Free dynos that sleep.
    pub asleep: usize,
    /// Dynos of the route that have a request, or that were lost and are not replaced yet.
    pub busy: usize,
    /// Requests that wait for a dyno.
    pub waiting: usize,
}

impl<D, W> Line<D, W> {
    /// A line of an app without a route: it refuses every request with H81. `key_of` names a handle's dyno.
    pub fn new(key_of: fn(&D) -> &DynoKey) -> Self {
        Line {
            key_of,
            generation: None,
            epoch: RouteEpoch::default(),
            mode: Mode::Refusing(Refusal::BlankApp),
            booted: None,
            backlog_max: 0,
            first_byte_timeout: FIRST_BYTE_TIMEOUT,
            idle_passes: None,
            routed: BTreeSet::new(),
            free: FreeList::new(),
            waiting: BTreeMap::new(),
            next_ticket: Ticket::default(),
        }
    }

    /// Whether a request that arrives now would be refused. For a request whose body is to be read first.
    pub fn check_admission(&self) -> Result<(), Refusal> {
        match self.mode {
            Mode::Refusing(refusal) => Err(refusal),
            _ if self.free.is_empty() && self.waiting.len() >= self.backlog_max => {
                Err(Refusal::BacklogTooDeep)
            }
            _ => Ok(()),
        }
    }

    /// Admits a request. The request gets the free dyno that was used last, or a sleeping dyno if no other is free;
    /// otherwise the request waits. `waiter` is only called for a request that waits, so that a free dyno costs no
    /// allocation.
    pub fn admit_request(&mut self, arrived: Time, waiter: impl FnOnce() -> W) -> Arrival<D> {
        if let Err(refusal) = self.check_admission() {
            return Arrival::Refused(refusal);
        }
        if let Some(dyno) = self.free.pop() {
            let epoch = self.epoch;
            return Arrival::Claimed(Claim { dyno, epoch });
        }
        let (ticket, depth) = (self.next_ticket, self.waiting.len());
        self.next_ticket.0 += 1;
        let waiter = waiter();
        let queued = QueuedRequest { arrived, waiter };
        self.waiting.insert(ticket, queued);
        Arrival::Queued {
            ticket,
            depth: u32::try_from(depth).unwrap_or(u32::MAX),
        }
    }

    /// A dyno has finished its request. The request that has waited longest gets it, if the route still names it.
    pub fn release_dyno(&mut self, claim: Claim<D>) -> Handover<D, W> {
        self.hand_over(claim, FreeList::push_awake)
    }

    /// A dyno from [`Line::take_tired_dyno`] sleeps now. A request that came meanwhile gets it, and wakes it.
    pub fn release_sleeping_dyno(&mut self, claim: Claim<D>) -> Handover<D, W> {
        self.hand_over(claim, FreeList::push_asleep)
    }

    fn hand_over(&mut self, claim: Claim<D>, rest: fn(&mut FreeList<D>, D)) -> Handover<D, W> {
        let Claim { dyno, epoch } = claim;
        if epoch != self.epoch && !self.routed.contains((self.key_of)(&dyno)) {
            return Handover::Retired(dyno);
        }
        match self.grant_oldest(dyno) {
            Ok((waiter, claim)) => Handover::Grant(waiter, claim),
            Err(dyno) => {
                rest(&mut self.free, dyno);
                Handover::Rested
            }
        }
    }

    /// Gives the dyno to the request that has waited longest, or returns the dyno if no request waits.
    fn grant_oldest(&mut self, dyno: D) -> Result<(W, Claim<D>), D> {
        let epoch = self.epoch;
        match self.waiting.pop_first() {
            Some((_, oldest)) => Ok((oldest.waiter, Claim { dyno, epoch })),
            None => Err(dyno),
        }
    }

    /// A waiting request is abandoned by its client. None if it does not wait any more: its grant, if it got one, must
    /// be released.
    pub fn leave_queue(&mut self, ticket: Ticket) -> Option<W> {
        self.waiting.remove(&ticket).map(|left| left.waiter)
    }

    /// Whether a waiting request may wait on, and until when. Removes it from the queue if its time is over.
    pub fn check_wait(&mut self, ticket: Ticket, now: Time) -> WaitStatus {
        let Some(waiting) = self.waiting.get(&ticket) else {
            return WaitStatus::Gone;
        };
        let (due, refusal) = match self.mode {
            Mode::Booting => (waiting.arrived + BOOT_WAIT_MAX, Refusal::BootTimeout),
            _ => (
                self.first_byte_due(waiting.arrived).at,
                Refusal::RequestTimeout,
            ),
        };
        if now >= due {
            self.waiting.remove(&ticket);
            return WaitStatus::TimedOut(refusal);
        }
        let check_at = due.min(now + self.first_byte_timeout);
        WaitStatus::Waiting { check_at }
    }

    /// When the response to a request is due that arrived at `arrived`. Time spent waiting for the app's boot does not
    /// count, up to [`BOOT_WAIT_MAX`]: an app whose dyno crashes and boots over and over must not hold requests for
    /// ever.
    pub fn first_byte_due(&self, arrived: Time) -> FirstByteDue {
        let counted_from = self.booted.map_or(arrived, |booted| booted.max(arrived));
        let counted_from = counted_from.min(arrived + BOOT_WAIT_MAX);
        FirstByteDue {
            at: counted_from + self.first_byte_timeout,
            timeout: self.first_byte_timeout,
        }
    }

    /// Puts a route in force, at `now`. `fresh` has a handle for each dyno that no earlier route named, and is empty
    /// afterwards. Waiting requests go on waiting, unless the route refuses them.
    ///
    /// # Errors
    /// [`StaleRoute`] if a later generation is in force: nothing changes, `fresh` included. The same generation again
    /// does no harm.
    pub fn publish_route(
        &mut self,
        route: &Route,
        fresh: &mut Vec<D>,
        now: Time,
    ) -> Result<RouteSwap<D, W>, StaleRoute> {
        if let Some(published) = self.generation.filter(|known| *known > route.generation) {
            let offered = route.generation;
            return Err(StaleRoute { offered, published });
        }
        self.generation = Some(route.generation);
        self.backlog_max = usize::try_from(route.backlog_max).unwrap_or(usize::MAX);
        let timeout = route.request_timeout.unwrap_or(FIRST_BYTE_TIMEOUT);
        let (least, most) = FIRST_BYTE_TIMEOUT_RANGE.into_inner();
        self.first_byte_timeout = timeout.clamp(least, most);
        self.idle_passes = route.idle_after.map(count_passes);
        let booted = self.mode == Mode::Booting && matches!(route.target, RouteTarget::Dynos(_));
        if booted {
            self.booted = Some(now);
        }
        Ok(self.swap(&route.target, std::mem::take(fresh)))
    }

    /// Refuses every request that waits and, until the next route, every request that arrives.
    pub fn refuse_requests(&mut self, refusal: Refusal) -> RouteSwap<D, W> {
        self.swap(&RouteTarget::Refuse(refusal), Vec::new())
    }

    fn swap(&mut self, target: &RouteTarget, fresh: Vec<D>) -> RouteSwap<D, W> {
        self.epoch.0 += 1;
        let (mode, routed) = match target {
            RouteTarget::Dynos(dynos) => {
                let keys = dynos.iter().map(|routed| routed.dyno.clone());
                (Mode::Serving, keys.collect())
            }
            RouteTarget::Booting => (Mode::Booting, BTreeSet::new()),
            RouteTarget::Refuse(refusal) => (Mode::Refusing(*refusal), BTreeSet::new()),
        };
        self.mode = mode;
        let known = std::mem::replace(&mut self.routed, routed);
        let key_of = self.key_of;
        let mut retired = self.free.retain(|dyno| self.routed.contains(key_of(dyno)));
        // A second handle of a dyno would let two requests into it.
        let (new, excess): (Vec<D>, Vec<D>) = fresh
            .into_iter()
            .partition(|dyno| self.routed.contains(key_of(dyno)) && !known.contains(key_of(dyno)));
        retired.extend(excess);
        let mut grants = Vec::new();
        for dyno in new {
            match self.grant_oldest(dyno) {
                Ok(grant) => grants.push(grant),
                Err(dyno) => self.free.push_awake(dyno),
            }
        }
        let mut refused = Vec::new();
        if let Mode::Refusing(refusal) = mode {
            let waiting = std::mem::take(&mut self.waiting).into_values();
            refused.extend(waiting.map(|waiting| (waiting.waiter, refusal)));
        }
        RouteSwap {
            grants,
            refused,
            retired,
        }
    }

    /// Counts a pass of the router's sweeper. Returns whether a dyno has been free long enough to be put to sleep.
    pub fn count_sweep(&mut self) -> bool {
        self.free.count_pass();
        self.idle_passes.is_some_and(|n| self.free.has_tired(n))
    }

    /// Takes a dyno that has been free long enough, for the driver to put it to sleep and release it.
    pub fn take_tired_dyno(&mut self) -> Option<Claim<D>> {
        let dyno = self.free.pop_tired(self.idle_passes?)?;
        let epoch = self.epoch;
        Some(Claim { dyno, epoch })
    }

    /// How busy the app is.
    pub fn load(&self) -> Load {
        Load {
            free: self.free.len(),
            asleep: self.free.count_asleep(),
            busy: self.routed.len().saturating_sub(self.free.len()),
            waiting: self.waiting.len(),
        }
    }
}

#[cfg(test)]
mod tests;
