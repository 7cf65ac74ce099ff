//! Ending dynos that are no longer needed: drain, then stop; then forget the release.
//!
//! Owns the deadlines of a dyno's boot and of its end. Must not know why a dyno is no longer needed.

use std::collections::BTreeSet;

use super::place::Place;
use super::{fill, prepare};
use crate::desired::App;
use crate::lifecycle::{DRAIN_GRACE, DynoState};
use crate::name::{AppName, DynoKey, NodeId, ReleaseId};
use crate::observed::Dyno;
use crate::plan::draft::Draft;
use crate::plan::{START_RETRY, STOP_RETRY};
use crate::protocol::{Step, StopReason};
use crate::time::Time;

/// Stops dynos that were not ready in time (R10).
pub(in crate::plan) fn stop_overdue_boots(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name) else {
        return;
    };
    let starting = draft.observed.dynos_of(name).filter(|(_, dyno)| {
        let booting = dyno.state == DynoState::Starting && dyno.acknowledged;
        booting && draft.live.contains(&dyno.node)
    });
    let due = starting.filter_map(|(key, dyno)| {
        let release = app.release(dyno.release)?;
        let limits = &release.processes.get(&key.dyno.process)?.limits;
        Some((
            key.clone(),
            dyno.node.clone(),
            dyno.release,
            dyno.started + limits.boot_timeout,
        ))
    });
    let due: Vec<(DynoKey, NodeId, ReleaseId, Time)> = due.collect();
    for (dyno, node, release, deadline) in due {
        if deadline <= draft.now {
            draft.push_step(Step::Stop {
                node,
                dyno,
                release,
                reason: StopReason::BootTimeout,
            });
        } else {
            draft.wake_by(deadline);
        }
    }
}

/// Stops dynos whose time to drain is over.
pub(in crate::plan) fn stop_overdue_drains(draft: &mut Draft, name: &AppName) {
    let ending = draft
        .observed
        .dynos_of(name)
        .filter(|(_, dyno)| !dyno.state.is_alive());
    let ending = ending.filter(|(_, dyno)| draft.live.contains(&dyno.node));
    let ending: Vec<(DynoKey, Dyno)> = ending.map(|(k, d)| (k.clone(), d.clone())).collect();
    for (key, dyno) in ending {
        end_dyno(draft, key, &dyno);
    }
}

/// Drains dynos that no place needs, and stops those whose time to drain is over. Sends the starts of the others again
/// if their nodes have not acknowledged them.
pub(in crate::plan) fn retire_dynos(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name).cloned() else {
        return;
    };
    let mut needed = BTreeSet::new();
    for release in app.wanted_releases() {
        for id in app.places_of_release(&release) {
            needed.extend(Place::from_draft(draft, &app, release.version, &id).needed_dynos());
        }
    }
    // A silent node is told nothing. When it is heard again, its dynos are judged again.
    let reachable = draft.observed.dynos_of(name);
    let reachable = reachable.filter(|(_, dyno)| draft.live.contains(&dyno.node));
    let reachable: Vec<(DynoKey, Dyno)> = reachable.map(|(k, d)| (k.clone(), d.clone())).collect();
    for (key, dyno) in reachable {
        let own_end = dyno.state.is_alive()
            && prepare::comes_to_its_own_end(&draft.observed, &app, &key, dyno.release);
        if !own_end && !needed.contains(&key) {
            end_dyno(draft, key, &dyno);
        } else if dyno.state == DynoState::Starting && !dyno.acknowledged {
            repeat_start(draft, &app, key, &dyno);
        }
    }
}

/// Sends a start again that its node has not acknowledged: it may be lost. The plan does not choose where one-off dynos
/// run, and does not repeat their starts.
fn repeat_start(draft: &mut Draft, app: &App, key: DynoKey, dyno: &Dyno) {
    let Some(release) = app.release(dyno.release) else {
        return;
    };
    let early = app.is_unprepared(release) && !key.dyno.process.is_release();
    if key.dyno.process.is_run() || early {
        return;
    }
    let retry_at = dyno.told + START_RETRY;
    if retry_at > draft.now {
        draft.wake_by(retry_at);
    } else {
        draft.wake_by(draft.now + START_RETRY);
        let step = fill::make_start(draft, app, release, dyno.node.clone(), key);
        draft.push_step(step);
    }
}

pub(in crate::plan) fn end_dyno(draft: &mut Draft, key: DynoKey, dyno: &Dyno) {
    let (node, release) = (dyno.node.clone(), dyno.release);
    match dyno.state {
        DynoState::Starting => {
            draft.wake_by(draft.now + STOP_RETRY);
            draft.push_step(Step::Stop {
                node,
                dyno: key,
                release,
                reason: StopReason::Unwanted,
            });
        }
        DynoState::Up | DynoState::Idle => {
            draft.wake_by(draft.now + DRAIN_GRACE);
            draft.push_step(Step::Drain {
                node,
                dyno: key,
                release,
                grace: DRAIN_GRACE,
            });
        }
        DynoState::Draining | DynoState::Crashed | DynoState::Down => {
            let reason = match (dyno.state, dyno.deadline) {
                (DynoState::Crashed, _) => StopReason::BootTimeout,
                (_, Some(_)) => StopReason::DrainTimeout,
                _ => StopReason::Unwanted,
            };
            let at = dyno
                .stopped
                .map(|at| at + STOP_RETRY)
                .or(dyno.deadline)
                .unwrap_or(draft.now);
            if at <= draft.now {
                draft.wake_by(draft.now + STOP_RETRY);
                draft.push_step(Step::Stop {
                    node,
                    dyno: key,
                    release,
                    reason,
                });
            } else {
                draft.wake_by(at);
            }
        }
    }
}

/// Tells nodes which releases they no longer need.
pub(in crate::plan) fn forget_releases(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name) else {
        return;
    };
    let mut kept: BTreeSet<(&NodeId, ReleaseId)> = BTreeSet::new();
    for release in app.wanted_releases() {
        kept.extend(
            draft
                .live
                .iter()
                .map(|node| (node, app.release_id(release.version))),
        );
    }
    kept.extend(
        draft
            .observed
            .dynos_of(name)
            .map(|(_, dyno)| (&dyno.node, dyno.release)),
    );
    let mut idle: Vec<(NodeId, ReleaseId)> = Vec::new();
    for id in &draft.live {
        let Some(node) = draft.observed.nodes.get(id) else {
            continue;
        };
        let releases = node.releases_of(name).map(|(release, _)| release);
        idle.extend(
            releases
                .filter(|release| !kept.contains(&(id, *release)))
                .map(|release| (id.clone(), release)),
        );
    }
    for (node, release) in idle {
        draft.push_step(Step::Forget {
            node,
            app: name.clone(),
            release,
        });
    }
}
