//! Invariants of published routes: 1, 2, 3, 7 and 11.
//!
//! Owns what must hold of a `Publish`. Must not know how a route is made.

use super::{Findings, Invariant, PlanCase, PlanOutcome};
use crate::desired::DesiredState;
use crate::name::{DynoKey, ProcessType};
use crate::observed::ObservedState;
use crate::protocol::{Route, RouteTarget, RoutedDyno, Step};

/// The dynos that a route hands requests to.
fn routed_dynos(route: &Route) -> Vec<&DynoKey> {
    let routed: &[RoutedDyno] = match &route.target {
        RouteTarget::Dynos(dynos) => dynos,
        RouteTarget::Booting | RouteTarget::Refuse(_) => &[],
    };
    routed.iter().map(|routed| &routed.dyno).collect()
}

pub(super) fn check_step(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    desired: &DesiredState,
    observed: &ObservedState,
    step: &Step,
) {
    let Step::Publish { route } = step else {
        return;
    };
    only_up(findings, observed, route);
    one_release(findings, desired, observed, route);
    no_gap(findings, case, desired, observed, route);
    check_generation(findings, observed, route);
    nothing_missing_unschedules(findings, case, observed, route);
}

fn only_up(findings: &mut Findings, observed: &ObservedState, route: &Route) {
    if matches!(&route.target, RouteTarget::Dynos(dynos) if dynos.is_empty()) {
        findings.add(
            Invariant::OnlyUp,
            format!("the route of {} is empty", route.app),
        );
    }
    for key in routed_dynos(route) {
        let state = observed.dynos.get(key).map(|dyno| dyno.state);
        if !state.is_some_and(|state| state.is_serving()) {
            findings.add(
                Invariant::OnlyUp,
                format!("{key} is published while {state:?}"),
            );
        }
    }
}

fn one_release(
    findings: &mut Findings,
    desired: &DesiredState,
    observed: &ObservedState,
    route: &Route,
) {
    let app = desired.apps.get(&route.app);
    let published = app.and_then(|app| route.version.map(|version| app.release_id(version)));
    for key in routed_dynos(route) {
        let release = observed.dynos.get(key).map(|dyno| dyno.release);
        if release != published || key.app != route.app {
            let what = format!("{key} of {release:?} is in a route of {published:?}");
            findings.add(Invariant::OneRelease, what);
        }
    }
}

/// A release that takes over serves with as many dynos as the release before it, or as the formation asks for.
fn no_gap(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    desired: &DesiredState,
    observed: &ObservedState,
    route: &Route,
) {
    let Some(old) = observed.routes.get(&route.app) else {
        return;
    };
    let Some(app) = desired.apps.get(&route.app) else {
        return;
    };
    let swaps = old.version.is_some() && old.version != route.version;
    if !swaps || app.maintenance {
        return;
    }
    let release = route.version.and_then(|version| app.releases.get(&version));
    let has_web = release.is_some_and(|r| r.processes.contains_key(&ProcessType::web()));
    let wanted = if has_web {
        app.count_open_places(&ProcessType::web()) as usize
    } else {
        0
    };
    // The swap is not to blame for a dyno that crashed, died with its node, or is scaled away at the same time.
    let stays = |key: &&DynoKey| {
        let Some(dyno) = observed.dynos.get(key) else {
            return false;
        };
        let silent = observed
            .nodes
            .get(&dyno.node)
            .is_none_or(|node| node.is_silent(case.now));
        let dead = silent && !super::dynos::are_most_nodes_silent(case);
        dyno.state.is_serving() && !dead && app.is_place_open(&key.dyno)
    };
    let before = routed_dynos(old).into_iter().filter(stays).count();
    let after = routed_dynos(route).len();
    if after < before.min(wanted) {
        let what = format!(
            "{} swaps {before} dynos for {after}, {wanted} wanted",
            route.app
        );
        findings.add(Invariant::NoGap, what);
    }
}

fn check_generation(findings: &mut Findings, observed: &ObservedState, route: &Route) {
    let highest = observed.routes.values().map(|route| route.generation).max();
    if highest.is_some_and(|highest| route.generation <= highest) {
        let what = format!("generation {} after {highest:?}", route.generation);
        findings.add(Invariant::Generations, what);
    }
}

/// While most nodes are silent, a dyno on a silent node stays in the route, unless the desired state changed.
fn nothing_missing_unschedules(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    observed: &ObservedState,
    route: &Route,
) {
    let Some(old) = observed.routes.get(&route.app) else {
        return;
    };
    if !super::dynos::are_most_nodes_silent(case) || old.version != route.version {
        return;
    }
    let Some(app) = case.desired.apps.get(&route.app) else {
        findings.add(
            Invariant::MissingData,
            format!("a route for {}, which is unknown", route.app),
        );
        return;
    };
    for key in routed_dynos(old)
        .iter()
        .filter(|key| !routed_dynos(route).contains(key))
    {
        let Some(dyno) = observed.dynos.get(key) else {
            continue;
        };
        let silent = observed
            .nodes
            .get(&dyno.node)
            .is_none_or(|node| node.is_silent(case.now));
        let wanted = app.is_place_open(&key.dyno)
            && key.run >= app.stale_before(&key.dyno)
            && !app.maintenance;
        let replaced = routed_dynos(route)
            .iter()
            .any(|other| other.dyno == key.dyno);
        if silent && wanted && !replaced && dyno.state.is_serving() {
            findings.add(
                Invariant::MissingData,
                format!("{key} leaves the route in silence"),
            );
        }
    }
}

/// At the end, every route still names only dynos that are up: no step drained a routed dyno.
pub(super) fn check_end(findings: &mut Findings, case: &PlanCase<'_>, after: &PlanOutcome) {
    for route in after.observed.routes.values() {
        for key in routed_dynos(route) {
            let drained = case.plan.steps.iter().any(|step| {
                matches!(step, Step::Drain { dyno, .. } | Step::Stop { dyno, .. } if dyno == key)
            });
            if drained {
                findings.add(
                    Invariant::Drain,
                    format!("{key} is ended while it is in the route"),
                );
            }
        }
    }
}
