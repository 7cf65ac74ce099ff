//! Invariants of dynos and nodes: 4, 5, 6, 9 and 11.
//!
//! Owns what must hold of a `Start`, a `Drain` and a `Stop`. Must not know why one was chosen.

use std::collections::BTreeMap;

use super::{Findings, Invariant, PlanCase, PlanOutcome};
use crate::desired::{App, DesiredState, ProcessKind, Release};
use crate::lifecycle::DynoState;
use crate::name::{DynoKey, NodeId, ProcessType};
use crate::observed::{FormationSlot, ObservedState};
use crate::plan::{Plan, find_live_nodes};
use crate::protocol::{CrashCause, Step};

/// Whether most known nodes are silent.
pub(super) fn are_most_nodes_silent(case: &PlanCase<'_>) -> bool {
    find_live_nodes(case.desired, case.observed, case.now).1
}

pub(super) fn check_step(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    desired: &DesiredState,
    observed: &ObservedState,
    step: &Step,
) {
    match step {
        // A start that is not acknowledged may be sent again, to the same node.
        Step::Start { node, dyno, .. } | Step::Run { node, dyno, .. }
            if observed.dynos.contains_key(dyno) =>
        {
            let known = &observed.dynos[dyno];
            if known.node == *node && !known.acknowledged {
                return;
            }
            let what = format!("{dyno} is started twice, now on {node}");
            findings.add(Invariant::Capacity, what);
        }
        Step::Start {
            node,
            dyno,
            release,
            ..
        } => {
            let slot = FormationSlot {
                app: dyno.app.clone(),
                dyno: dyno.dyno.clone(),
                release: *release,
            };
            check_back_off(findings, case, observed, &slot);
            started_apart(findings, case, desired, observed, (node, &slot));
        }
        Step::Drain { node, dyno, .. } | Step::Stop { node, dyno, .. } => {
            ended_for_a_reason(findings, case, observed, node, dyno);
        }
        _ => {}
    }
}

fn check_back_off(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    observed: &ObservedState,
    slot: &FormationSlot,
) {
    let Some(history) = observed.crashes.get(slot) else {
        return;
    };
    let forgiven = case
        .desired
        .apps
        .get(&slot.app)
        .map(|app| app.forgiven_before(&slot.dyno));
    let counts = forgiven.is_none_or(|before| history.run >= before);
    if counts && case.now < history.not_before {
        let what = format!(
            "{} starts at {}, not after {}",
            slot.dyno, case.now, history.not_before
        );
        findings.add(Invariant::BackOff, what);
    }
}

/// A handler dyno has back-off after failed boots only, never after a crash in a request.
fn waits_for_boots_only(findings: &mut Findings, after: &PlanOutcome) {
    for (slot, history) in &after.observed.crashes {
        let app = after.desired.apps.get(&slot.app);
        let release = app.and_then(|app| app.release(slot.release));
        let spec = release.and_then(|release| release.processes.get(&slot.dyno.process));
        let handler = spec.is_some_and(|spec| spec.kind == ProcessKind::Handler);
        let boot = matches!(history.cause, CrashCause::Boot | CrashCause::BootTimeout);
        if handler && !boot {
            let what = format!("{} waits after {:?} in a request", slot.dyno, history.cause);
            findings.add(Invariant::BackOff, what);
        }
    }
}

/// The last dyno of a type to be placed does not join all its siblings on one node while another node is alive. An
/// earlier dyno may, since another place is still to be filled on another node.
fn started_apart(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    desired: &DesiredState,
    observed: &ObservedState,
    (node, slot): (&NodeId, &FormationSlot),
) {
    let live = observed
        .nodes
        .values()
        .filter(|node| !node.is_silent(case.now))
        .count();
    let Some(app) = desired.apps.get(&slot.app) else {
        return;
    };
    let siblings = settled_in(case, app, observed, slot);
    let last = siblings.len() + 1 == app.count_open_places(&slot.dyno.process) as usize;
    if live >= 2 && last && !siblings.is_empty() && siblings.values().all(|home| home == node) {
        findings.add(
            Invariant::Apart,
            format!("{} joins all its siblings on {node}", slot.dyno),
        );
    }
}

/// The nodes of the dynos that will stay in the other places of a dyno's process type.
fn settled_in(
    case: &PlanCase<'_>,
    app: &App,
    observed: &ObservedState,
    slot: &FormationSlot,
) -> BTreeMap<u32, NodeId> {
    let deaf = are_most_nodes_silent(case);
    let mut homes = BTreeMap::new();
    for (key, dyno) in observed.dynos_of(&slot.app) {
        let silent = observed
            .nodes
            .get(&dyno.node)
            .is_none_or(|node| node.is_silent(case.now));
        let stays = key.dyno.process == slot.dyno.process
            && key.dyno.index != slot.dyno.index
            && app.is_place_open(&key.dyno)
            && dyno.release == slot.release
            && dyno.state.is_alive()
            && key.run >= app.stale_before(&key.dyno)
            && (deaf || !silent);
        if stays {
            homes.insert(key.dyno.index, dyno.node.clone());
        }
    }
    homes
}

/// No dyno is ended whose node is silent or whose app is unknown.
fn ended_for_a_reason(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    observed: &ObservedState,
    node: &NodeId,
    key: &DynoKey,
) {
    if !case.desired.knows_app_of(key) {
        findings.add(
            Invariant::MissingData,
            format!("{key} of an unknown app is ended"),
        );
    }
    if observed
        .nodes
        .get(node)
        .is_none_or(|node| node.is_silent(case.now))
    {
        findings.add(
            Invariant::MissingData,
            format!("{key} is ended on the silent node {node}"),
        );
    }
}

