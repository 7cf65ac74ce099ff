//! Removes slugs that no release needs any more.
//!
//! Owns which slugs are removed. A new slug may be about to be released, so it stays for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::Control;
use grid::name::SlugId;
use slugs::store::{Store, StoreError};

use crate::observer::{NodeEvent, SharedObserver};

/// Pause between two rounds.
const ROUND_EVERY: Duration = Duration::from_secs(10 * 60);
/// A slug without a release stays at least this long after a round has first seen it.
const UNUSED_KEPT: Duration = Duration::from_secs(60 * 60);

/// Removes slugs in rounds, for ever.
pub(crate) async fn prune_slugs(slugs: Arc<Store>, control: Control, observer: SharedObserver) {
    let mut unused = BTreeMap::new();
    loop {
        tokio::time::sleep(ROUND_EVERY).await;
        let needed = released_slugs(&control);
        let (store, seen) = (Arc::clone(&slugs), std::mem::take(&mut unused));
        let round = move || remove_unused(&store, &needed, seen);
        match tokio::task::spawn_blocking(round).await {
            Ok(Ok(still_unused)) => unused = still_unused,
            Ok(Err(error)) => observer.on_event(NodeEvent::SlugPruneFailed(error)),
            // The runtime is ending.
            Err(_) => return,
        }
    }
}

/// The slugs of all releases that are kept.
fn released_slugs(control: &Control) -> BTreeSet<SlugId> {
    let view = control.view();
    let releases = view
        .desired
        .apps
        .values()
        .flat_map(|app| app.releases.values());
    releases.map(|release| release.slug).collect()
}

/// Removes slugs that have been unused for long enough. Returns the other unused slugs, each with the time since when.
fn remove_unused(
    store: &Store,
    needed: &BTreeSet<SlugId>,
    seen: BTreeMap<SlugId, Instant>,
) -> Result<BTreeMap<SlugId, Instant>, StoreError> {
    let now = Instant::now();
    let mut unused = BTreeMap::new();
    for slug in store.list()? {
        if needed.contains(&slug.id) {
            continue;
        }
        let since = seen.get(&slug.id).copied().unwrap_or(now);
        if now.duration_since(since) < UNUSED_KEPT {
            unused.insert(slug.id, since);
        } else {
            store.remove(slug.id)?;
        }
    }
    Ok(unused)
}
