//! The sweeper: it puts dynos to sleep that nobody has needed for a while.
//!
//! Owns when it looks. Must not know requests: a dyno that is put to sleep is out of the free list for that moment,
//! as if it had a request, and comes back asleep. A request reads no clock for it: it notes the number of the last
//! pass, and the sweeper compares numbers.

use crate::limits::SWEEP_EVERY;
use crate::request::routing_table::Routes;
use exchange::DynoHandle;
use std::sync::Weak;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Passes that a dyno rests through, for at least `idle_after`.
pub(crate) fn passes(idle_after: Duration) -> u64 {
    let passes = idle_after.as_millis().div_ceil(SWEEP_EVERY.as_millis());
    u64::try_from(passes).unwrap_or(u64::MAX / 2).max(1)
}

/// Sweeps for as long as the router exists.
pub(crate) async fn run<D: DynoHandle>(routes: Weak<Routes<D>>) {
    let mut ticks = interval(SWEEP_EVERY);
    // Two passes are never closer, so that no dyno sleeps too early.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(routes) = routes.upgrade() else {
            return;
        };
        let tired = routes.sweep();
        drop(routes);
        if tired.is_empty() {
            continue;
        }
        // To give much memory back takes a while.
        let sleeping = tokio::task::spawn_blocking(move || {
            tired.iter().for_each(|app| app.put_to_sleep());
        });
        // What is left is found again by the next pass.
        let _ = sleeping.await;
    }
}
