//! The fold: facts in, intent out.

use super::*;
use crate::name::{DynoId, Hostname, SlugId};
use std::sync::Arc;

fn app() -> AppName {
    "hello".parse().expect("valid")
}

fn created() -> Fact {
    Fact::AppCreated {
        app: app(),
        hostnames: vec!["hello.localhost".parse().expect("valid")],
    }
}

fn release(number: u32) -> Fact {
    let spec = ProcessSpec {
        kind: Kind::Handler,
        limits: Limits::default(),
    };
    let types = ["web", "worker"].map(|name| (name.parse().expect("valid"), spec.clone()));
    let secret = ("KEY".to_owned(), "hidden-value".to_owned());
    let release = Release {
        version: Version::new(number).expect("valid"),
        slug: SlugId::new([number as u8; 32]),
        description: "Deploy".into(),
        config: Arc::new(BTreeMap::from([secret])),
        processes: BTreeMap::from(types),
        created_ms: 0,
        created_by: String::new(),
    };
    Fact::ReleaseCreated {
        app: app(),
        release: Arc::new(release),
    }
}

fn version(number: u32) -> Version {
    Version::new(number).expect("valid")
}

fn serving(number: u32) -> Fact {
    Fact::ReleaseServing {
        app: app(),
        version: version(number),
    }
}

fn failed(number: u32) -> Fact {
    Fact::ReleaseFailed {
        app: app(),
        version: version(number),
        reason: "it crashed".into(),
    }
}

fn target(facts: &[Fact]) -> Option<u32> {
    let desired = Desired::replay(facts).expect("facts fit");
    desired.apps[&app()]
        .target()
        .map(|release| release.version.number())
}

#[test]
fn the_newest_release_is_the_target_unless_it_failed() {
    assert_eq!(target(&[created()]), None);
    assert_eq!(target(&[created(), release(1)]), Some(1));
    assert_eq!(
        target(&[created(), release(1), serving(1), release(2)]),
        Some(2)
    );
    assert_eq!(
        target(&[created(), release(1), serving(1), release(2), failed(2)]),
        Some(1)
    );
}

#[test]
fn a_failed_first_release_stays_the_target() {
    assert_eq!(target(&[created(), release(1), failed(1)]), Some(1));
    assert_eq!(
        target(&[created(), release(1), failed(1), serving(1)]),
        Some(1)
    );
}

#[test]
fn formation_has_one_web_dyno_by_default() {
    let desired = Desired::replay(&[created(), release(1)]).expect("facts fit");
    let app = &desired.apps[&app()];
    assert_eq!(app.count(&ProcessType::web()), 1);
    assert_eq!(app.count(&"worker".parse().expect("valid")), 0);
    let slots = app.slots(app.newest().expect("one release"));
    assert_eq!(slots, ["web.1".parse::<DynoId>().expect("valid")]);
}

#[test]
fn misfits_change_nothing() {
    let mut desired = Desired::replay(&[created(), release(1)]).expect("facts fit");
    let before = desired.clone();
    let other: AppName = "other".parse().expect("valid");
    let hostname: Hostname = "hello.localhost".parse().expect("valid");
    let misfits = [
        created(),
        release(1),
        release(3),
        serving(2),
        failed(9),
        Fact::AppCreated {
            app: other.clone(),
            hostnames: vec![hostname],
        },
        Fact::MaintenanceSet {
            app: other,
            on: true,
        },
    ];
    for misfit in misfits {
        desired.apply(&misfit).expect_err("does not fit");
        assert_eq!(desired, before, "{misfit:?}");
    }
}

#[test]
fn old_releases_go_but_never_the_one_that_serves() {
    let mut desired = Desired::replay(&[created(), release(1), serving(1)]).expect("facts fit");
    for number in 2..=1_100 {
        desired.apply(&release(number)).expect("fits");
    }
    let app = &desired.apps[&app()];
    assert_eq!(app.releases.len(), RELEASES_MAX);
    assert!(app.serving_release().is_some());
    assert_eq!(app.next_version(), version(1_101));
}

#[test]
fn restarts_and_scaling_from_zero_forgive() {
    let mut desired = Desired::replay(&[created(), release(1)]).expect("facts fit");
    let (one, two): (DynoId, DynoId) = (
        "web.1".parse().expect("valid"),
        "web.2".parse().expect("valid"),
    );
    let restart = |target, run| Fact::RestartAsked {
        app: app(),
        target,
        before: Run(run),
    };
    let scale = |count, run| Fact::Scaled {
        app: app(),
        process: ProcessType::web(),
        count,
        before: Run(run),
    };
    desired
        .apply(&restart(Restart::Dyno(one.clone()), 5))
        .expect("fits");
    assert_eq!(desired.apps[&app()].stale_before(&one), Run(5));
    assert_eq!(desired.apps[&app()].stale_before(&two), Run(0));
    desired.apply(&restart(Restart::All, 7)).expect("fits");
    assert_eq!(desired.apps[&app()].stale_before(&two), Run(7));
    desired.apply(&scale(2, 9)).expect("fits");
    assert_eq!(
        desired.apps[&app()].forgiven_before(&one),
        Run(7),
        "1 to 2 forgives nothing"
    );
    desired.apply(&scale(0, 10)).expect("fits");
    desired.apply(&scale(2, 11)).expect("fits");
    assert_eq!(desired.apps[&app()].forgiven_before(&one), Run(11));
    assert_eq!(
        desired.apps[&app()].stale_before(&one),
        Run(7),
        "scaling restarts nothing"
    );
}

#[test]
fn each_reconciler_has_numbers_of_its_own() {
    let mut desired = Desired::default();
    desired.apply(&Fact::ReconcilerStarted).expect("fits");
    assert_eq!(desired.first_run(), Run(1));
    desired.apply(&Fact::ReconcilerStarted).expect("fits");
    assert_eq!(
        desired.first_generation(),
        Generation(NUMBERS_PER_RECONCILER + 1)
    );
}

#[test]
fn config_values_are_never_printed() {
    let text = format!("{:?}", release(1));
    assert!(
        text.contains("KEY") && !text.contains("hidden-value"),
        "{text}"
    );
}
