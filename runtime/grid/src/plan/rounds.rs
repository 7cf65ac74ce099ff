//! Planning in rounds, until nothing is left to choose.
//!
//! Owns the order of the phases, and which apps are passed over. Must not know what a phase decides.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::limits::SETTLE;
use super::phase;
use super::scene::{Room, Scene};
use super::survey::Survey;
use super::{Plan, PlanNote, Policy};
use crate::desired::{DesiredState, Fact};
use crate::name::{AppName, NodeId};
use crate::observed::ObservedState;
use crate::protocol::Step;
use crate::time::Time;

/// Rounds of planning at most. The second one nearly always finds nothing more to do.
const ROUNDS_MAX: usize = 16;

/// What is to be done at `now`. The same inputs give the same plan.
pub fn make_plan(
    desired: &DesiredState,
    observed: &ObservedState,
    policy: &Policy,
    now: Time,
) -> Plan {
    plan_with_survey(desired, observed, policy, now, Survey::of)
}

/// As [`plan`], which passes over apps for which it sees at a glance that there is nothing to do. Here none
/// is: slower, and what the other is checked against.
pub fn plan_every_app(
    desired: &DesiredState,
    observed: &ObservedState,
    policy: &Policy,
    now: Time,
) -> Plan {
    plan_with_survey(desired, observed, policy, now, |scene, _| {
        Survey::of_all(scene)
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
    // What is said by few, or before all have spoken, may be missing something: no glance is to be trusted.
    let wary = blind || settles_at(desired, observed, now).is_some();
    let look = |scene: Scene<'_>, used: &BTreeMap<NodeId, Room>| match wary {
        true => Survey::of_all(scene),
        false => look(scene, used),
    };
    let first = look(scene, &BTreeMap::new());
    let mut draft = Draft::new(scene, blind, &first);
    draft.begin_round(&first.busy, &[&first]);
    plan_round(&mut draft, &first.busy);
    // What one app takes bears on the others, before it as well as behind it: so it goes round until
    // there is nothing left to choose.
    let (mut before, mut rounds) = (0, 1);
    while draft.steps() > before && rounds < ROUNDS_MAX {
        (before, rounds) = (draft.steps(), rounds + 1);
        let next = look(draft.scene(), &first.used);
        draft.begin_round(&next.busy, &[&first, &next]);
        plan_round(&mut draft, &next.busy);
    }
    draft.finish()
}

/// The nodes that are not silent, and whether most are, so that silence proves nothing.
fn find_live_nodes(
    desired: &DesiredState,
    observed: &ObservedState,
    now: Time,
) -> (BTreeSet<NodeId>, bool) {
    let speaking = observed
        .nodes
        .iter()
        .filter(|(_, node)| !node.is_silent(now));
    let live: BTreeSet<NodeId> = speaking.map(|(id, _)| id.clone()).collect();
    let known: BTreeSet<&NodeId> = observed.nodes.keys().chain(&desired.nodes).collect();
    let blind = live.len() * 2 < known.len();
    (live, blind)
}

fn plan_round(draft: &mut Draft, busy: &BTreeSet<AppName>) {
    if let Some(until) = settles_at(&draft.desired, &draft.observed, draft.now) {
        draft.wake(until);
        draft.notes.insert(PlanNote::Settling);
        return;
    }
    watch_nodes(draft);
    for app in busy {
        plan_app(draft, app);
    }
    phase::leave::leave(draft);
}

/// One app: each phase sees what the ones before it chose.
fn plan_app(draft: &mut Draft, app: &AppName) {
    phase::retire::stop_overdue_boots(draft, app);
    phase::prepare::prepare(draft, app);
    phase::promote::fail_release(draft, app);
    phase::fill::fill(draft, app);
    phase::cycle::cycle(draft, app);
    // Deaf to most nodes, and without knowing what the routers have: nothing better to tell them, and
    // nobody may be ended whom they may still know.
    if draft.blind && !draft.observed.routes.contains_key(app) {
        phase::retire::finish(draft, app);
        return;
    }
    phase::promote::promote(draft, app);
    phase::publish::publish(draft, app);
    phase::retire::retire(draft, app);
    phase::retire::forget(draft, app);
    phase::promote::prune(draft, app);
}

/// A reconciler that has just started knows its nodes from the ledger and waits a moment for them, or it
/// would start again what already runs. Until when, if it still does.
fn settles_at(desired: &DesiredState, observed: &ObservedState, now: Time) -> Option<Time> {
    let until = observed.since + SETTLE;
    let mut known = desired.nodes.iter();
    let missing = known.any(|node| !observed.nodes.contains_key(node));
    (missing && now < until).then_some(until)
}

fn watch_nodes(draft: &mut Draft) {
    let nodes: Vec<NodeId> = draft.observed.nodes.keys().cloned().collect();
    for node in nodes {
        if !draft.desired.nodes.contains(&node) {
            draft.push(Step::Record {
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
