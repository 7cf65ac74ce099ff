//! How fast a client reads a response while its guest waits for room in the buffer.
//!
//! Owns the measure and the minimum rate. Must not know who waits, or what happens to a client that is too slow. A guest
//! that writes slowly never waits, so its clients are not measured.

use tokio::time::{Duration, Instant};

use crate::limits::{READER_PATIENCE, READER_RATE_MIN};

/// The time for which the guest may still wait.
///
/// The client earns this time by reading, at the minimum rate, and never has more than [`READER_PATIENCE`]: a burst of
/// reading does not help the client later.
#[derive(Debug)]
pub(crate) struct ReaderRate {
    credit: Duration,
    /// Set while the guest waits: `credit` and `waited` were correct at this time.
    waiting_since: Option<Instant>,
    /// How long the guest has waited before `waiting_since`, all waits together.
    waited: Duration,
}

/// Whether a client reads fast enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReaderVerdict {
    /// Fast enough so far. A client that reads nothing more is too slow from this time on.
    FastEnoughUntil(Instant),
    /// The guest does not wait.
    NotWaiting,
    TooSlow,
}

impl Default for ReaderRate {
    fn default() -> ReaderRate {
        ReaderRate {
            credit: READER_PATIENCE,
            waiting_since: None,
            waited: Duration::ZERO,
        }
    }
}

impl ReaderRate {
    /// The guest waits from now on. Has no effect if it waits already.
    pub(crate) fn begin_wait(&mut self) {
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    /// The guest does not wait any more.
    pub(crate) fn end_wait(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.spend_time(since.elapsed());
        }
    }

    /// How long the guest has waited so far, all waits together.
    pub(crate) fn waited(&self) -> Duration {
        let now = self.waiting_since.map(|since| since.elapsed());
        self.waited + now.unwrap_or_default()
    }

    /// The client has taken `bytes`.
    pub(crate) fn add_read(&mut self, bytes: usize) {
        if self.waiting_since.is_none() && self.credit == READER_PATIENCE {
            return;
        }
        if let Some(since) = self.waiting_since {
            let now = Instant::now();
            self.spend_time(now - since);
            self.waiting_since = Some(now);
        }
        let earned = Duration::from_micros(bytes as u64 * 1_000_000 / READER_RATE_MIN);
        self.credit = (self.credit + earned).min(READER_PATIENCE);
    }

    fn spend_time(&mut self, time: Duration) {
        self.credit = self.credit.saturating_sub(time);
        self.waited += time;
    }

    pub(crate) fn judge(&self) -> ReaderVerdict {
        let Some(since) = self.waiting_since else {
            return ReaderVerdict::NotWaiting;
        };
        let deadline = since + self.credit;
        match Instant::now() < deadline {
            true => ReaderVerdict::FastEnoughUntil(deadline),
            false => ReaderVerdict::TooSlow,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SECONDS_OF_PATIENCE: u64 = READER_PATIENCE.as_secs();

    fn bytes_of(seconds: u64) -> usize {
        usize::try_from(READER_RATE_MIN * seconds).expect("a small number")
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_cut_off_after_the_full_grace_time() {
        let mut rate = ReaderRate::default();
        let due = Instant::now() + READER_PATIENCE;
        rate.begin_wait();
        assert_eq!(rate.judge(), ReaderVerdict::FastEnoughUntil(due));
        advance(READER_PATIENCE - SECOND).await;
        assert_eq!(rate.judge(), ReaderVerdict::FastEnoughUntil(due));
        advance(SECOND).await;
        assert_eq!(rate.judge(), ReaderVerdict::TooSlow);
    }

    #[tokio::test(start_paused = true)]
    async fn the_minimum_rate_is_enough_and_less_is_not() {
        for (bytes, enough) in [(bytes_of(4), true), (bytes_of(4) - 1000, false)] {
            let mut rate = ReaderRate::default();
            rate.begin_wait();
            let mut too_slow = false;
            for _ in 0..200 {
                advance(4 * SECOND).await;
                too_slow |= rate.judge() == ReaderVerdict::TooSlow;
                rate.add_read(bytes);
            }
            assert_eq!(too_slow, !enough, "{bytes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_reading_gives_no_credit_for_later() {
        let mut rate = ReaderRate::default();
        rate.begin_wait();
        rate.add_read(bytes_of(1_000));
        advance(READER_PATIENCE).await;
        assert_eq!(rate.judge(), ReaderVerdict::TooSlow);
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_a_waiting_guest_does_not_count() {
        let mut rate = ReaderRate::default();
        for _ in 1..SECONDS_OF_PATIENCE {
            rate.begin_wait();
            advance(SECOND).await;
            rate.end_wait();
            assert_eq!(rate.judge(), ReaderVerdict::NotWaiting);
            advance(60 * SECOND).await;
        }
        rate.begin_wait();
        assert_eq!(rate.waited(), READER_PATIENCE - SECOND);
        assert_eq!(
            rate.judge(),
            ReaderVerdict::FastEnoughUntil(Instant::now() + SECOND)
        );
        advance(SECOND).await;
        assert_eq!(rate.judge(), ReaderVerdict::TooSlow);
    }
}
