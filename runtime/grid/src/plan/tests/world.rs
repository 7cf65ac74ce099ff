//! One node and a reconciler, for tests of single plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::desired::{DesiredState, Fact, ProcessKind, ProcessSpec, Release};
use crate::lifecycle::DynoState;
use crate::name::{AppName, ProcessType, Run, SlugId, Version};
use crate::observed::{FetchState, ObservedState};
use crate::plan::{Policy, make_plan};
use crate::protocol::{Inventory, Report, Step};
use crate::time::Time;

pub(in crate::plan) const NOW: Time = Time::from_secs(9);

pub(in crate::plan) fn app(name: &str) -> AppName {
    name.parse().expect("valid")
}

pub(in crate::plan) fn created(name: &str) -> Fact {
    Fact::AppCreated {
        app: app(name),
        hostnames: vec![],
    }
}

pub(in crate::plan) fn release(name: &str, number: u32) -> Fact {
    let spec = ProcessSpec {
        kind: ProcessKind::Handler,
        limits: Arc::default(),
    };
    let release = Release {
        version: Version::new(number).expect("valid"),
        slug: SlugId::new([number as u8; 32]),
        description: "Deploy".into(),
        config: Arc::default(),
        processes: BTreeMap::from([(ProcessType::web(), spec)]),
        created_ms: 0,
        created_by: String::new(),
        reach: Default::default(),
    };
    Fact::ReleaseCreated {
        app: app(name),
        release: Arc::new(release),
    }
}

pub(in crate::plan) fn scaled(name: &str, count: u32) -> Fact {
    Fact::Scaled {
        app: app(name),
        process: ProcessType::web(),
        count,
        before: Run(0),
    }
}

pub(in crate::plan) struct World {
    pub(in crate::plan) desired: DesiredState,
    pub(in crate::plan) observed: ObservedState,
}

impl World {
    /// One node with room for a hundred dynos. The plan for `facts` is carried out; reports are still missing.
    pub(in crate::plan) fn after(facts: &[Fact]) -> Self {
        let mut desired = DesiredState::default();
        desired.apply_fact(&Fact::ReconcilerStarted).expect("fits");
        let mut observed = ObservedState::new(&desired, 1, Time::ZERO);
        let node = "n1".parse().expect("valid");
        observed.apply_report(
            &Report::Node(Inventory::new_local(node, 1 << 40, 100)),
            Time::ZERO,
        );
        let mut world = World { desired, observed };
        for fact in facts {
            world.desired.apply_fact(fact).expect("fits");
            world.carry_out();
        }
        world
    }

    pub(in crate::plan) fn carry_out(&mut self) -> Vec<Step> {
        let plan = make_plan(&self.desired, &self.observed, &Policy::default(), NOW);
        for step in &plan.steps {
            match step {
                Step::Record { fact } => self.desired.apply_fact(fact).expect("fits"),
                step => drop(self.observed.issue_step(step, &self.desired, NOW)),
            }
        }
        plan.steps
    }

    /// Sends the report for every open step. Returns whether there was any.
    fn answer(&mut self) -> bool {
        let reports = self.answers();
        for report in &reports {
            self.observed.apply_report(report, NOW);
        }
        !reports.is_empty()
    }

    /// Sends the report for one open step.
    pub(in crate::plan) fn answer_one(&mut self) -> bool {
        let report = self.answers().into_iter().next();
        report
            .map(|report| self.observed.apply_report(&report, NOW))
            .is_some()
    }

    fn answers(&self) -> Vec<Report> {
        let nodes = self.observed.nodes.iter();
        let mut reports = Vec::new();
        for (node, (app, release), fetch) in nodes.flat_map(|(id, node)| {
            node.releases
                .iter()
                .map(move |(key, fetch)| (id, key, fetch))
        }) {
            if matches!(fetch, FetchState::Requested(_)) {
                reports.push(Report::Fetched {
                    node: node.clone(),
                    app: app.clone(),
                    release: *release,
                    result: Ok(()),
                });
            }
        }
        for (key, dyno) in &self.observed.dynos {
            let (node, dyno, state) = (dyno.node.clone(), key.clone(), dyno.state);
            match state {
                DynoState::Starting => reports.push(Report::Up { node, dyno }),
                DynoState::Draining => reports.push(Report::Down { node, dyno }),
                _ => {}
            }
        }
        reports
    }

    /// Sends reports and carries out plans until nothing is left to do.
    pub(in crate::plan) fn settle(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        while self.answer() {
            steps.extend(self.carry_out());
        }
        steps
    }
}
