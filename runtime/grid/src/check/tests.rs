//! Each invariant can fail: the tests break a plan on purpose and expect the violation.

mod once;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::desired::{Fact, ProcessKind, ProcessSpec, Release, RestartTarget};
use crate::lifecycle::DynoState;
use crate::name::{AppName, DynoKey, NodeId, ProcessType, ReleaseId, Run, SlugId, Version};
use crate::protocol::{CrashCause, Heartbeats, Inventory, Report, RouteTarget, StopReason};

/// A reconciler with two nodes that answer every step at once.
struct World {
    desired: DesiredState,
    observed: ObservedState,
    now: Time,
}

fn app() -> AppName {
    "hello".parse().expect("valid")
}

fn node(number: u32) -> NodeId {
    format!("n{number}").parse().expect("valid")
}

fn inventory(number: u32) -> Report {
    let base = Inventory::new_local(node(number), 1 << 30, 5);
    Report::Node(Inventory {
        heartbeats: Heartbeats::Expected,
        ..base
    })
}

fn release(number: u32) -> Fact {
    let spec = ProcessSpec {
        kind: ProcessKind::Handler,
        limits: Arc::default(),
    };
    let release = Release {
        version: Version::new(number).expect("valid"),
        slug: SlugId::new([7; 32]),
        description: "Deploy".into(),
        config: Arc::default(),
        processes: BTreeMap::from([(ProcessType::web(), spec)]),
        created_ms: 0,
        created_by: String::new(),
        reach: Default::default(),
    };
    Fact::ReleaseCreated {
        app: app(),
        release: Arc::new(release),
    }
}

fn scaled(count: u32) -> Fact {
    Fact::Scaled {
        app: app(),
        process: ProcessType::web(),
        count,
        before: Run(0),
    }
}

impl World {
    /// Two web dynos of v1, up on two nodes.
    fn new() -> Self {
        let mut desired = DesiredState::default();
        desired.apply_fact(&Fact::ReconcilerStarted).expect("fits");
        let observed = ObservedState::new(&desired, 1, Time::ZERO);
        let mut world = World {
            desired,
            observed,
            now: Time::from_secs(1),
        };
        world.hear(&inventory(1));
        world.hear(&inventory(2));
        world.add(&Fact::AppCreated {
            app: app(),
            hostnames: vec![],
        });
        world.add(&release(1));
        world.add(&scaled(2));
        world.settle();
        assert_eq!(world.served().len(), 2);
        world
    }

    fn add(&mut self, fact: &Fact) {
        self.desired.apply_fact(fact).expect("fits");
    }

    fn hear(&mut self, report: &Report) {
        self.observed.apply_report(report, self.now);
    }

