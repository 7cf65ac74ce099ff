//! The release process: it runs once, before any dyno of a new release starts.
//!
//! Owns when it runs, its time limit, and what its end means. Must not know how the release's dynos start.
//!
//! It runs for every release: after a deploy, a change of config, a rollback. It is never interrupted for a later
//! release, whose own release process waits for it: an interrupted migration is worse than a late one. If it ended with
//! its node or server, its end is unknown, and it runs again. On a node that is not heard it may go on until its lease is
//! over, and is started elsewhere only after that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fill::{self, Homes};
use crate::desired::{App, Fact};
use crate::lifecycle::{DynoState, RELEASE_PROCESS_MAX};
use crate::name::{AppName, DynoId, DynoKey, NodeId, ReleaseId};
use crate::observed::{Dyno, ObservedState};
use crate::plan::draft::Draft;
use crate::plan::{ONCE_LOST_AFTER, ONCE_UNHEARD_FOR, PlanNote};
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
pub(in crate::plan) fn comes_to_its_own_end(
    observed: &ObservedState,
    app: &App,
    key: &DynoKey,
    release: ReleaseId,
) -> bool {
    let awaited = || app.awaits_release_process(release) && !is_superseded(observed, key);
    let process = &key.dyno.process;
    // A dyno of a smaller run is of a destroyed app of the same name.
    key.run >= app.first_run && (process.is_run() || (process.is_release() && awaited()))
}

/// Whether the process was given up and started again: its node was not heard for longer than its lease.
pub(in crate::plan) fn is_superseded(observed: &ObservedState, key: &DynoKey) -> bool {
    let mut runs = observed.dynos_in(&key.app, &key.dyno);
    runs.any(|(later, _)| later.run > key.run)
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
        let (node, release) = (known.node, known.release);
        draft.push_step(Step::Stop {
            node,
            dyno: key,
            release,
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

/// Records how release processes ended. One that ended with its node has no end, and runs again.
fn record_ends(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name) else {
        return;
    };
    let exits = draft.observed.exits_of(name);
    let exits = exits.map(|((_, release), exit)| (*release, exit.clone()));
    let mut ends: BTreeMap<ReleaseId, ProcessExit> = exits.collect();
    ends.retain(|release, _| app.awaits_release_process(*release));
    for (ReleaseId { version, .. }, exit) in ends {
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

/// Whether a release process of any release of the app still runs or ends, or may do so on a node that is not heard.
fn may_be_running(draft: &mut Draft, name: &AppName) -> bool {
    let dynos = draft.observed.dynos_of(name);
    let dynos = dynos.filter(|(key, _)| key.dyno.process.is_release());
    let homes: BTreeSet<NodeId> = dynos.map(|(_, dyno)| dyno.node.clone()).collect();
    // An earlier reconciler may have started one on a node that this reconciler has not heard.
    let mut known = draft.desired.nodes.iter();
    let unheard = known.any(|node| !draft.observed.nodes.contains_key(node));
    let unheard_until = unheard.then_some(draft.observed.since + ONCE_UNHEARD_FOR);
    let lost_at = homes.iter().filter(|node| draft.is_dead(node));
    let lost_at =
        lost_at.filter_map(|id| Some(draft.observed.nodes.get(id)?.heard + ONCE_LOST_AFTER));
    let until = lost_at.chain(unheard_until).max();
    if let Some(until) = until.filter(|until| *until > draft.now) {
        draft.wake_by(until);
        return true;
    }
    homes.iter().any(|node| !draft.is_dead(node))
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
    if may_be_running(draft, name) {
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
                release: app.release_id(release.version),
            });
        }
    }
}
