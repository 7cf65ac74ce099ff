//! How fast a client reads a response while its dyno waits for room.
//!
//! Owns the measure and the least rate. Must not know who waits, or what becomes of a client that is too slow. A guest
//! that produces slowly never waits, so its clients are not measured.

use crate::limits::{READER_PATIENCE, READER_RATE_MIN};
use tokio::time::{Duration, Instant};

/// The time for which the guest may still wait. The client earns it by reading, at the least rate, and never more than
/// [`READER_PATIENCE`] of it: what it read at once does not help it later.
#[derive(Debug)]
pub(crate) struct ReaderRate {
    credit: Duration,
    /// The guest waits, and `credit` was true then.
    since: Option<Instant>,
}

/// Whether a client reads fast enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// So far, and until this time if it reads nothing until then.
    Until(Instant),
    /// The guest does not wait.
    NotWaiting,
    TooSlow,
}

impl Default for ReaderRate {
    fn default() -> ReaderRate {
        ReaderRate {
            credit: READER_PATIENCE,
            since: None,
        }
    }
}

impl ReaderRate {
    /// The guest waits from now on, unless it does already.
    pub(crate) fn begin_wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// The guest does not wait any more.
    pub(crate) fn end_wait(&mut self) {
        if let Some(since) = self.since.take() {
            self.credit = self.credit.saturating_sub(since.elapsed());
        }
    }

    /// The client has taken so many bytes.
    pub(crate) fn add_taken(&mut self, bytes: usize) {
        if self.since.is_none() && self.credit == READER_PATIENCE {
            return;
        }
        if let Some(since) = &mut self.since {
            let now = Instant::now();
            self.credit = self.credit.saturating_sub(now - *since);
            *since = now;
        }
        let earned = Duration::from_micros(bytes as u64 * 1_000_000 / READER_RATE_MIN);
        self.credit = (self.credit + earned).min(READER_PATIENCE);
    }

    pub(crate) fn judge(&self) -> Verdict {
        let Some(since) = self.since else {
            return Verdict::NotWaiting;
        };
        let due = since + self.credit;
        match Instant::now() < due {
            true => Verdict::Until(due),
            false => Verdict::TooSlow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);
    const SECONDS_OF_PATIENCE: u64 = READER_PATIENCE.as_secs();

    fn bytes_of(seconds: u64) -> usize {
        usize::try_from(READER_RATE_MIN * seconds).expect("a small number")
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_has_the_whole_patience() {
        let mut rate = ReaderRate::default();
        let due = Instant::now() + READER_PATIENCE;
        rate.begin_wait();
        assert_eq!(rate.judge(), Verdict::Until(due));
        advance(READER_PATIENCE - SECOND).await;
        assert_eq!(rate.judge(), Verdict::Until(due));
        advance(SECOND).await;
        assert_eq!(rate.judge(), Verdict::TooSlow);
    }

    #[tokio::test(start_paused = true)]
    async fn the_least_rate_is_enough_and_less_is_not() {
        for (bytes, enough) in [(bytes_of(4), true), (bytes_of(4) - 1000, false)] {
            let mut rate = ReaderRate::default();
            rate.begin_wait();
            let mut too_slow = false;
            for _ in 0..200 {
                advance(4 * SECOND).await;
                too_slow |= rate.judge() == Verdict::TooSlow;
                rate.add_taken(bytes);
            }
            assert_eq!(too_slow, !enough, "{bytes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_at_once_is_no_credit_for_later() {
        let mut rate = ReaderRate::default();
        rate.begin_wait();
        rate.add_taken(bytes_of(1_000));
        advance(READER_PATIENCE).await;
        assert_eq!(rate.judge(), Verdict::TooSlow);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_guest_does_not_wait_does_not_count() {
        let mut rate = ReaderRate::default();
        for _ in 1..SECONDS_OF_PATIENCE {
            rate.begin_wait();
            advance(SECOND).await;
            rate.end_wait();
            assert_eq!(rate.judge(), Verdict::NotWaiting);
            advance(60 * SECOND).await;
        }
        rate.begin_wait();
        assert_eq!(rate.judge(), Verdict::Until(Instant::now() + SECOND));
        advance(SECOND).await;
        assert_eq!(rate.judge(), Verdict::TooSlow);
    }
}
