//! Plans for arbitrary states, including unreachable ones; settling; winding down.

pub(super) mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::check::{CheckDepth, Invariant, checked_plan};
use crate::desired::{DesiredState, Fact, ProcessKind, ProcessSpec, Release, RestartTarget};
use crate::lifecycle::{DRAIN_GRACE, DynoState};
use crate::name::{AppName, DynoId, DynoKey, NodeId, ProcessType, ReleaseId, Run, SlugId, Version};
use crate::observed::{Dyno, FetchState, ObservedState};
use crate::protocol::{Heartbeats, Inventory, Report, Step};
use crate::time::Time;

/// A random dyno: index, version, state, node, run.
type AnyDyno = (u32, u32, usize, usize, u64);

#[derive(Clone, Debug)]
struct Sketch {
    nodes: Vec<(Option<u64>, usize)>,
    dynos: Vec<AnyDyno>,
    /// Random one-offs and release processes: odd indices are `release.1`, even indices are `run.N`.
    once: Vec<AnyDyno>,
    /// Releases whose release process ended, and whether it succeeded; every second one has one.
    ran: Vec<(u32, bool)>,
    releases: u32,
    serving: Option<u32>,
    failed: Option<u32>,
    count: u32,
    stale: u64,
    maintenance: bool,
    stopped: Option<u32>,
    destroyed: bool,
    policy: Policy,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let nodes = prop::collection::vec((prop::option::of(0u64..120), 0usize..4), 0..4);
    let dynos = prop::collection::vec((1u32..5, 1u32..4, 0usize..5, 0usize..4, 1u64..60), 0..10);
    let releases = (
        0u32..4,
        prop::option::of(1u32..4),
        prop::option::of(1u32..4),
    );
    let new = (prop::option::of(1u32..5), prop::bool::weighted(0.1));
    let intent = (0u32..5, 0u64..60, any::<bool>());
    let once = prop::collection::vec((1u32..5, 1u32..4, 0usize..5, 0usize..4, 100u64..160), 0..3);
    let ran = prop::collection::vec((1u32..4, any::<bool>()), 0..3);
    let releases = (releases, once, ran);
    (nodes, dynos, releases, intent, new, policy()).prop_map(
        |(nodes, dynos, ((releases, serving, failed), once, ran), intent, new, policy)| Sketch {
            nodes,
            dynos,
            once,
            ran,
            releases,
            serving,
            failed,
            count: intent.0,
            stale: intent.1,
            maintenance: intent.2,
            stopped: new.0,
            destroyed: new.1,
            policy,
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    let cycle = prop::option::of(5u64..60);
    let idle = prop::option::of(Just(Duration::from_secs(60)));
    (idle, cycle, 1usize..4).prop_map(|(idle_after, cycle, releases_kept)| Policy {
        idle_after,
        cycle_after: cycle.map(Duration::from_secs),
        releases_kept,
    })
}

const NOW: Time = Time::from_secs(100);

fn app() -> AppName {
    "hello".parse().expect("valid")
}

fn node(number: usize) -> NodeId {
    format!("n{number}").parse().expect("valid")
}

fn version(number: u32) -> Version {
    Version::new(number).expect("valid")
}

fn web(index: u32) -> DynoId {
    DynoId {
        process: ProcessType::web(),
        index,
    }
}

fn once(index: u32) -> DynoId {
    if index.is_multiple_of(2) {
        let process = ProcessType::run();
        return DynoId { process, index };
    }
    DynoId::release()
}

fn released(number: u32) -> Fact {
    let spec = ProcessSpec {
        kind: ProcessKind::Handler,
        limits: Arc::default(),
    };
    let mut processes = BTreeMap::from([(ProcessType::web(), spec.clone())]);
    if number.is_multiple_of(2) {
        let kind = ProcessKind::Process;
        processes.insert(ProcessType::release(), ProcessSpec { kind, ..spec });
    }
    let release = Release {
        version: version(number),
        slug: SlugId::new([0; 32]),
        description: "Deploy".into(),
        config: Arc::default(),
        processes,
        created_ms: 0,
        created_by: String::new(),
        reach: Default::default(),
    };
    Fact::ReleaseCreated {
        app: app(),
        release: Arc::new(release),
    }
}

fn desired(sketch: &Sketch) -> DesiredState {
    let mut desired = DesiredState::default();
    let mut facts = vec![Fact::AppCreated {
        app: app(),
        hostnames: vec![],
    }];
    facts.extend((1..=sketch.releases).map(released));
    let exists = |number: &u32| *number <= sketch.releases;
    if let Some(number) = sketch.failed.filter(exists) {
        let reason = "it crashed".into();
        facts.push(Fact::ReleaseFailed {
            app: app(),
            version: version(number),
            reason,
        });
    }
    for (number, succeeded) in sketch.ran.iter().filter(|(number, _)| exists(number)) {
        facts.push(Fact::ReleaseProcessEnded {
            app: app(),
            version: version(*number),
            failure: (!succeeded).then(|| "release command failed with exit code 1".into()),
        });
    }
    if let Some(number) = sketch.serving.filter(exists) {
        facts.push(Fact::ReleaseServing {
            app: app(),
            version: version(number),
        });
    }
    let (process, count, before) = (ProcessType::web(), sketch.count, Run(0));
    facts.push(Fact::Scaled {
        app: app(),
        process,
        count,
        before,
    });
    let before = Run(sketch.stale);
    facts.push(Fact::RestartAsked {
        app: app(),
        target: RestartTarget::All,
        before,
    });
    facts.push(Fact::MaintenanceSet {
        app: app(),
        on: sketch.maintenance,
    });
    let before = Run(1_000);
    facts.extend(sketch.stopped.map(|index| Fact::DynoStopped {
        app: app(),
        dyno: web(index),
        before,
    }));
    if sketch.destroyed {
        facts.push(Fact::AppDestroyed { app: app(), before });
    }
    for fact in &facts {
        desired.apply_fact(fact).expect("fits");
    }
    desired
}

fn release_id(desired: &DesiredState, number: u32) -> ReleaseId {
    let version = version(number);
    let known = desired.apps.get(&app());
    known.map_or(
        ReleaseId {
            creation: 1,
            version,
        },
        |known| known.release_id(version),
    )
}

fn observed(sketch: &Sketch, desired: &DesiredState) -> ObservedState {
    let mut observed = ObservedState::new(desired, 1, Time::ZERO);
    observed.next_run = Run(1_000);
    for (number, (silent_for, fetched)) in sketch.nodes.iter().enumerate() {
        let mut inventory = Inventory::new_local(node(number), 1 << 40, 100);
        inventory.releases = vec![(app(), release_id(desired, *fetched as u32 + 1))];
        inventory.heartbeats = if silent_for.is_some() {
            Heartbeats::Expected
        } else {
            Heartbeats::Needless
        };
        let heard = Time::from_secs(100 - silent_for.unwrap_or(0).min(100));
        observed.apply_report(&Report::Node(inventory), heard);
        if *fetched == 3 {
            let known = observed.nodes.get_mut(&node(number)).expect("it joined");
            known.releases.insert(
                (app(), release_id(desired, 1)),
                FetchState::Requested(Time::from_secs(90)),
            );
        }
    }
    let web = sketch.dynos.iter().map(|dyno| (web(dyno.0), dyno));
    let once = sketch.once.iter().map(|dyno| (once(dyno.0), dyno));
    for (id, (_, number, state, on, run)) in web.chain(once) {
        let key = DynoKey {
            app: app(),
            dyno: id,
            run: Run(*run),
        };
        let state = DynoState::ALL[*state];
        let started = Time::from_secs(30 + run);
        let dyno = Dyno {
            node: node(*on),
            release: release_id(desired, *number),
            state,
            since: started,
            started,
            told: started,
            acknowledged: run % 3 != 0,
            up_since: state.is_serving().then_some(started),
            memory_bytes: 1,
            deadline: (state == DynoState::Draining).then_some(Time::from_secs(60 + run)),
            stopped: None,
            replaces: false,
        };
        observed.dynos.insert(key, dyno);
    }
    observed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The plan of every state holds all invariants, except those that the given placement already breaks.
    #[test]
    fn the_plan_of_any_state_holds_all_invariants(sketch in sketch()) {
        let desired = desired(&sketch);
        let observed = observed(&sketch, &desired);
        let (plan, mut found) = checked_plan(&desired, &observed, &sketch.policy, NOW, CheckDepth::All);
        found.retain(|violation| violation.invariant != Invariant::Apart);
        prop_assert_eq!(found, vec![], "{:?}", plan);
        prop_assert!(plan.wake_at.is_none_or(|at| at > NOW));
    }

    /// From every state, a wind-down whose steps are answered leaves no dyno.
    #[test]
    fn a_wind_down_ends_all_dynos(sketch in sketch()) {
        let desired = desired(&sketch);
        let mut observed = observed(&sketch, &desired);
        let deadline = NOW + DRAIN_GRACE;
        for step in plan_shutdown(&observed, deadline, NOW).steps {
            observed.issue_step(&step, &desired, NOW);
        }
        for step in plan_shutdown(&observed, deadline, deadline).steps {
            observed.issue_step(&step, &desired, deadline);
            if let Step::Stop { node, dyno, .. } = step {
                observed.apply_report(&Report::Down { node, dyno }, deadline);
            }
        }
        let reachable = observed.dynos.values().filter(|dyno| {
            let there = observed.nodes.get(&dyno.node);
            dyno.stopped.is_none() && there.is_some_and(|node| !node.is_silent(deadline))
        });
        prop_assert_eq!(reachable.count(), 0);
    }
}

fn plain() -> Sketch {
    Sketch {
        nodes: vec![(None, 0)],
        dynos: vec![(1, 1, 1, 0, 5)],
        once: vec![],
        ran: vec![],
        releases: 1,
        serving: Some(1),
        failed: None,
        count: 1,
        stale: 0,
        maintenance: false,
        stopped: None,
        destroyed: false,
        policy: Policy::default(),
    }
}

#[test]
fn a_new_reconciler_waits_for_the_nodes_it_knows() {
    let mut desired = desired(&plain());
    desired
        .apply_fact(&Fact::NodeJoined { node: node(9) })
        .expect("fits");
    let observed = ObservedState::new(&desired, 1, NOW);
    let waiting = make_plan(&desired, &observed, &Policy::default(), NOW);
    assert_eq!(waiting.steps, []);
    assert_eq!(waiting.wake_at, Some(NOW + SETTLE));
    assert!(waiting.notes.contains(&PlanNote::Settling));
}

#[test]
fn without_a_node_nothing_starts_and_the_plan_has_a_note() {
    let sketch = Sketch {
        nodes: vec![],
        dynos: vec![],
        ..plain()
    };
    let desired = desired(&sketch);
    let made = make_plan(
        &desired,
        &observed(&sketch, &desired),
        &Policy::default(),
        NOW,
    );
    assert!(made.notes.contains(&PlanNote::NoNodes));
    assert!(
        !made
            .steps
            .iter()
            .any(|step| matches!(step, Step::Start { .. }))
    );
}

/// The steps of a reconciler that starts, for one web dyno of this kind that served before.
fn after_a_start(kind: ProcessKind) -> Vec<Step> {
    let sketch = Sketch {
        dynos: vec![],
        policy: Policy {
            idle_after: Some(Duration::from_secs(60)),
            ..Policy::default()
        },
        ..plain()
    };
    let mut desired = desired(&sketch);
    let known = desired.apps.get_mut(&app()).map(Arc::make_mut);
    let release = known.and_then(|app| app.releases.get_mut(&version(1)));
    let release = release.map(Arc::make_mut).expect("it was made");
    let web = release.processes.get_mut(&ProcessType::web());
    web.expect("it has one").kind = kind;
    let observed = observed(&sketch, &desired);
    make_plan(&desired, &observed, &sketch.policy, NOW).steps
}

#[test]
fn only_handlers_start_asleep() {
    let starts = |kind| {
        let steps = after_a_start(kind).into_iter();
        let mut asleep = steps.filter_map(|step| match step {
            Step::Start { asleep, .. } => Some(asleep),
            _ => None,
        });
        asleep.next()
    };
    let idle = |kind| {
        let steps = after_a_start(kind).into_iter();
        let mut idle = steps.filter_map(|step| match step {
            Step::Publish { route } => Some(route.idle_after.is_some()),
            _ => None,
        });
        idle.next()
    };
    assert_eq!(
        (starts(ProcessKind::Handler), idle(ProcessKind::Handler)),
        (Some(true), Some(true))
    );
    assert_eq!(
        (starts(ProcessKind::Server), idle(ProcessKind::Server)),
        (Some(false), Some(false))
    );
}

#[test]
fn a_stop_without_an_answer_is_sent_again() {
    let sketch = Sketch {
        dynos: vec![(1, 1, 3, 0, 5)],
        count: 0,
        ..plain()
    };
    let desired = desired(&sketch);
    let mut observed = observed(&sketch, &desired);
    let stops = |observed: &ObservedState, now| {
        let steps = make_plan(&desired, observed, &Policy::default(), now).steps;
        steps
            .into_iter()
            .filter(|step| matches!(step, Step::Stop { .. }))
            .collect::<Vec<_>>()
    };
    let first = stops(&observed, NOW);
    assert_eq!(first.len(), 1);
    observed.issue_step(&first[0], &desired, NOW);
    assert_eq!(stops(&observed, NOW), []);
    assert_eq!(stops(&observed, NOW + STOP_RETRY), first);
}
