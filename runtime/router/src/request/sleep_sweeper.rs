//! The sweeper: a task that puts dynos to sleep that no request has needed for a while.
//!
//! Owns when it looks. Must not know requests. A dyno that is being put to sleep is not in the free list, as if it had a
//! request, and comes back asleep. Requests read no clock for the sweeper: they note the number of its last pass, and
//! the sweeper compares numbers.

use std::sync::Weak;

use exchange::DynoHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::limits::SWEEP_EVERY;
use crate::request::routing_table::Routes;

/// Sweeps for as long as the router exists.
pub(crate) async fn run_sweeper<D: DynoHandle>(routes: Weak<Routes<D>>) {
    let mut ticks = interval(SWEEP_EVERY);
    // Two passes are never closer than this, so that no dyno sleeps too early.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(routes) = routes.upgrade() else {
            return;
        };
        let apps = routes.sweep();
        drop(routes);
        if apps.is_empty() {
            continue;
        }
        // On a thread that may block: freeing much memory takes a while.
        let sleeping = tokio::task::spawn_blocking(move || {
            apps.iter().for_each(|app| app.put_to_sleep());
        });
        // The next pass finds the dynos that are left after a panic.
        let _ = sleeping.await;
    }
}
