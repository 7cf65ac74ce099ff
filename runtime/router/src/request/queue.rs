//! The dynos and the waiting requests of one app: a [`Line`] under a lock.
//!
//! Owns the lock, and how a waiting request is woken. Must not know requests or connections, and must not decide
//! which request gets a dyno: the line decides that. The lock is held for moments and never across an await.

use std::sync::Arc;
use std::time::Duration;

use exchange::DynoHandle;
use grid::name::AppName;
use grid::protocol::{Refusal, Route};
use grid::routing::{
    Arrival, Claim, Handover, Line, Load, RouteSwap, StaleRoute, Ticket, WaitStatus,
};
use grid::time::Time;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::log::statistics::StatusCounters;

/// An app as the router knows it, from the first route to the last.
#[derive(Debug)]
pub(crate) struct RoutedApp<D: DynoHandle> {
    pub(crate) name: AppName,
    pub(crate) counters: Arc<StatusCounters>,
    /// The zero of the line's times.
    started: Instant,
    line: Mutex<Line<D, GrantSender<D>>>,
}

/// The result for a waiting request.
type DynoGrant<D> = Result<Claim<D>, Refusal>;

/// Wakes a waiting request.
type GrantSender<D> = oneshot::Sender<DynoGrant<D>>;

/// The result for a request that needs a dyno.
pub(crate) enum DynoTurn<D: DynoHandle> {
    Now(Claim<D>),
    Wait(WaitingRequest<D>),
    Refused(Refusal),
}

/// A request in the queue. Dropping it leaves the queue, and gives back the dyno that was granted meanwhile, if any.
#[derive(Debug)]
pub(crate) struct WaitingRequest<D: DynoHandle> {
    app: Arc<RoutedApp<D>>,
    ticket: Ticket,
    /// Requests that waited before this one.
    pub(crate) depth: u32,
    grant: oneshot::Receiver<DynoGrant<D>>,
}

impl<D: DynoHandle> RoutedApp<D> {
    pub(crate) fn new(name: AppName) -> Arc<Self> {
        Arc::new(RoutedApp {
            name,
            counters: Arc::default(),
            started: Instant::now(),
            line: Mutex::new(Line::new(D::key)),
        })
    }

    /// Whether a request that arrives now would be accepted. Asked before its body is read.
    pub(crate) fn admit(&self) -> Result<(), Refusal> {
        self.line.lock().check_admission()
    }

    /// Takes a free dyno for a request, or a place in the queue.
    pub(crate) fn claim_dyno(self: &Arc<Self>, arrived: Instant) -> DynoTurn<D> {
        let arrived = self.line_time(arrived);
        let mut receiver = None;
        let arrival = self.line.lock().admit_request(arrived, || {
            let (sender, grant) = oneshot::channel();
            receiver = Some(grant);
            sender
        });
        match (arrival, receiver) {
            (Arrival::Claimed(claim), _) => DynoTurn::Now(claim),
            (Arrival::Queued { ticket, depth }, Some(grant)) => DynoTurn::Wait(WaitingRequest {
                app: self.clone(),
                ticket,
                depth,
                grant,
            }),
            (Arrival::Queued { .. }, None) => unreachable!("a queued request has a waiter"),
            (Arrival::Refused(refusal), _) => DynoTurn::Refused(refusal),
        }
    }

    /// A dyno has finished its request. The request that has waited longest gets it, if the route still names it.
    pub(crate) fn give_back(&self, claim: Claim<D>) {
        self.release(claim, Line::release_dyno);
    }

    fn release(&self, claim: Claim<D>, release: ReleaseFn<D>) {
        let mut line = self.line.lock();
        let retired = release_to(&mut line, claim, release);
        drop(line);
        // Outside the lock: dropping a handle runs code of the dyno's node.
        drop(retired);
    }

    /// Counts a pass of the sweeper. Returns whether a dyno is to be put to sleep.
    pub(crate) fn sweep(&self) -> bool {
        self.line.lock().count_sweep()
    }

    /// Puts the dynos to sleep that have been free long enough, one after the other. May block for a while.
    pub(crate) fn put_to_sleep(&self) {
        loop {
            let tired = self.line.lock().take_tired_dyno();
            let Some(mut claim) = tired else { return };
            claim.dyno.sleep();
            self.release(claim, Line::release_sleeping_dyno);
        }
    }

