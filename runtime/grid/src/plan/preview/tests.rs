//! Previews list the steps that follow, and change nothing.

use super::*;
use crate::desired::RestartTarget;
use crate::name::Version;
use crate::plan::tests::world::{NOW, World, app, created, release, scaled};

impl World {
    fn foretold(&self, facts: &[Fact]) -> Vec<String> {
        let policy = Policy::default();
        let steps = preview_steps(&self.desired, &self.observed, &policy, facts, NOW);
        let steps = steps.expect("fits");
        steps.iter().map(ToString::to_string).collect()
    }
}

/// Two dynos of v1 serve.
fn serving() -> World {
    let mut world = World::after(&[created("hello"), scaled("hello", 2), release("hello", 1)]);
    world.settle();
    assert_eq!(
        world.desired.apps[&app("hello")].serving,
        Some(Version::FIRST)
    );
    world
}

#[test]
fn a_preview_of_a_deploy_lists_all_steps() {
    let world = serving();
    let before = (world.desired.clone(), world.observed.clone());
    let expected = [
        "fetch v2",
        "start web.1 of v2",
        "start web.2 of v2",
        "send requests to v2 (2 dynos)",
        "drain web.1 of v1",
        "drain web.2 of v1",
        "forget v1",
    ];
    assert_eq!(world.foretold(&[release("hello", 2)]), expected);
    assert_eq!((world.desired, world.observed), before, "nothing changed");
}

#[test]
fn carrying_out_a_deploy_follows_its_preview() {
    let mut world = serving();
    let facts = [release("hello", 2)];
    let foretold = world.foretold(&facts);
    world.desired.apply_fact(&facts[0]).expect("fits");
    let mut happened = world.carry_out();
    happened.extend(world.settle());
    happened.retain(|step| !matches!(step, Step::Record { .. }));
    let happened: Vec<String> = happened.iter().map(ToString::to_string).collect();
    assert_eq!(happened, foretold);
}

#[test]
fn other_commands_have_previews() {
    let world = serving();
    let before = world.observed.next_run;
    assert_eq!(
        world.foretold(&[scaled("hello", 3)]),
        [
            "start web.3 of v1",
            "send requests to v1 (2 dynos)",
            "send requests to v1 (3 dynos)"
        ],
        "more requests may wait at once, then there is one more to take them"
    );
    let restart = Fact::RestartAsked {
        app: app("hello"),
        target: RestartTarget::Dyno("web.1".parse().expect("valid")),
        before,
    };
    assert_eq!(
        world.foretold(&[restart]),
        [
            "start web.1 of v1",
            "send requests to v1 (2 dynos)",
            "drain web.1 of v1"
        ]
    );
    let destroyed = Fact::AppDestroyed {
        app: app("hello"),
        before,
    };
    assert_eq!(
        world.foretold(&[destroyed]),
        [
            "answer no requests for hello",
            "drain web.1 of v1",
            "drain web.2 of v1",
            "forget v1"
        ]
    );
    let on = Fact::MaintenanceSet {
        app: app("hello"),
        on: true,
    };
    assert_eq!(
        world.foretold(&[on]),
        ["refuse requests with H80 (Maintenance mode)"]
    );
}

#[test]
fn a_preview_omits_other_apps_and_refuses_facts_that_do_not_fit() {
    let mut world = serving();
    for fact in [created("other"), release("other", 1)] {
        world.desired.apply_fact(&fact).expect("fits");
    }
    assert_eq!(world.foretold(&[]), Vec::<String>::new());
    let first = world.foretold(&[created("third"), release("third", 1)]);
    assert_eq!(
        first,
        [
            "fetch v1",
            "hold requests until a dyno is up",
            "start web.1 of v1",
            "send requests to v1 (1 dyno)"
        ]
    );
    let policy = Policy::default();
    let gap = [release("hello", 7)];
    preview_steps(&world.desired, &world.observed, &policy, &gap, NOW).expect_err("v2 comes next");
}
