//! Planning in rounds, until nothing is left to choose.
//!
//! Owns the order of the phases, and which apps are passed over. Must not know what a phase decides.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::limits::SETTLE;
use super::phase;
use super::scene::{Room, Scene};
use super::silence::find_live_nodes;
use super::survey::Survey;
use super::{Plan, PlanNote, Policy};
use crate::desired::{DesiredState, Fact};
use crate::name::{AppName, NodeId};
use crate::observed::ObservedState;
use crate::protocol::Step;
use crate::time::Time;

/// The most rounds of planning. The second round nearly always finds nothing to do.
const ROUNDS_MAX: usize = 16;

/// The plan for `now`. The same inputs give the same plan.
pub fn make_plan(
    desired: &DesiredState,
    observed: &ObservedState,
    policy: &Policy,
    now: Time,
) -> Plan {
    plan_with_survey(desired, observed, policy, now, Survey::skip_quiet_apps)
}

/// Plans every app, without the fast path of [`make_plan`], which skips apps that obviously need no step. Slower; tests
/// compare `make_plan` with it.
pub fn plan_every_app(
    desired: &DesiredState,
    observed: &ObservedState,
    policy: &Policy,
    now: Time,
) -> Plan {
    plan_with_survey(desired, observed, policy, now, |scene, _| {
        Survey::all_apps(scene)
    })
}

fn plan_with_survey(
    desired: &DesiredState,
    observed: &ObservedState,
    policy: &Policy,
    now: Time,
    look: impl Fn(Scene<'_>, &BTreeMap<NodeId, Room>) -> Survey,
) -> Plan {
    let (live, blind) = find_live_nodes(desired, observed, now);
    let scene = Scene {
        desired,
        observed,
        policy,
        now,
        live: &live,
    };
    // With few nodes heard, or before all have sent an inventory, knowledge may be incomplete: no app is skipped.
    let wary = blind || settles_at(desired, observed, now).is_some();
    let look = |scene: Scene<'_>, used: &BTreeMap<NodeId, Room>| match wary {
        true => Survey::all_apps(scene),
        false => look(scene, used),
    };
    let first = look(scene, &BTreeMap::new());
    let mut draft = Draft::new(scene, blind, &first);
    draft.begin_round(&first.busy, &[&first]);
    plan_round(&mut draft, &first.busy);
    // The room that one app takes matters to all others, earlier ones as well: so there are rounds until no step is
    // added.
    let (mut before, mut rounds) = (0, 1);
    while draft.steps() > before && rounds < ROUNDS_MAX {
        (before, rounds) = (draft.steps(), rounds + 1);
        let next = look(draft.scene(), &first.used);
        draft.begin_round(&next.busy, &[&first, &next]);
        plan_round(&mut draft, &next.busy);
    }
    draft.finish()
}

fn plan_round(draft: &mut Draft, busy: &BTreeSet<AppName>) {
    if let Some(until) = settles_at(&draft.desired, &draft.observed, draft.now) {
        draft.wake_by(until);
        draft.notes.insert(PlanNote::Settling);
        return;
    }
    watch_nodes(draft);
    for app in busy {
        plan_app(draft, app);
    }
    phase::leave::end_strays(draft);
}

/// Plans one app. Each phase sees the steps that the phases before it chose.
fn plan_app(draft: &mut Draft, app: &AppName) {
    phase::retire::stop_overdue_boots(draft, app);
    phase::prepare::run_release_process(draft, app);
    phase::promote::fail_release(draft, app);
    phase::fill::fill_places(draft, app);
    phase::cycle::replace_one_due_dyno(draft, app);
    // Most nodes are silent, and the routers' route is unknown: a new route could only be worse, and a dyno that the
    // routers may still know must not be ended.
    if draft.blind && !draft.observed.routes.contains_key(app) {
        phase::retire::stop_overdue_drains(draft, app);
        return;
    }
    phase::promote::publish_target(draft, app);
    phase::publish::publish_route(draft, app);
    phase::retire::retire_dynos(draft, app);
    phase::retire::forget_releases(draft, app);
    phase::promote::prune_releases(draft, app);
}

/// Until when a new reconciler waits for the nodes that its ledger names; none if all were heard or the time is over.
/// Without the wait it would start dynos that already run.
fn settles_at(desired: &DesiredState, observed: &ObservedState, now: Time) -> Option<Time> {
    let until = observed.since + SETTLE;
    let mut known = desired.nodes.iter();
    let missing = known.any(|node| !observed.nodes.contains_key(node));
    (missing && now < until).then_some(until)
}

fn watch_nodes(draft: &mut Draft) {
    let nodes: Vec<NodeId> = draft.observed.nodes.keys().cloned().collect();
    for node in nodes {
        if draft.desired.left_nodes.contains(&node) {
            continue;
        }
        if !draft.desired.nodes.contains(&node) {
            draft.push_step(Step::Record {
                fact: Fact::NodeJoined { node: node.clone() },
            });
        }
        if !draft.live.contains(&node) {
            draft.notes.insert(PlanNote::NodeSilent { node });
        }
    }
    if draft.blind {
        draft.notes.insert(PlanNote::MostNodesSilent);
    }
}