    /// When the first byte of the response is due to a request that arrived at `arrived`, and the app's whole time to
    /// the first byte.
    pub(crate) fn first_byte_due(&self, arrived: Instant) -> (Instant, Duration) {
        let due = self.line.lock().first_byte_due(self.line_time(arrived));
        (self.instant(due.at), due.timeout)
    }

    /// Replaces the route. Handles of `fresh` that the new route does not name are dropped.
    pub(crate) fn publish(&self, route: &Route, mut fresh: Vec<D>) -> Result<(), StaleRoute> {
        let now = self.line_time(Instant::now());
        let mut line = self.line.lock();
        let swap = line.publish_route(route, &mut fresh, now);
        let done = swap.map(|swap| carry_out(&mut line, swap));
        drop(line);
        // `done` has handles that the route does not name, and `fresh` those of a stale route: see `release`.
        done.map(drop)
    }

    /// Refuses every request that waits and, until the next route, every request that comes.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        let mut line = self.line.lock();
        let swap = line.refuse_requests(refusal);
        let retired = carry_out(&mut line, swap);
        drop(line);
        drop(retired);
    }

    pub(crate) fn load(&self) -> Load {
        self.line.lock().load()
    }

    fn line_time(&self, at: Instant) -> Time {
        Time::ZERO + at.saturating_duration_since(self.started)
    }

    fn instant(&self, at: Time) -> Instant {
        self.started + at.since(Time::ZERO)
    }
}

/// How a dyno comes back: awake or asleep.
type ReleaseFn<D> = fn(&mut Line<D, GrantSender<D>>, Claim<D>) -> Handover<D, GrantSender<D>>;

/// Gives a dyno back to the line, and hands it to the first waiting request that is still there. Returns the dyno if
/// the route does not name it any more.
fn release_to<D>(
    line: &mut Line<D, GrantSender<D>>,
    mut claim: Claim<D>,
    release: ReleaseFn<D>,
) -> Option<D> {
    loop {
        match release(line, claim) {
            Handover::Grant(waiter, granted) => match waiter.send(Ok(granted)) {
                Err(Ok(unwanted)) => claim = unwanted,
                Ok(()) | Err(Err(_)) => return None,
            },
            Handover::Rested => return None,
            Handover::Retired(dyno) => return Some(dyno),
        }
    }
}

/// Grants dynos to waiting requests, or refuses them, as a new route requires. Returns the dynos that the route does not name.
fn carry_out<D>(line: &mut Line<D, GrantSender<D>>, swap: RouteSwap<D, GrantSender<D>>) -> Vec<D> {
    let mut retired = swap.retired;
    for (waiter, claim) in swap.grants {
        if let Err(Ok(unwanted)) = waiter.send(Ok(claim)) {
            retired.extend(release_to(line, unwanted, Line::release_dyno));
        }
    }
    for (waiter, refusal) in swap.refused {
        // A request that has left meanwhile needs no answer.
        let _ = waiter.send(Err(refusal));
    }
    retired
}

impl<D: DynoHandle> WaitingRequest<D> {
    /// Waits for a dyno for as long as the line allows.
    pub(crate) async fn wait(mut self) -> DynoGrant<D> {
        loop {
            let now = self.app.line_time(Instant::now());
            let status = self.app.line.lock().check_wait(self.ticket, now);
            match status {
                WaitStatus::Waiting { check_at } => {
                    let check_at = self.app.instant(check_at);
                    if let Ok(grant) = timeout_at(check_at, self.granted()).await {
                        return grant;
                    }
                }
                WaitStatus::TimedOut(refusal) => return Err(refusal),
                WaitStatus::Gone => return self.granted().await,
            }
        }
    }

    async fn granted(&mut self) -> DynoGrant<D> {
        let grant = (&mut self.grant).await;
        // The line drops a waiter without an answer only together with the app.
        grant.unwrap_or(Err(Refusal::Platform))
    }
}

impl<D: DynoHandle> Drop for WaitingRequest<D> {
    fn drop(&mut self) {
        self.grant.close();
        match self.grant.try_recv() {
            // Granted in the moment of leaving: the dyno must not be lost.
            Ok(Ok(claim)) => self.app.give_back(claim),
            Ok(Err(_)) => {}
            Err(_) => {
                self.app.line.lock().leave_queue(self.ticket);
            }
        }
    }
}
