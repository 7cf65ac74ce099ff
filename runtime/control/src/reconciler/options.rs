//! The options of a reconciler.
//!
//! Owns their fields. Must not know where the values come from.

use grid::plan::Policy;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// The options of a reconciler.
#[derive(Clone, Debug, Default)]
pub struct ReconcilerOptions {
    /// Seed of the back-off jitter. Different at every start, except in tests.
    pub seed: u64,
    /// The operator's settings for all apps.
    pub policy: Policy,
    /// Whether other machines may write to the ledger as well.
    pub sharing: LedgerSharing,
    /// The clock that gives ledger entries their time.
    pub clock: LedgerClock,
}

/// Whether other machines may write to the ledger as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LedgerSharing {
    /// No other machine writes. A reconciler also starts when the ledger can be read but not written, so that apps
    /// run, and writes its start as soon as it can.
    #[default]
    Sole,
    /// The machines of a grid write. A reconciler starts only when its start is in the ledger: otherwise two of them
    /// would have the same epoch, and would hand out the same runs.
    Shared,
}

/// The wall clock from which ledger entries get their time. Clones share the clock.
#[derive(Clone)]
pub struct LedgerClock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl LedgerClock {
    /// A clock that calls `now_ms` for the time, in milliseconds since 1970. The clock may be wrong and may go back.
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        LedgerClock(Arc::new(now_ms))
    }

    /// The time of the next entry, in milliseconds since 1970: the present time, but not before `newest_ms`, the
    /// latest time in the ledger. So times in a ledger never fall, even if its writers have different clocks.
    pub(crate) fn next_entry_ms(&self, newest_ms: u64) -> u64 {
        (self.0)().max(newest_ms)
    }
}

/// The clock of the operating system.
impl Default for LedgerClock {
    fn default() -> Self {
        LedgerClock::new(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let since_ms = since.map_or(0, |since| since.as_millis());
            u64::try_from(since_ms).unwrap_or(u64::MAX)
        })
    }
}

impl fmt::Debug for LedgerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerClock").finish_non_exhaustive()
    }
}
