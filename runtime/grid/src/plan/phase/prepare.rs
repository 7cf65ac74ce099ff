//! The release process: it runs once, before any dyno of a new release starts.
//!
//! Owns when it runs, its time limit, and what its end means. Must not know how the release's dynos start.
//!
//! It runs for every release: after a deploy, a change of config, a rollback. It is never interrupted for a later
//! release, whose own release process waits for it: an interrupted migration is worse than a late one. If its end is
//! not in the ledger, as after a kill of the server, it runs again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fill::{self, Homes};
use crate::desired::{App, Fact};
use crate::lifecycle::{DynoState, RELEASE_PROCESS_MAX};
use crate::name::{AppName, DynoId, DynoKey, Version};
use crate::observed::Dyno;
use crate::plan::PlanNote;
use crate::plan::draft::Draft;
use crate::protocol::{ProcessExit, Step, StopReason};
use crate::time::Time;

/// The time limit for the start of a one-off dyno: its slug may have to be fetched and compiled first.
const ONE_OFF_START_MAX: Duration = Duration::from_secs(5 * 60);

/// Runs the target's release process if it has not run, and records how release processes ended.
pub(in crate::plan) fn run_release_process(draft: &mut Draft, name: &AppName) {
    stop_overdue(draft, name);
    record_ends(draft, name);
    start_release_process(draft, name);
}

/// Whether a dyno is left to end by itself: a one-off dyno, or a release process whose end matters.
pub(in crate::plan) fn comes_to_its_own_end(app: &App, key: &DynoKey, version: Version) -> bool {
    let awaited = || app.releases.contains_key(&version) && !app.release_process_has_ended(version);
    let process = &key.dyno.process;
    // A dyno of a smaller run is of a destroyed app of the same name.
    key.run >= app.first_run && (process.is_run() || (process.is_release() && awaited()))
}

fn stop_overdue(draft: &mut Draft, name: &AppName) {
    let there = draft.observed.dynos_of(name);
    let there = there.filter(|(_, dyno)| draft.live.contains(&dyno.node));
    let there: Vec<(DynoKey, Dyno)> = there.map(|(k, d)| (k.clone(), d.clone())).collect();
    for (key, known) in there {
        let Some((ends, reason)) = time_limit(&key, &known) else {
            continue;
        };
        if ends > draft.now {
            draft.wake_by(ends);
            continue;
        }
        let (node, version) = (known.node, known.version);
        draft.push_step(Step::Stop {
            node,
            dyno: key,
            version,
            reason,
        });
    }
}

/// The time limit of a dyno that runs once, and the reason for stopping it then; none: no limit.
fn time_limit(key: &DynoKey, dyno: &Dyno) -> Option<(Time, StopReason)> {
    let process = &key.dyno.process;
    if process.is_release() && dyno.state.is_alive() {
        return Some((dyno.started + RELEASE_PROCESS_MAX, StopReason::TimeLimit));
    }
    let starts = process.is_run() && dyno.state == DynoState::Starting;
    starts.then_some((dyno.started + ONE_OFF_START_MAX, StopReason::BootTimeout))
}

/// Records how release processes ended. A release process whose node counts as dead ended with the node.
fn record_ends(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name) else {
        return;
    };
    let lost = draft.observed.dynos_of(name).filter(|(key, dyno)| {
        let gone = dyno.state.is_alive() && draft.is_dead(&dyno.node);
        gone && key.dyno.process.is_release()
    });
    let lost = lost.map(|(_, dyno)| {
        let reason = format!("node {} was lost while it ran there", dyno.node);
        (dyno.version, ProcessExit::Failed(reason))
    });
    let mut ends: BTreeMap<Version, ProcessExit> = lost.collect();
    let exits = draft.observed.exits_of(name);
    ends.extend(exits.map(|((_, version), exit)| (*version, exit.clone())));
    ends.retain(|version, _| {
        app.releases.contains_key(version) && !app.release_process_has_ended(*version)
    });
    for (version, exit) in ends {
        let failure = exit.failure().map(|why| format!("release command {why}"));
        let app = name.clone();
        draft.push_step(Step::Record {
            fact: Fact::ReleaseProcessEnded {
                app,
                version,
                failure,
            },
        });
    }
}

/// Whether a release process of any release of the app still runs or ends.
fn is_running(draft: &Draft, name: &AppName) -> bool {
    let mut dynos = draft.observed.dynos_of(name);
    dynos.any(|(key, dyno)| key.dyno.process.is_release() && !draft.is_dead(&dyno.node))
}

fn start_release_process(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name).cloned() else {
        return;
    };
    let Some(release) = app
        .target_release()
        .filter(|target| app.is_unprepared(target))
    else {
        return;
    };
    if is_running(draft, name) {
        return;
    }
    if draft.live.is_empty() {
        draft.notes.insert(PlanNote::NoNodes);
        return;
    }
    let id = DynoId::release();
    match fill::choose_home(draft, &app, release, &id, (&Homes::default(), None)) {
        Some(node) => fill::start_on(draft, &app, release, &id, node),
        None => {
            draft.notes.insert(PlanNote::NoRoom {
                app: name.clone(),
                dyno: id,
                version: release.version,
            });
        }
    }
}
