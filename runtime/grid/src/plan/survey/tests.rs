//! Which apps are planned and which are skipped. The tests count apps, not time.

use std::time::Duration;

use super::*;
use crate::desired::Fact;
use crate::name::ProcessType;
use crate::plan::Policy;
use crate::plan::tests::world::{NOW, World, app, created, release, scaled};
use crate::protocol::{CrashCause, Report};

impl World {
    /// The apps that a plan would look at.
    fn busy(&self, policy: &Policy, now: Time) -> Vec<String> {
        let live = self.observed.nodes.keys().cloned().collect();
        let scene = Scene {
            desired: &self.desired,
            observed: &self.observed,
            policy,
            now,
            live: &live,
        };
        let survey = Survey::skip_quiet_apps(scene, &BTreeMap::new());
        survey.busy.iter().map(ToString::to_string).collect()
    }

    fn busy_now(&self) -> Vec<String> {
        self.busy(&Policy::default(), NOW)
    }

    fn add(&mut self, fact: &Fact) {
        self.desired.apply_fact(fact).expect("fits");
    }
}

const NOBODY: [&str; 0] = [];

/// Three apps at rest: two with dynos, one without a release.
fn resting() -> World {
    let facts = [
        created("blank"),
        created("hello"),
        release("hello", 1),
        scaled("hello", 3),
        created("other"),
        release("other", 1),
    ];
    let mut world = World::after(&facts);
    world.settle();
    world
}

#[test]
fn apps_at_rest_are_skipped() {
    let world = resting();
    assert_eq!(world.busy_now(), NOBODY);
    assert_eq!(world.observed.dynos.len(), 4);
}

#[test]
fn only_affected_apps_are_planned() {
    let mut world = resting();
    world.add(&scaled("hello", 2));
    assert_eq!(world.busy_now(), ["hello"]);
    world.add(&release("blank", 1));
    assert_eq!(world.busy_now(), ["blank", "hello"]);
    world.carry_out();
    let key = world.observed.dynos_of(&app("other")).next();
    let (dyno, node) = key.map(|(k, d)| (k.clone(), d.node.clone())).expect("up");
    world.observed.apply_report(
        &Report::Crashed {
            node,
            dyno,
            reason: "trap".into(),
            cause: CrashCause::Trap,
            served: true,
            in_request: true,
        },
        NOW,
    );
    assert_eq!(
        world.busy_now(),
        ["hello", "other"],
        "hello drains a dyno; blank waits"
    );
}

#[test]
fn an_app_that_waits_for_a_report_is_skipped_until_the_report_is_late() {
    let mut world = World::after(&[created("hello"), release("hello", 1)]);
    assert_eq!(world.busy_now(), NOBODY, "its slug is fetched");
    let late = NOW + crate::plan::FETCH_RETRY;
    assert_eq!(world.busy(&Policy::default(), late), ["hello"]);
    world.add(&created("large"));
    let many = Fact::Scaled {
        app: app("large"),
        process: ProcessType::web(),
        count: 1_000,
        before: crate::name::Run(0),
    };
    world.add(&many);
    world.add(&release("large", 1));
    let all = ["hello", "large"];
    assert_eq!(world.busy_now(), all, "there may not be room for both");
}

#[test]
fn a_changed_policy_plans_all_apps() {
    let world = resting();
    let sleepy = Policy {
        idle_after: Some(Duration::from_secs(60)),
        ..Policy::default()
    };
    assert_eq!(world.busy(&sleepy, NOW), ["blank", "hello", "other"]);
    let cycling = Policy {
        cycle_after: Some(Duration::from_secs(100)),
        ..Policy::default()
    };
    assert_eq!(world.busy(&cycling, NOW), NOBODY);
    let later = NOW + Duration::from_secs(110);
    assert_eq!(world.busy(&cycling, later), ["hello", "other"]);
}

#[test]
fn each_starting_app_is_planned_three_times() {
    let mut world = World::after(&[]);
    for number in 0..80 {
        let name = format!("app-{number}");
        world.add(&created(&name));
        world.add(&release(&name, 1));
    }
    let mut planned = 0;
    loop {
        planned += world.busy_now().len();
        world.carry_out();
        // One report at a time, and a plan after each report.
        if !world.answer_one() {
            break;
        }
    }
    assert_eq!(world.busy_now(), NOBODY);
    assert_eq!(planned, 3 * 80, "to fetch, to start, to serve");
}
