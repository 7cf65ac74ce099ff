//! The cost of planning: plans of a thousand dynos.
//!
//! No step is really carried out: each step is noted as issued, and the report of a healthy node is applied at once.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use grid::desired::{DesiredState, Fact, ProcessKind, ProcessSpec, Release};
use grid::name::{AppName, NodeId, ProcessType, Run, SlugId, Version};
use grid::observed::ObservedState;
use grid::plan::{Plan, Policy, make_plan};
use grid::protocol::{Inventory, Report, Step};
use grid::time::Time;

/// Dynos of the app.
const DYNOS: u32 = 1_000;
/// When all of it happens.
const NOW: Time = Time::from_secs(100);
/// Memory that the node has: enough for all.
const MEMORY_BYTES: u64 = 1 << 46;
/// Plans until nothing is left to do, at most.
const ROUNDS_MAX: usize = 20;

/// All that a planner looks at.
#[derive(Clone)]
struct World {
    desired: DesiredState,
    observed: ObservedState,
    policy: Policy,
}

fn app() -> AppName {
    "hello".parse().expect("valid")
}

fn scaled(count: u32) -> Fact {
    Fact::Scaled {
        app: app(),
        process: ProcessType::web(),
        count,
        before: Run(0),
    }
}

fn released() -> Fact {
    let spec = ProcessSpec {
        kind: ProcessKind::Handler,
        limits: Arc::default(),
    };
    let release = Release {
        version: Version::FIRST,
        slug: SlugId::new([0; 32]),
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

impl World {
    /// An app with a release, one node, and `count` dynos that are up.
    fn with(count: u32) -> World {
        let created = Fact::AppCreated {
            app: app(),
            hostnames: vec!["hello.localhost".parse().expect("valid")],
        };
        let facts = [created, released(), scaled(count)];
        let desired = DesiredState::from_facts(&facts).expect("they fit");
        let mut observed = ObservedState::new(&desired, 1, NOW);
        let node: NodeId = "local".parse().expect("valid");
        let inventory = Inventory::new_local(node, MEMORY_BYTES, 10 * DYNOS);
        observed.apply_report(&Report::Node(inventory), NOW);
        let mut world = World {
            desired,
            observed,
            policy: Policy::default(),
        };
        world.settle();
        world
    }

    fn plan(&self) -> Plan {
        make_plan(&self.desired, &self.observed, &self.policy, NOW)
    }

    /// Plans, and does as planned, until nothing is left.
    fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let plan = self.plan();
            if plan.steps.is_empty() {
                return;
            }
            plan.steps.iter().for_each(|step| self.carry_out(step));
        }
        panic!("it does not settle");
    }

    fn carry_out(&mut self, step: &Step) {
        if let Step::Record { fact } = step {
            return self.desired.apply_fact(fact).expect("a plan's facts fit");
        }
        self.observed.issue_step(step, &self.desired, NOW);
        if let Some(report) = answer(step) {
            self.observed.apply_report(&report, NOW);
        }
    }

    fn scaled(mut self, count: u32) -> World {
        self.desired.apply_fact(&scaled(count)).expect("it fits");
        self
    }
}

/// The node's report about a step, if the step has a report.
fn answer(step: &Step) -> Option<Report> {
    match step.clone() {
        Step::Fetch {
            node, app, release, ..
        } => Some(Report::Fetched {
            node,
            app,
            release,
            result: Ok(()),
        }),
        Step::Start { node, dyno, .. } => Some(Report::Up { node, dyno }),
        Step::Drain { node, dyno, .. } | Step::Stop { node, dyno, .. } => {
            Some(Report::Down { node, dyno })
        }
        _ => None,
    }
}

fn plans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan of 1,000 dynos");
    let all = World::with(DYNOS);
    for (name, world) in [
        ("nothing to do", all.clone()),
        ("999 to start", World::with(1).scaled(DYNOS)),
        ("999 to end", all.clone().scaled(1)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&world).plan());
        });
    }
    group.bench_function("all of it, from 1 to 1,000 up and published", |bencher| {
        bencher.iter_batched(
            || World::with(1).scaled(DYNOS),
            |mut world| world.settle(),
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
