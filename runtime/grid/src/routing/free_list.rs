//! The free dynos of one app.
//!
//! Owns their order, and which of them sleep. Must not know requests, routes or clocks: time is counted in passes of
//! the router's sweeper, so that a request reads no clock for it.

use std::collections::VecDeque;
use std::time::Duration;

/// How often the router's sweeper looks for dynos that have been free long enough to be put to sleep. A dyno falls
/// asleep at most two of these spans later than its app's setting says.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The number of sweeper passes that last at least `idle_after`: one or more.
pub(super) fn count_passes(idle_after: Duration) -> u64 {
    let passes = idle_after.as_millis().div_ceil(SWEEP_EVERY.as_millis());
    // Half of the range, so that a pass number plus this never overflows.
    u64::try_from(passes).unwrap_or(u64::MAX / 2).max(1)
}

/// Last in, first out: the dyno that became free last has the warmest memory, and the others can fall asleep.
#[derive(Debug)]
pub(super) struct FreeList<D> {
    /// In the order in which they became free.
    awake: VecDeque<FreeDyno<D>>,
    /// Taken only when no dyno is awake and free.
    asleep: Vec<D>,
    /// Sweeper passes so far.
    pass: u64,
}

#[derive(Debug)]
struct FreeDyno<D> {
    dyno: D,
    /// The number of the last pass before the dyno became free.
    since: u64,
}

impl<D> FreeList<D> {
    pub(super) fn new() -> Self {
        FreeList {
            awake: VecDeque::new(),
            asleep: Vec::new(),
            pass: 0,
        }
    }

    /// The number of free dynos, sleeping ones included.
    pub(super) fn len(&self) -> usize {
        self.awake.len() + self.asleep.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.awake.is_empty() && self.asleep.is_empty()
    }

    pub(super) fn count_asleep(&self) -> usize {
        self.asleep.len()
    }

    pub(super) fn push_awake(&mut self, dyno: D) {
        let since = self.pass;
        self.awake.push_back(FreeDyno { dyno, since });
    }

    pub(super) fn push_asleep(&mut self, dyno: D) {
        self.asleep.push(dyno);
    }

    /// Takes the dyno that became free last, or a sleeping one if no other is free.
    pub(super) fn pop(&mut self) -> Option<D> {
        match self.awake.pop_back() {
            Some(free) => Some(free.dyno),
            None => self.asleep.pop(),
        }
    }

    /// Counts one more pass of the sweeper.
    pub(super) fn count_pass(&mut self) {
        self.pass += 1;
    }

    /// Whether a dyno that is awake has been free for at least the time of `passes` passes.
    pub(super) fn has_tired(&self, passes: u64) -> bool {
        let longest_free = self.awake.front();
        // The pass before the dyno became free may have been a moment ago, so one more is needed.
        longest_free.is_some_and(|free| self.pass > free.since + passes)
    }

    /// Takes the awake dyno that has been free longest, if that is at least the time of `passes` passes.
    pub(super) fn pop_tired(&mut self, passes: u64) -> Option<D> {
        if !self.has_tired(passes) {
            return None;
        }
        self.awake.pop_front().map(|free| free.dyno)
    }

    /// Keeps the dynos for which `keep` is true, in order, and returns the others.
    pub(super) fn retain(&mut self, keep: impl Fn(&D) -> bool) -> Vec<D> {
        let (awake, removed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.awake)
            .into_iter()
            .partition(|free| keep(&free.dyno));
        let (asleep, removed_asleep) = std::mem::take(&mut self.asleep).into_iter().partition(keep);
        self.awake = awake.into();
        self.asleep = asleep;
        let removed = removed.into_iter().map(|free| free.dyno);
        removed.chain::<Vec<_>>(removed_asleep).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_dyno_in_is_taken_first_and_sleeping_dynos_last() {
        let mut free = FreeList::new();
        free.push_asleep(1);
        free.push_awake(2);
        free.push_awake(3);
        let taken: Vec<_> = std::iter::from_fn(|| free.pop()).collect();
        assert_eq!(taken, [3, 2, 1]);
    }

    #[test]
    fn dyno_may_sleep_only_after_all_its_passes() {
        let mut free = FreeList::new();
        free.push_awake(1);
        // The first pass may follow at once.
        (0..2).for_each(|_| free.count_pass());
        assert!(!free.has_tired(2));
        free.count_pass();
        assert_eq!(free.pop_tired(2), Some(1));
        assert_eq!(free.pop_tired(2), None);
    }

    #[test]
    fn passes_cover_the_time_and_are_never_zero() {
        let passes = |millis| count_passes(Duration::from_millis(millis));
        assert_eq!((passes(0), passes(1_000), passes(1_001)), (1, 1, 2));
        assert!(count_passes(Duration::MAX) <= u64::MAX / 2);
    }
}