    /// Carries out a plan, and sends the reports of the nodes.
    fn carry_out(&mut self, plan: &Plan) {
        for step in &plan.steps {
            apply_step(&mut self.desired, &mut self.observed, step, self.now);
            let report = match step.clone() {
                Step::Fetch {
                    node, app, release, ..
                } => Report::Fetched {
                    node,
                    app,
                    release,
                    result: Ok(()),
                },
                Step::Start { node, dyno, .. } | Step::Run { node, dyno, .. } => {
                    Report::Up { node, dyno }
                }
                Step::Drain { node, dyno, .. } | Step::Stop { node, dyno, .. } => {
                    Report::Down { node, dyno }
                }
                _ => continue,
            };
            self.hear(&report);
        }
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            let (plan, found) = checked_plan(
                &self.desired,
                &self.observed,
                &Policy::default(),
                self.now,
                CheckDepth::All,
            );
            assert_eq!(found, [], "a true plan is without fault");
            if plan.steps.is_empty() {
                return;
            }
            self.carry_out(&plan);
        }
        panic!("it does not settle");
    }

    fn plan(&self) -> Plan {
        make_plan(&self.desired, &self.observed, &Policy::default(), self.now)
    }

    fn served(&self) -> Vec<DynoKey> {
        match &self.observed.routes[&app()].target {
            RouteTarget::Dynos(dynos) => dynos.iter().map(|routed| routed.dyno.clone()).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The invariants that `plan` breaks in this state.
    fn broken_by(&self, plan: &Plan) -> Vec<Invariant> {
        let case = PlanCase {
            desired: &self.desired,
            observed: &self.observed,
            now: self.now,
            plan,
        };
        let mut found: Vec<Invariant> =
            find_violations(&case).iter().map(|v| v.invariant).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The current route, with a new generation.
    fn publish(&self, change: impl FnOnce(&mut crate::protocol::Route)) -> Plan {
        let mut route = self.observed.routes[&app()].clone();
        route.generation = self.observed.next_generation;
        change(&mut route);
        of(vec![Step::Publish { route }])
    }

    fn release_id(&self, version: Version) -> ReleaseId {
        let known = self.desired.apps.get(&app());
        known.map_or(
            ReleaseId {
                creation: 1,
                version,
            },
            |known| known.release_id(version),
        )
    }

    fn start(&self, dyno: &str, number: u32, version: u32) -> Step {
        let dyno = DynoKey {
            app: app(),
            dyno: dyno.parse().expect("valid"),
            run: self.observed.next_run,
        };
        let version = Version::new(version).expect("valid");
        Step::Start {
            node: node(number),
            dyno,
            release: self.release_id(version),
            asleep: false,
        }
    }

    fn drain(&self, dyno: &DynoKey) -> Step {
        let node = self.observed.dynos[dyno].node.clone();
        Step::Drain {
            node,
            dyno: dyno.clone(),
            release: self.release_id(Version::FIRST),
            grace: Duration::from_secs(30),
        }
    }
}

fn of(steps: Vec<Step>) -> Plan {
    Plan {
        steps,
        ..Plan::default()
    }
}

#[test]
fn a_route_to_a_dyno_that_is_not_up_is_a_violation() {
    let mut world = World::new();
    let key = world.served()[0].clone();
    let plan = world.publish(|_| {});
    assert_eq!(world.broken_by(&plan), []);
    world.observed.dynos.get_mut(&key).expect("there").state = DynoState::Starting;
    assert_eq!(world.broken_by(&plan), [Invariant::OnlyUp]);
    let empty = world.publish(|route| route.target = RouteTarget::Dynos(vec![]));
    assert_eq!(world.broken_by(&empty), [Invariant::OnlyUp]);
}

#[test]
fn a_route_with_two_releases_is_a_violation() {
    let mut world = World::new();
    let key = world.served()[0].clone();
    world
        .observed
        .dynos
        .get_mut(&key)
        .expect("there")
        .release
        .version = Version::FIRST.next();
    assert_eq!(
        world.broken_by(&world.publish(|_| {})),
        [Invariant::OneRelease]
    );
}

#[test]
fn a_swap_to_fewer_dynos_is_a_violation() {
    let mut world = World::new();
    world.add(&release(2));
    for _ in 0..2 {
        // Fetches and starts; the swap is next.
        let plan = world.plan();
        world.carry_out(&plan);
    }
    let mut plan = world.plan();
    assert_eq!(world.broken_by(&plan), []);
    for step in &mut plan.steps {
        if let Step::Publish { route } = step
            && let RouteTarget::Dynos(dynos) = &mut route.target
        {
            assert_eq!(route.version, Some(Version::FIRST.next()), "the swap");
            dynos.pop();
        }
    }
    assert_eq!(world.broken_by(&plan), [Invariant::NoGap]);
}

#[test]
fn a_start_beyond_the_capacity_of_a_node_is_a_violation() {
    let mut world = World::new();
    world
        .observed
        .nodes
        .get_mut(&node(1))
        .expect("there")
        .dynos_max = 1;
    let plan = of(vec![world.start("web.3", 1, 1)]);
    assert_eq!(world.broken_by(&plan), [Invariant::Capacity]);
    let mut small = World::new();
    small
        .observed
        .nodes
        .get_mut(&node(1))
        .expect("there")
        .memory_bytes = 200 << 20;
    assert_eq!(
        small.broken_by(&of(vec![small.start("web.3", 1, 1)])),
        [Invariant::Capacity]
    );
    let again = Step::Start {
        node: node(1),
        dyno: small.served()[0].clone(),
        release: small.release_id(Version::FIRST),
        asleep: false,
    };
    assert!(
        small
            .broken_by(&of(vec![again]))
            .contains(&Invariant::Capacity),
        "started twice"
    );
}

#[test]
fn two_dynos_of_a_process_type_on_one_of_two_nodes_are_a_violation() {
    let mut world = World::new();
    let (first, second) = (world.served()[0].clone(), world.served()[1].clone());
    let home = world.observed.dynos[&first].node.clone();
    world.observed.dynos.get_mut(&second).expect("there").node = home.clone();
    assert_eq!(
        world.broken_by(&Plan::default()),
        [Invariant::Apart],
        "at rest"
    );
    world.observed.dynos.remove(&second);
    let number = if home == node(1) { 1 } else { 2 };
    let plan = of(vec![world.start("web.2", number, 1)]);
    assert_eq!(world.broken_by(&plan), [Invariant::Apart], "when started");
}

#[test]
fn a_draining_dyno_in_a_route_is_a_violation() {
    let mut world = World::new();
    world.add(&scaled(1));
    let true_plan = world.plan();
    assert_eq!(world.broken_by(&true_plan), []);
    let mut kept = true_plan.clone();
    kept.steps
        .retain(|step| !matches!(step, Step::Publish { .. }));
    assert_eq!(
        world.broken_by(&kept),
        [Invariant::Drain],
        "it stays in the route"
    );
    let asleep = Plan {
        wake_at: None,
        ..true_plan.clone()
    };
    assert_eq!(
        world.broken_by(&asleep),
        [Invariant::Drain],
        "nobody looks at its deadline"
    );
}

#[test]
fn a_missing_stop_after_the_drain_deadline_is_a_violation() {
    let mut world = World::new();
    let key = world.served()[1].clone();
    world.add(&scaled(1));
    for step in &world.plan().steps {
        apply_step(&mut world.desired, &mut world.observed, step, world.now);
    }
    world.now = world.now + Duration::from_secs(30);
    for node in world.observed.nodes.values_mut() {
        node.heard = world.now;
    }
    let plan = world.plan();
    let stop = |step: &Step| matches!(step, Step::Stop { dyno, reason: StopReason::DrainTimeout, .. } if *dyno == key);
    assert!(plan.steps.iter().any(stop));
    assert_eq!(world.broken_by(&plan), []);
    assert_eq!(world.broken_by(&Plan::default()), [Invariant::Drain]);
}

#[test]
fn a_falling_generation_is_a_violation() {
    let world = World::new();
    let known = world.observed.routes[&app()].generation;
    let plan = world.publish(|route| route.generation = known);
    assert_eq!(world.broken_by(&plan), [Invariant::Generations]);
}

#[test]
fn a_plan_that_does_not_settle_or_repeat_is_a_violation() {
    let mut world = World::new();
    world.add(&scaled(3));
    let plan = world.plan();
    let kinds = |found: Vec<Violation>| found.iter().map(|v| v.invariant).collect::<Vec<_>>();
    assert_eq!(kinds(compare_plans(&plan, &plan, &Plan::default())), []);
    assert_eq!(
        kinds(compare_plans(&plan, &plan, &plan)),
        [Invariant::Settles]
    );
    assert_eq!(
        kinds(compare_plans(&plan, &Plan::default(), &Plan::default())),
        [Invariant::Same]
    );
}

#[test]
fn back_off_applies_to_crashes_outside_of_requests_only() {
    let mut world = World::new();
    let key = world.served()[0].clone();
    for in_request in [true, false] {
        let place = world.observed.dynos_in(&key.app, &key.dyno).next();
        let (dyno, node) = place
            .map(|(key, dyno)| (key.clone(), dyno.node.clone()))
            .expect("up");
        world.hear(&Report::Crashed {
            node,
            dyno,
            reason: "trap".into(),
            cause: CrashCause::Trap,
            served: false,
            in_request,
        });
        let expected: &[Invariant] = match in_request {
            true => &[],
            false => &[Invariant::BackOff],
        };
        let plan = world.plan();
        assert_eq!(
            world.broken_by(&plan),
            expected,
            "in a request: {in_request}"
        );
        world.carry_out(&plan);
    }
}

#[test]
fn a_start_within_the_back_off_is_a_violation_until_a_restart() {
    let mut world = World::new();
    let key = world.served()[0].clone();
    for _ in 0..2 {
        let place = world.observed.dynos_in(&key.app, &key.dyno).next();
        let (key, node) = place
            .map(|(key, dyno)| (key.clone(), dyno.node.clone()))
            .expect("up");
        world.hear(&Report::Crashed {
            node,
            dyno: key,
            reason: "it failed to boot".into(),
            cause: CrashCause::Boot,
            served: false,
            in_request: false,
        });
        let plan = world.plan();
        world.carry_out(&plan);
    }
    let number = if world.observed.dynos.values().next().expect("up").node == node(1) {
        2
    } else {
        1
    };
    let plan = of(vec![world.start(&key.dyno.to_string(), number, 1)]);
    assert_eq!(world.broken_by(&plan), [Invariant::BackOff]);
    let before = world.observed.next_run;
    world.add(&Fact::RestartAsked {
        app: app(),
        target: RestartTarget::All,
        before,
    });
    assert!(!world.broken_by(&plan).contains(&Invariant::BackOff));
}

#[test]
fn unscheduling_because_of_missing_data_is_a_violation() {
    let world = World::new();
    let key = world.served()[0].clone();

    let mut unknown = World::new();
    unknown.desired.apps.clear();
    let stop = Step::Stop {
        node: unknown.observed.dynos[&key].node.clone(),
        dyno: key.clone(),
        release: world.release_id(Version::FIRST),
        reason: StopReason::Unwanted,
    };
    assert!(
        unknown
            .broken_by(&of(vec![stop]))
            .contains(&Invariant::MissingData)
    );
    assert_eq!(
        unknown.plan().steps,
        [],
        "the app is not known: its dynos are left alone"
    );

    let mut silent = World::new();
    silent.now = Time::from_secs(100);
    assert_eq!(
        silent.plan().steps,
        [],
        "all nodes are silent: nothing moves"
    );
    let shrunk = silent.publish(|route| {
        if let RouteTarget::Dynos(dynos) = &mut route.target {
            dynos.pop();
        }
    });
    assert_eq!(silent.broken_by(&shrunk), [Invariant::MissingData]);
    let drain = of(vec![silent.drain(&key)]);
    assert!(silent.broken_by(&drain).contains(&Invariant::MissingData));

    let drain = Plan {
        wake_at: Some(world.now),
        ..of(vec![world.drain(&key)])
    };
    assert!(
        world.broken_by(&drain).contains(&Invariant::MissingData),
        "nothing replaces it"
    );
}

#[test]
fn a_destroyed_app_must_be_withdrawn_before_its_dynos_end() {
    let mut world = World::new();
    let before = world.observed.next_run;
    world.add(&Fact::AppDestroyed { app: app(), before });
    let true_plan = world.plan();
    assert_eq!(true_plan.steps.len(), 3, "{true_plan:?}");
    assert_eq!(world.broken_by(&true_plan), []);
    let mut kept = true_plan.clone();
    kept.steps
        .retain(|step| !matches!(step, Step::Withdraw { .. }));
    assert_eq!(world.broken_by(&kept), [Invariant::Drain]);
    // Dynos started after the destruction belong to no app in the ledger.
    world.desired.destroyed.insert(app(), Run(0));
    assert_eq!(world.broken_by(&true_plan), [Invariant::MissingData]);
}

#[test]
fn dynos_of_an_earlier_app_of_the_same_name_must_end() {
    let mut world = World::new();
    let before = world.observed.next_run;
    world.add(&Fact::AppDestroyed { app: app(), before });
    world.add(&Fact::AppCreated {
        app: app(),
        hostnames: vec![],
    });
    world.add(&release(1));
    let plan = world.plan();
    let drains = |step: &&Step| matches!(step, Step::Drain { .. });
    assert_eq!(plan.steps.iter().filter(drains).count(), 2, "{plan:?}");
    assert_eq!(world.broken_by(&plan), []);
    world.settle();
    let served = world.served();
    assert!(served.len() == 1 && served[0].run >= before);
}

#[test]
fn the_list_of_invariants_is_complete() {
    let numbers: Vec<u8> = Invariant::ALL
        .iter()
        .map(|invariant| *invariant as u8)
        .collect();
    assert_eq!(numbers, (1..=18).collect::<Vec<u8>>());
}
