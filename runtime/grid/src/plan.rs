//! From intent and observation to steps.
//!
//! Owns what is to be done next, and in which order. Must not know how a step is done.
//!
//! A plan is made on a copy of what is known of the apps that may need something: each step that is chosen is noted there as issued, and what
//! follows is decided on that. So a plan that was carried out in full leaves nothing to do.
//!
//! No phase of a deploy is stored anywhere. What is to be done follows from the release that should
//! serve, the one that does, and the dynos there are.

mod cycle;
mod draft;
mod fill;
mod leave;
mod once;
mod place;
mod policy;
mod prepare;
mod preview;
mod promote;
mod quiet;
mod retire;
mod route;
mod survey;
mod wind_down;

pub use once::{ONE_OFFS_PER_APP_MAX, ONE_OFFS_PER_NODE_MAX, OneOffError, place_one_off};
pub use policy::{Policy, RELEASES_KEPT};
pub use preview::preview_steps;
pub use wind_down::plan_shutdown;

use crate::desired::{DesiredState, Fact};
use crate::name::{AppName, DynoId, NodeId, Version};
use crate::observed::ObservedState;
use crate::protocol::Step;
use crate::time::Time;
use draft::Draft;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use survey::{Room, Scene, Survey};

/// A release that was asked for, or could not be had, is asked for again after this time. A compile of
/// a large app stays well below.
pub const FETCH_RETRY: Duration = Duration::from_secs(60);
/// A stop that was not answered is sent again after this time.
pub const STOP_RETRY: Duration = Duration::from_secs(10);
/// How long a new reconciler waits for the nodes of its ledger to say what they have.
pub const SETTLE: Duration = crate::observed::NODE_DEAD_AFTER;

/// What is to be done now, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be carried out in this order.
    pub steps: Vec<Step>,
    /// Plan again at this time, if nothing is heard before; or at `ObservedState::next_death`, if that is earlier.
    pub wake_at: Option<Time>,
    /// What stands in the way of the intent.
    pub notes: BTreeSet<PlanNote>,
}

/// Something that stands in the way of the intent, for an operator to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlanNote {
    /// Known nodes have not said what they have: nothing is decided for a moment.
    Settling,
    /// Most nodes are silent at once: more likely it is our own ears. Nothing is moved away.
    MostNodesSilent,
    /// No node lives: nothing can start.
    NoNodes,
    /// This node is silent: its dynos are placed elsewhere.
    NodeSilent {
        /// The node.
        node: NodeId,
    },
    /// No node may take this dyno.
    NoRoom {
        /// The app.
        app: AppName,
        /// The place to be filled.
        dyno: DynoId,
        /// The release that it would run.
        version: Version,
    },
    /// This place waits after crashes.
    BackingOff {
        /// The app.
        app: AppName,
        /// The place to be filled.
        dyno: DynoId,
        /// Until when.
        until: Time,
    },
    /// Nodes have dynos of an app that the ledger does not know. They are left alone.
    UnknownApp {
        /// The app.
        app: AppName,
    },
}

impl PlanNote {
    /// The app whose owner wants to read it, if it is about one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            PlanNote::NoRoom { app, .. }
            | PlanNote::BackingOff { app, .. }
            | PlanNote::UnknownApp { app } => Some(app),
            PlanNote::Settling
            | PlanNote::MostNodesSilent
            | PlanNote::NoNodes
            | PlanNote::NodeSilent { .. } => None,
        }
    }
}

impl fmt::Display for PlanNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanNote::Settling => f.write_str("waiting for the nodes to say what they have"),
            PlanNote::MostNodesSilent => f.write_str("most nodes are silent: moving nothing"),
            PlanNote::NoNodes => f.write_str("there is no node to start anything on"),
            PlanNote::NodeSilent { node } => write!(f, "node {node} is silent"),
            PlanNote::NoRoom { dyno, version, .. } => {
                write!(f, "no node has room for {dyno} of {version}")
            }
            PlanNote::BackingOff { dyno, until, .. } => write!(f, "{dyno} waits until {until}"),
            PlanNote::UnknownApp { app } => {
                write!(f, "leaving dynos of the unknown app {app} alone")
            }
        }
    }
}

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
    leave::leave(draft);
}

/// One app: each phase sees what the ones before it chose.
fn plan_app(draft: &mut Draft, app: &AppName) {
    retire::stop_overdue_boots(draft, app);
    prepare::prepare(draft, app);
    promote::fail_release(draft, app);
    fill::fill(draft, app);
    cycle::cycle(draft, app);
    // Deaf to most nodes, and without knowing what the routers have: nothing better to tell them, and
    // nobody may be ended whom they may still know.
    if draft.blind && !draft.observed.routes.contains_key(app) {
        retire::finish(draft, app);
        return;
    }
    promote::promote(draft, app);
    route::publish(draft, app);
    retire::retire(draft, app);
    retire::forget(draft, app);
    promote::prune(draft, app);
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

#[cfg(test)]
mod tests;
