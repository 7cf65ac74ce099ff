//! What planning costs with thousands of apps: `cargo run --release -p grid --example thousands [APPS] [BATCH]`.
//!
//! Owns a measurement for people to read; no test depends on it. A node answers every step with success,
//! `BATCH` answers are taken between two plans.

use grid::desired::{Desired, Fact, Kind, ProcessSpec, Release};
use grid::name::{AppName, ProcessType, SlugId, Version};
use grid::observed::Observed;
use grid::plan::{Inventory, Policy, Report, Step, plan};
use grid::time::Time;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Plans with nothing to do that are measured.
const IDLE_PLANS: u32 = 200;

struct World {
    desired: Desired,
    observed: Observed,
    answers: VecDeque<Report>,
    plans: u32,
    planning: Duration,
    slowest: Duration,
}

impl World {
    fn new(apps: u32) -> Self {
        let mut desired = Desired::default();
        let node = "local".parse().expect("valid");
        for fact in [Fact::ReconcilerStarted, Fact::NodeJoined { node }] {
            desired.apply(&fact).expect("fits");
        }
        for number in 0..apps {
            for fact in app(number) {
                desired.apply(&fact).expect("fits");
            }
        }
        let observed = Observed::new(&desired, 7, Time::ZERO);
        let inventory = Inventory::local("local".parse().expect("valid"), 1 << 50, 100_000);
        World {
            desired,
            observed,
            answers: VecDeque::from([Report::Node(inventory)]),
            plans: 0,
            planning: Duration::ZERO,
            slowest: Duration::ZERO,
        }
    }

    /// Takes answers, plans, and carries out.
    fn turn(&mut self, batch: usize, now: Time) -> usize {
        for report in self.answers.drain(..batch.min(self.answers.len())) {
            self.observed.apply(&report, now);
        }
        let begun = Instant::now();
        self.observed.prune(&self.desired);
        let made = plan(&self.desired, &self.observed, &Policy::default(), now);
        let took = begun.elapsed();
        self.plans += 1;
        self.planning += took;
        self.slowest = self.slowest.max(took);
        for step in &made.steps {
            match step {
                Step::Record { fact } => self.desired.apply(fact).expect("fits"),
                step => drop(self.observed.issue(step, &self.desired, now)),
            }
            self.answers.extend(answer(step));
        }
        made.steps.len()
    }
}

fn app(number: u32) -> [Fact; 2] {
    let app: AppName = format!("app-{number:05}").parse().expect("valid");
    let spec = ProcessSpec {
        kind: Kind::Handler,
        limits: Arc::default(),
    };
    let release = Release {
        version: Version::FIRST,
        slug: SlugId::new([7; 32]),
        description: "Deploy".into(),
        config: Arc::default(),
        processes: BTreeMap::from([(ProcessType::web(), spec)]),
        created_ms: 0,
        created_by: String::new(),
    };
    let created = Fact::AppCreated {
        hostnames: vec![format!("{app}.localhost").parse().expect("valid")],
        app: app.clone(),
    };
    let release = Arc::new(release);
    [created, Fact::ReleaseCreated { app, release }]
}

fn answer(step: &Step) -> Option<Report> {
    match step.clone() {
        Step::Fetch { node, app, release } => Some(Report::Fetched {
            node,
            app,
            version: release.version,
            result: Ok(()),
        }),
        Step::Start { node, dyno, .. } => Some(Report::Up { node, dyno }),
        _ => None,
    }
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let apps = arguments.next().unwrap_or(2_000);
    let batch = arguments.next().unwrap_or(256);
    let mut world = World::new(apps);
    let now = Time::from_secs(1);
    while world.turn(batch as usize, now) > 0 || !world.answers.is_empty() {}
    assert_eq!(world.observed.routes.len(), apps as usize);
    println!(
        "start of {apps} apps: {} plans, {:?} in all, the slowest {:?}",
        world.plans, world.planning, world.slowest
    );
    (world.plans, world.planning) = (0, Duration::ZERO);
    for _ in 0..IDLE_PLANS {
        assert_eq!(world.turn(0, now), 0);
    }
    println!("nothing to do: {:?} a plan", world.planning / IDLE_PLANS);
}
