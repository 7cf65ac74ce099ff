//! Ending dynos that are no longer needed: drain, then stop; then forget the release.
//!
//! Owns the deadlines of a dyno's boot and of its end. Must not know why a dyno is no longer needed.

use std::collections::BTreeSet;

use super::place::Place;
use super::prepare;
use crate::lifecycle::DRAIN_GRACE;
use crate::lifecycle::DynoState;
use crate::name::{AppName, DynoKey, NodeId, Version};
use crate::observed::Dyno;
use crate::plan::STOP_RETRY;
use crate::plan::draft::Draft;
use crate::protocol::{Step, StopReason};
use crate::time::Time;

/// Stops dynos that were not ready in time (R10).
pub(in crate::plan) fn stop_overdue_boots(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name) else {
        return;
    };
    let starting = draft
        .observed
        .dynos_of(name)
        .filter(|(_, dyno)| dyno.state == DynoState::Starting && draft.live.contains(&dyno.node));
    let due = starting.filter_map(|(key, dyno)| {
        let release = app.releases.get(&dyno.version)?;
        let limits = &release.processes.get(&key.dyno.process)?.limits;
        Some((
            key.clone(),
            dyno.node.clone(),
            dyno.version,
            dyno.started + limits.boot_timeout,
        ))
    });
    let due: Vec<(DynoKey, NodeId, Version, Time)> = due.collect();
    for (dyno, node, version, deadline) in due {
        if deadline <= draft.now {
            draft.push_step(Step::Stop {
                node,
                dyno,
                version,
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

/// Drains dynos that no place needs, and stops those whose time to drain is over.
pub(in crate::plan) fn retire_dynos(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name) else {
        return;
    };
    let mut needed = BTreeSet::new();
    for release in app.wanted_releases() {
        for id in app.places_of_release(&release) {
            needed.extend(Place::from_draft(draft, app, release.version, &id).needed_dynos());
        }
    }
    // A silent node is told nothing. When it is heard again, its dynos are judged again.
    let reachable = draft
        .observed
        .dynos_of(name)
        .filter(|(_, dyno)| draft.live.contains(&dyno.node));
    let unneeded = reachable.filter(|(key, dyno)| {
        let own_end =
            dyno.state.is_alive() && prepare::comes_to_its_own_end(app, key, dyno.version);
        !own_end && !needed.contains(key)
    });
    let unneeded: Vec<(DynoKey, Dyno)> = unneeded.map(|(k, d)| (k.clone(), d.clone())).collect();
    for (key, dyno) in unneeded {
        end_dyno(draft, key, &dyno);
    }
}

pub(in crate::plan) fn end_dyno(draft: &mut Draft, key: DynoKey, dyno: &Dyno) {
    let (node, version) = (dyno.node.clone(), dyno.version);
    let drain_deadline = draft.now + DRAIN_GRACE;
    match dyno.state {
        DynoState::Starting => {
            draft.wake_by(draft.now + STOP_RETRY);
            draft.push_step(Step::Stop {
                node,
                dyno: key,
                version,
                reason: StopReason::Unwanted,
            });
        }
        DynoState::Up | DynoState::Idle => {
            draft.wake_by(drain_deadline);
            draft.push_step(Step::Drain {
                node,
                dyno: key,
                version,
                deadline: drain_deadline,
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
                    version,
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
    let mut kept: BTreeSet<(&NodeId, Version)> = BTreeSet::new();
    for release in app.wanted_releases() {
        kept.extend(draft.live.iter().map(|node| (node, release.version)));
    }
    kept.extend(
        draft
            .observed
            .dynos_of(name)
            .map(|(_, dyno)| (&dyno.node, dyno.version)),
    );
    let mut idle: Vec<(NodeId, Version)> = Vec::new();
    for id in &draft.live {
        let Some(node) = draft.observed.nodes.get(id) else {
            continue;
        };
        let versions = node.releases_of(name).map(|(version, _)| version);
        idle.extend(
            versions
                .filter(|v| !kept.contains(&(id, *v)))
                .map(|v| (id.clone(), v)),
        );
    }
    for (node, version) in idle {
        draft.push_step(Step::Forget {
            node,
            app: name.clone(),
            version,
        });
    }
}