pub(super) fn check_end(findings: &mut Findings, case: &PlanCase<'_>, after: &PlanOutcome) {
    within_capacity(findings, after);
    drained_in_time(findings, case, after);
    waits_for_boots_only(findings, after);
    apart_at_rest(findings, case, after);
    nothing_ended_without_successor(findings, case, after);
}

fn within_capacity(findings: &mut Findings, after: &PlanOutcome) {
    for (id, node) in &after.observed.nodes {
        let (memory, dynos) = after.observed.sum_used_room(id);
        if memory > node.memory_bytes || dynos > node.dynos_max {
            let what = format!("{id} holds {dynos} dynos with {memory} bytes");
            findings.add(Invariant::Capacity, what);
        }
    }
}

/// A dyno past its deadline has been told to stop. For every other draining dyno, the plan has a time to look again.
fn drained_in_time(findings: &mut Findings, case: &PlanCase<'_>, after: &PlanOutcome) {
    for (key, dyno) in &after.observed.dynos {
        let silent = after
            .observed
            .nodes
            .get(&dyno.node)
            .is_none_or(|n| n.is_silent(case.now));
        let (DynoState::Draining, Some(deadline), None) = (dyno.state, dyno.deadline, dyno.stopped)
        else {
            continue;
        };
        if silent || !case.desired.knows_app_of(key) {
            continue;
        }
        if case.now >= deadline {
            findings.add(Invariant::Drain, format!("{key} goes on after {deadline}"));
        } else if case.plan.wake_at.is_none_or(|wake| wake > deadline) {
            findings.add(
                Invariant::Drain,
                format!("nobody will stop {key} at {deadline}"),
            );
        }
    }
}

/// When no step is left and none is in progress, dynos that fit on two nodes are on two nodes.
fn apart_at_rest(findings: &mut Findings, case: &PlanCase<'_>, after: &PlanOutcome) {
    let live: Vec<&NodeId> = after
        .observed
        .nodes
        .iter()
        .filter(|(_, node)| !node.is_silent(case.now))
        .map(|(id, _)| id)
        .collect();
    let under_way = after
        .observed
        .dynos
        .values()
        .any(|dyno| !dyno.state.is_serving());
    let waits = *case.plan
        != Plan {
            wake_at: case.plan.wake_at,
            ..Plan::default()
        };
    if live.len() < 2 || under_way || waits {
        return;
    }
    for app in after.desired.apps.values() {
        let Some(release) = app.serving_release() else {
            continue;
        };
        // A dyno that was to be moved did not boot on the other node.
        let mut crashes = after.observed.crashes.iter();
        if crashes.any(|(slot, history)| slot.app == app.name && history.not_before > case.now) {
            continue;
        }
        for process in release.processes.keys() {
            let homes = find_homes(&after.observed, app, release, process);
            let shared = homes
                .first()
                .filter(|home| homes.iter().all(|other| other == *home));
            let Some(home) = shared.filter(|home| homes.len() >= 2 && live.contains(home)) else {
                continue;
            };
            let need = release.processes[process].limits.memory_bytes;
            let elsewhere = live
                .iter()
                .any(|id| *id != home && has_room(&after.observed, id, need));
            // A node that has to fetch the slug first gets its dyno later.
            let ready = live.iter().filter(|id| **id != home).all(|id| {
                let key = (app.name.clone(), app.release_id(release.version));
                after.observed.nodes[*id].releases.get(&key)
                    == Some(&crate::observed::FetchState::Ready)
            });
            if elsewhere && ready && homes.len() == app.count_open_places(process) as usize {
                let what = format!("all {process} dynos of {} sit on {home}", app.name);
                findings.add(Invariant::Apart, what);
            }
        }
    }
}

fn find_homes(
    observed: &ObservedState,
    app: &App,
    release: &Release,
    process: &ProcessType,
) -> Vec<NodeId> {
    let dynos = observed.dynos_of(&app.name).filter(|(key, dyno)| {
        key.dyno.process == *process
            && dyno.release == app.release_id(release.version)
            && dyno.state.is_serving()
            && app.is_place_open(&key.dyno)
    });
    dynos.map(|(_, dyno)| dyno.node.clone()).collect()
}

fn has_room(observed: &ObservedState, id: &NodeId, need: u64) -> bool {
    let (memory, dynos) = observed.sum_used_room(id);
    let node = &observed.nodes[id];
    dynos < node.dynos_max && node.memory_bytes.saturating_sub(memory) >= need
}

/// A needed dyno of the serving release is ended only if another dyno fills its place, or if it must make room.
fn nothing_ended_without_successor(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    after: &PlanOutcome,
) {
    for step in &case.plan.steps {
        let Step::Drain { dyno: key, .. } = step else {
            continue;
        };
        let Some(app) = after.desired.apps.get(&key.app) else {
            continue;
        };
        let Some(dyno) = case.observed.dynos.get(key) else {
            continue;
        };
        let wanted = app.serving.map(|version| app.release_id(version)) == Some(dyno.release)
            && app.is_place_open(&key.dyno)
            && app
                .serving_release()
                .is_some_and(|r| r.processes.contains_key(&key.dyno.process));
        let mut in_place = after.observed.dynos_in(&key.app, &key.dyno);
        let filled = in_place.any(|(_, d)| d.release == dyno.release && d.state.is_serving());
        let no_room = case.plan.notes.iter().any(
            |note| matches!(note, crate::plan::PlanNote::NoRoom { app, .. } if *app == key.app),
        );
        if wanted && !filled && !no_room {
            findings.add(
                Invariant::MissingData,
                format!("{key} is drained and nothing replaces it"),
            );
        }
    }
}
