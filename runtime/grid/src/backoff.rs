//! How long a crashed dyno waits before it is started again.
//!
//! Owns the history of crashes in one place of a formation: failed boots and ended programs. A dyno that a request
//! ended is replaced at once and leaves no history here: otherwise a client that knows a request which crashes the app
//! could stop the app with two such requests. Must not know how to wait.

use std::time::Duration;

use crate::name::Run;
use crate::protocol::CrashCause;
use crate::time::Time;

/// The wait after the second crash in a row; after the first there is none.
pub const FIRST_DELAY: Duration = Duration::from_secs(10);
/// The longest wait, before jitter.
pub const DELAY_MAX: Duration = Duration::from_secs(20 * 60);
/// Jitter adds up to this share of the wait, in per cent, so that dynos do not come back in step.
const JITTER_PERCENT_MAX: u64 = 10;

/// The crashes in a row in one place of a formation, without crashes that requests caused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashHistory {
    /// The number of crashes that count.
    pub crashes: u32,
    /// When the last crash was.
    pub last: Time,
    /// The run that crashed last.
    pub run: Run,
    /// The cause of the last crash.
    pub cause: CrashCause,
    /// The reason of the crash, for the app's owner.
    pub reason: String,
    /// The place stays empty until this time.
    pub not_before: Time,
}

/// One crash, as far as it matters for the wait.
#[derive(Clone, Debug)]
pub struct Crash {
    /// When.
    pub at: Time,
    /// The run that crashed.
    pub run: Run,
    /// The kind of the crash.
    pub cause: CrashCause,
    /// The reason of the crash.
    pub reason: String,
    /// Since when it had been up, if it ever was.
    pub up_since: Option<Time>,
    /// Whether it had completed a request since its boot.
    pub served: bool,
}

/// The wait after a number of crashes in a row, without jitter: none, 10 s, 20 s, 40 s … 20 min.
pub fn delay_after(crashes: u32) -> Duration {
    match crashes {
        0 | 1 => Duration::ZERO,
        // 2^7 * 10 s is past the maximum already.
        _ => (FIRST_DELAY * (1 << (crashes - 2).min(7))).min(DELAY_MAX),
    }
}

/// Whether the crashed run had been up long enough to clear the crashes before it.
///
/// A run clears them by being up for as long as the last wait. Where there was no wait, the run must have completed a
/// request or been up for [`FIRST_DELAY`]: otherwise a program that ends right after each start would never back off.
fn is_redeemed(crashes: u32, crash: &Crash) -> bool {
    let Some(up_since) = crash.up_since else {
        return false;
    };
    let up = crash.at.since(up_since);
    let last = delay_after(crashes);
    if last.is_zero() {
        crash.served || up >= FIRST_DELAY
    } else {
        up >= last
    }
}

/// Whether a run that was up from `up_since` to `until` has cleared the crashes before it. A crash of another run in
/// that time is not cleared.
pub(crate) fn is_outlived(history: &CrashHistory, up_since: Time, until: Time) -> bool {
    let last = delay_after(history.crashes).max(FIRST_DELAY);
    history.last <= up_since && until.since(up_since) >= last
}

/// The history after one more crash; `seed` gives the jitter.
pub fn add_crash(before: Option<&CrashHistory>, crash: Crash, seed: u64) -> CrashHistory {
    let earlier = before.map_or(0, |history| history.crashes);
    let kept = if is_redeemed(earlier, &crash) {
        0
    } else {
        earlier
    };
    let crashes = kept.saturating_add(1);
    let base = delay_after(crashes);
    CrashHistory {
        crashes,
        last: crash.at,
        run: crash.run,
        cause: crash.cause,
        reason: crash.reason,
        not_before: crash.at + base + derive_jitter(base, crash.run, seed),
    }
}

/// The jitter on a time, up to a tenth of it, so that dynos do not all act at once.
pub(crate) fn derive_jitter(base: Duration, run: Run, seed: u64) -> Duration {
    let micros = u64::try_from(base.as_micros()).unwrap_or(u64::MAX);
    let per_mille = spread_bits(seed ^ spread_bits(run.0)) % (JITTER_PERCENT_MAX * 10 + 1);
    Duration::from_micros(micros / 1_000 * per_mille)
}

/// Spreads a number over all 64 bits (the finaliser of SplitMix64, by Steele, Lea and Flood).
fn spread_bits(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn crash(at: u64, up_since: Option<u64>, served: bool) -> Crash {
        Crash {
            at: Time::from_secs(at),
            run: Run(at),
            cause: CrashCause::Trap,
            reason: "trap".into(),
            up_since: up_since.map(Time::from_secs),
            served,
        }
    }

    #[test]
    fn waits_are_as_documented() {
        let waits: Vec<u64> = (0..12)
            .map(|crashes| delay_after(crashes).as_secs())
            .collect();
        assert_eq!(
            waits,
            [0, 0, 10, 20, 40, 80, 160, 320, 640, 1200, 1200, 1200]
        );
    }

    #[test]
    fn a_dyno_that_served_between_crashes_is_replaced_at_once() {
        let mut history = None;
        for at in 1..100 {
            history = Some(add_crash(history.as_ref(), crash(at, Some(at), true), 7));
            assert_eq!(
                history.as_ref().map(|h| h.not_before),
                Some(Time::from_secs(at))
            );
        }
    }

    #[test]
    fn a_dyno_that_crashes_twice_before_serving_backs_off() {
        let first = add_crash(None, crash(1, Some(1), false), 7);
        assert_eq!(first.not_before, Time::from_secs(1));
        let second = add_crash(Some(&first), crash(2, Some(2), false), 7);
        assert!(second.not_before >= Time::from_secs(12));
        assert!(second.not_before <= Time::from_secs(13));
    }

    #[test]
    fn a_dyno_that_was_up_for_the_last_wait_clears_its_crash_history() {
        let second = add_crash(
            Some(&add_crash(None, crash(1, None, false), 7)),
            crash(2, None, false),
            7,
        );
        assert_eq!(second.crashes, 2);
        assert_eq!(
            add_crash(Some(&second), crash(30, Some(21), false), 7).crashes,
            3
        );
        assert_eq!(
            add_crash(Some(&second), crash(30, Some(20), false), 7).crashes,
            1
        );
    }

    proptest! {
        #[test]
        fn waits_are_never_shorter_and_at_most_slightly_longer_than_documented(
            crashes in 0u32..40, at in 0u64..1_000_000, run: u64, seed: u64,
        ) {
            let mut before = add_crash(None, crash(0, None, false), seed);
            before.crashes = crashes;
            let mut now = crash(at, None, false);
            now.run = Run(run);
            let after = add_crash(Some(&before), now, seed);
            let wait = after.not_before - after.last;
            prop_assert!(wait >= delay_after(crashes + 1));
            prop_assert!(wait <= delay_after(crashes + 1) * 11 / 10);
        }
    }
}
