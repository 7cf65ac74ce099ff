//! The waiting time before a peer is dialled again.
//!
//! Owns its growth and its jitter. Must not know sockets and clocks.

use std::time::Duration;

/// The first waiting time.
const FIRST: Duration = Duration::from_millis(100);
/// The longest waiting time: a node that is back is heard before others count it as silent.
const LONGEST: Duration = Duration::from_secs(1);

/// Waiting times that double, each shortened by a random part of up to a half, so that nodes which lost each other at
/// one moment do not dial at one moment.
#[derive(Clone, Debug)]
pub(super) struct DialBackOff {
    next: Duration,
    random: u64,
}

impl DialBackOff {
    pub(super) fn new(seed: u64) -> Self {
        DialBackOff {
            next: FIRST,
            random: seed,
        }
    }

    /// The time to wait after a failure.
    pub(super) fn next_wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        let parts = u32::try_from(self.next_random() % 512).unwrap_or(0);
        wait - wait * parts / 1024
    }

    /// The connection was of use.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// SplitMix64.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_differ_by_seed() {
        let waits = |seed| {
            let mut back_off = DialBackOff::new(seed);
            (0..12).map(|_| back_off.next_wait()).collect::<Vec<_>>()
        };
        for seed in 0..100 {
            let waits = waits(seed);
            assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST, "{waits:?}");
            assert!(
                waits[11] >= LONGEST / 2 && waits[11] <= LONGEST,
                "{waits:?}"
            );
        }
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
        let mut back_off = DialBackOff::new(3);
        for _ in 0..5 {
            let _ = back_off.next_wait();
        }
        back_off.reset();
        assert!(back_off.next_wait() <= FIRST);
    }
}
