//! Clocks with a resolution of one microsecond: fine enough for apps, too coarse for timing attacks on CPU caches.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// The smallest step of time that a guest can observe.
const RESOLUTION: Duration = Duration::from_micros(1);

/// A monotonic clock that starts when the dyno boots.
pub(crate) struct MonotonicClock(Instant);

impl MonotonicClock {
    pub(crate) fn new() -> MonotonicClock {
        MonotonicClock(Instant::now())
    }
}

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        RESOLUTION.as_nanos() as u64
    }

    fn now(&self) -> u64 {
        self.0.elapsed().as_micros() as u64 * 1_000
    }
}

/// The time of day.
pub(crate) struct WallClock;

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = now.unwrap_or_default().as_micros() as u64;
        Duration::from_micros(micros)
    }
}
