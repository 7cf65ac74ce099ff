//! Which dyno fills a place of a formation.
//!
//! Owns the choice between several dynos of one place. Must not know what becomes of the others.

use crate::desired::App;
use crate::lifecycle::DynoState;
use crate::name::{DynoId, DynoKey, ProcessType, Version};
use crate::plan::draft::Draft;
use crate::time::Time;

/// The dynos of one release in one place.
#[derive(Debug, Default)]
pub(in crate::plan) struct Place {
    /// The newest dyno that serves and was not told to restart.
    pub(in crate::plan) fresh: Option<DynoKey>,
    /// The newest dyno that starts, if it is newer than `fresh`.
    pub(in crate::plan) coming: Option<DynoKey>,
    /// The newest dyno that serves though it was told to restart.
    pub(in crate::plan) stale: Option<DynoKey>,
}

impl Place {
    /// The place, from dynos on nodes that do not count as dead.
    pub(in crate::plan) fn from_draft(
        draft: &Draft,
        app: &App,
        version: Version,
        id: &DynoId,
    ) -> Self {
        let release = app.release_id(version);
        let stale_before = app.stale_before(id);
        let mut place = Place::default();
        for (key, dyno) in draft.observed.dynos_in(&app.name, id) {
            let gone = draft.is_dead(&dyno.node) || draft.victims.contains(key);
            if gone || dyno.release != release || key.run < app.first_run {
                continue;
            }
            // The dynos come oldest first, so the last one kept is the newest.
            match (dyno.state, key.run < stale_before) {
                (DynoState::Up | DynoState::Idle, false) => {
                    place.fresh = Some(key.clone());
                    place.coming = None;
                }
                (DynoState::Up | DynoState::Idle, true) => place.stale = Some(key.clone()),
                (DynoState::Starting, false) => place.coming = Some(key.clone()),
                _ => {}
            }
        }
        place
    }

    /// The dyno that takes requests.
    pub(in crate::plan) fn serving_dyno(&self) -> Option<&DynoKey> {
        self.fresh.as_ref().or(self.stale.as_ref())
    }

    /// The dyno that will stay.
    pub(in crate::plan) fn staying_dyno(&self) -> Option<&DynoKey> {
        self.coming.as_ref().or(self.fresh.as_ref())
    }

    /// The dynos that must not be ended.
    pub(in crate::plan) fn needed_dynos(self) -> impl Iterator<Item = DynoKey> {
        let stale = if self.fresh.is_some() {
            None
        } else {
            self.stale
        };
        self.fresh.into_iter().chain(self.coming).chain(stale)
    }
}

/// Until when a place must stay empty after crashes; none: it may be filled.
pub(in crate::plan) fn not_before(
    draft: &Draft,
    app: &App,
    version: Version,
    id: &DynoId,
) -> Option<Time> {
    let slot = crate::observed::FormationSlot {
        app: app.name.clone(),
        dyno: id.clone(),
        release: app.release_id(version),
    };
    let history = draft.observed.crashes.get(&slot)?;
    let counts = history.run >= app.forgiven_before(id) && history.not_before > draft.now;
    counts.then_some(history.not_before)
}

/// The dynos of a release and process type that are up: for web, those that take requests.
pub(in crate::plan) fn find_serving_dynos(
    draft: &Draft,
    app: &App,
    version: Version,
    process: &ProcessType,
) -> Vec<DynoKey> {
    let places = app.open_places(process);
    places
        .filter_map(|id| {
            Place::from_draft(draft, app, version, &id)
                .serving_dyno()
                .cloned()
        })
        .collect()
}
