//! When a new release serves, and when it has failed.
//!
//! Owns the judgement on a release. Must not know how its dynos are started or ended.

use super::draft::Draft;
use super::place::{self, Place};
use super::{Step, route};
use crate::desired::{App, Fact, Release};
use crate::name::{AppName, ProcessType};
use crate::observed::{Fetch, Slot};
use crate::plan::CrashCause;

/// Records that a release failed, if one of its dynos crashed or its slug cannot be had before it served.
pub(super) fn fail_release(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name) else {
        return;
    };
    let Some(target) = app.target() else { return };
    let version = target.version;
    if app.serving == Some(version) || app.failed.contains_key(&version) {
        return;
    }
    if let Some(reason) = failure(draft, app, target) {
        let fact = Fact::ReleaseFailed {
            app: name.clone(),
            version,
            reason,
        };
        draft.push(Step::Record { fact });
    }
}

fn failure(draft: &Draft, app: &App, release: &Release) -> Option<String> {
    let fetched = draft.observed.nodes.values().find_map(|node| {
        match node.releases.get(&(app.name.clone(), release.version)) {
            Some(Fetch::Failed { reason, .. }) => Some(reason.clone()),
            _ => None,
        }
    });
    fetched.or_else(|| {
        app.slots(release).into_iter().find_map(|dyno| {
            let slot = Slot {
                app: app.name.clone(),
                dyno,
                version: release.version,
            };
            let history = draft.observed.crashes.get(&slot)?;
            if history.cause == CrashCause::BootTimeout {
                let limits = release
                    .processes
                    .get(&slot.dyno.process)
                    .map(|spec| &spec.limits);
                let secs = limits.map_or(0, |limits| limits.boot_timeout.as_secs());
                return Some(format!("{} was not ready within {secs} seconds", slot.dyno));
            }
            Some(format!("{} crashed: {}", slot.dyno, history.reason))
        })
    })
}

/// Publishes the target once it is ready: the one swap. The old dynos are drained after it.
pub(super) fn promote(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name).cloned() else {
        return;
    };
    let Some(target) = app.target() else { return };
    let version = target.version;
    if app.serving == Some(version) || app.is_unprepared(target) || !ready(draft, &app, target) {
        return;
    }
    route::publish_version(draft, &app, Some(version));
    draft.push(Step::Record {
        fact: Fact::ReleaseServing {
            app: name.clone(),
            version,
        },
    });
}

/// Records that old releases are not kept any more, where there are more than the operator wants.
pub(super) fn prune(draft: &mut Draft, name: &AppName) {
    let app = draft.desired.apps.get(name);
    let Some(before) = app.and_then(|app| app.prunable(draft.policy.releases_kept)) else {
        return;
    };
    let app = name.clone();
    draft.push(Step::Record {
        fact: Fact::ReleasesPruned { app, before },
    });
}

/// Whether the release can take over without serving less than the one before.
fn ready(draft: &Draft, app: &App, release: &Release) -> bool {
    let web = ProcessType::web();
    let web_up = place::serving(draft, app, release.version, &web).len();
    let web_wanted = if release.processes.contains_key(&web) {
        app.open(&web)
    } else {
        0
    };
    // A failed release with nothing to fall back to is tried again: whatever comes up is a gain.
    if app.failed.contains_key(&release.version) && web_wanted > 0 {
        return web_up > 0;
    }
    let mut all_up = true;
    let mut all_up_or_no_room = true;
    for id in app.slots(release) {
        let place = Place::of(draft, app, release.version, &id);
        let up = place.serving().is_some();
        let no_room = draft
            .no_room
            .contains(&(app.name.clone(), id, release.version));
        all_up &= up;
        all_up_or_no_room &= up || (no_room && place.coming.is_none());
    }
    if all_up {
        return true;
    }
    let web_before = app
        .serving
        .map_or(0, |old| place::serving(draft, app, old, &web).len());
    all_up_or_no_room
        && draft.victims.is_empty()
        && !draft.room_is_coming()
        && web_up >= web_before
        && (web_up > 0 || web_wanted == 0)
}
