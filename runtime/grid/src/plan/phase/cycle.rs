//! Cycling: a dyno that has been up for long is replaced.
//!
//! Owns which dyno is next: one dyno of an app at a time. Must not know how a replacement takes over: the newer dyno in
//! a place does so by itself.

use std::sync::Arc;
use std::time::Duration;

use super::fill::{self, Homes};
use super::place::{self, Place};
use crate::backoff;
use crate::desired::{App, Release};
use crate::name::{AppName, DynoId};
use crate::plan::draft::Draft;
use crate::time::Time;

/// Starts a replacement for the dyno that has been up longest, if it is due and nothing else of the app changes.
pub(in crate::plan) fn replace_one_due_dyno(draft: &mut Draft, name: &AppName) {
    let Some(after) = draft.policy.cycle_after else {
        return;
    };
    let Some(app) = draft.desired.apps.get(name).cloned() else {
        return;
    };
    let Some(release) = find_resting_release(draft, &app) else {
        return;
    };
    let due = app
        .places_of_release(&release)
        .into_iter()
        .filter_map(|id| {
            let place = Place::from_draft(draft, &app, release.version, &id);
            let dyno = draft.observed.dynos.get(place.fresh.as_ref()?)?;
            let run = place.fresh?.run;
            let up_since = dyno.up_since?;
            Some((up_since + after + jitter_of(draft, after, run), id))
        });
    let Some((at, id)) = due.min() else { return };
    if at > draft.now {
        draft.wake_by(at);
    } else {
        start_replacement(draft, &app, &release, &id);
    }
}

/// The extra time that a dyno may stay up, so that dynos are not all replaced at once.
fn jitter_of(draft: &Draft, after: Duration, run: crate::name::Run) -> Duration {
    backoff::derive_jitter(after, run, draft.observed.seed)
}

/// The serving release, if all its dynos serve and no other dyno of the app runs.
fn find_resting_release(draft: &Draft, app: &App) -> Option<Arc<Release>> {
    let release = app.serving_release()?;
    let is_target = app.target_release()?.version == release.version;
    let places = app.places_of_release(release).len();
    let dynos = draft.observed.dynos_of(&app.name);
    let dynos: Vec<_> = dynos
        .filter(|(key, _)| !key.dyno.process.runs_once())
        .collect();
    let all_serve = dynos.iter().all(|(_, dyno)| {
        dyno.state.is_serving() && dyno.release == app.release_id(release.version)
    });
    let one_each = dynos.len() == places;
    (is_target && all_serve && one_each).then(|| Arc::clone(release))
}

fn start_replacement(draft: &mut Draft, app: &App, release: &Arc<Release>, id: &DynoId) {
    let waits: Option<Time> = place::not_before(draft, app, release.version, id);
    if let Some(until) = waits {
        draft.wake_by(until);
        return;
    }
    let homes = Homes::from_draft(draft, app, release, &id.process, Some(id.index));
    if let Some(node) = fill::choose_home(draft, app, release, id, (&homes, None)) {
        fill::start_on(draft, app, release, id, node);
    }
}
