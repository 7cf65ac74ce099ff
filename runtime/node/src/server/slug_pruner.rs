//! Slugs that no release needs any more.
//!
//! Owns which ones go. A slug that has only just come may be about to be released: it stays for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::Control;
use grid::name::SlugId;
use slugs::store::{Store, StoreError};

use crate::term;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10 * 60);
/// A slug that is no release's stays at least this long after it was first seen.
const UNUSED_KEPT: Duration = Duration::from_secs(60 * 60);

/// Removes slugs, now and then, for ever.
pub(super) async fn prune(slugs: Arc<Store>, control: Control) {
    let mut unused = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let needed = needed(&control);
        let (store, seen) = (Arc::clone(&slugs), std::mem::take(&mut unused));
        let looked = tokio::task::spawn_blocking(move || look(&store, &needed, seen)).await;
        match looked {
            Ok(Ok(still)) => unused = still,
            Ok(Err(error)) => {
                term::warning(&format!("old slugs stay: {:#}", anyhow::Error::new(error)));
            }
            // Only if the runtime ends.
            Err(_) => return,
        }
    }
}

/// The slugs of all releases that are kept.
fn needed(control: &Control) -> BTreeSet<SlugId> {
    let view = control.view();
    let releases = view
        .desired
        .apps
        .values()
        .flat_map(|app| app.releases.values());
    releases.map(|release| release.slug).collect()
}

/// Removes what has been unused for long enough; returns what is unused, and since when.
fn look(
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
