//! The free dynos of one app.
//!
//! Owns their order, and which of them sleep. Must not know requests, routes or clocks: time is counted in passes
//! of the sweeper.

use exchange::DynoHandle;
use std::collections::VecDeque;

/// Last in, first out: the warmest dyno is next, and the others can sleep.
#[derive(Debug)]
pub(crate) struct FreeList<D> {
    /// In the order in which they became free.
    awake: VecDeque<Free<D>>,
    /// Taken only when no other is free.
    asleep: Vec<D>,
    /// Counts the sweeper's passes.
    pass: u64,
}

#[derive(Debug)]
struct Free<D> {
    dyno: D,
    /// The pass before it became free.
    since: u64,
}

impl<D: DynoHandle> FreeList<D> {
    pub(crate) fn new() -> Self {
        FreeList {
            awake: VecDeque::new(),
            asleep: Vec::new(),
            pass: 0,
        }
    }

    /// All that are free, those that sleep included.
    pub(crate) fn len(&self) -> usize {
        self.awake.len() + self.asleep.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.awake.is_empty() && self.asleep.is_empty()
    }

    /// Those that sleep.
    pub(crate) fn asleep(&self) -> usize {
        self.asleep.len()
    }

    pub(crate) fn push(&mut self, dyno: D) {
        let since = self.pass;
        self.awake.push_back(Free { dyno, since });
    }

    pub(crate) fn push_asleep(&mut self, dyno: D) {
        self.asleep.push(dyno);
    }

    /// The one that became free last; one that sleeps if there is no other.
    pub(crate) fn pop(&mut self) -> Option<D> {
        match self.awake.pop_back() {
            Some(free) => Some(free.dyno),
            None => self.asleep.pop(),
        }
    }

    /// The sweeper comes by.
    pub(crate) fn pass(&mut self) {
        self.pass += 1;
    }

    /// Whether one has rested, awake, for at least so many times the span between two passes.
    pub(crate) fn is_tired(&self, passes: u64) -> bool {
        let oldest = self.awake.front();
        oldest.is_some_and(|free| self.pass > free.since + passes)
    }

    /// Takes the one that has rested longest, if that is so long.
    pub(crate) fn pop_tired(&mut self, passes: u64) -> Option<D> {
        if !self.is_tired(passes) {
            return None;
        }
        self.awake.pop_front().map(|free| free.dyno)
    }

    /// Keeps those, and hands out the others.
    pub(crate) fn retain(&mut self, keep: impl Fn(&D) -> bool) -> Vec<D> {
        let (awake, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.awake)
            .into_iter()
            .partition(|free| keep(&free.dyno));
        let (asleep, gone_asleep) = std::mem::take(&mut self.asleep).into_iter().partition(keep);
        self.awake = awake.into();
        self.asleep = asleep;
        let gone = gone.into_iter().map(|free| free.dyno);
        gone.chain::<Vec<_>>(gone_asleep).collect()
    }
}
