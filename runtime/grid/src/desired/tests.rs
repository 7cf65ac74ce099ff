//! Facts folded into the desired state.

use std::sync::Arc;

use super::*;
use crate::name::{DynoId, Hostname, SlugId};

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
        kind: ProcessKind::Handler,
        limits: Arc::default(),
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
        reach: Default::default(),
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
    let desired = DesiredState::from_facts(facts).expect("facts fit");
    desired.apps[&app()]
        .target_release()
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
    let desired = DesiredState::from_facts(&[created(), release(1)]).expect("facts fit");
    let app = &desired.apps[&app()];
    assert_eq!(app.requested_count(&ProcessType::web()), 1);
    assert_eq!(app.requested_count(&"worker".parse().expect("valid")), 0);
    let slots = app.places_of_release(app.newest_release().expect("one release"));
    assert_eq!(slots, ["web.1".parse::<DynoId>().expect("valid")]);
}

#[test]
fn facts_that_do_not_fit_change_nothing() {
    let mut desired = DesiredState::from_facts(&[created(), release(1)]).expect("facts fit");
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
        desired.apply_fact(&misfit).expect_err("does not fit");
        assert_eq!(desired, before, "{misfit:?}");
    }
}

#[test]
fn old_releases_are_dropped_but_never_the_serving_release() {
    let mut desired =
        DesiredState::from_facts(&[created(), release(1), serving(1)]).expect("facts fit");
    for number in 2..=1_100 {
        desired.apply_fact(&release(number)).expect("fits");
    }
    let app = &desired.apps[&app()];
    assert_eq!(app.releases.len(), RELEASES_MAX);
    assert!(app.serving_release().is_some());
    assert_eq!(app.next_version(), version(1_101));
}

#[test]
fn restarts_and_scaling_from_zero_make_earlier_runs_stale() {
    let mut desired = DesiredState::from_facts(&[created(), release(1)]).expect("facts fit");
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
        .apply_fact(&restart(RestartTarget::Dyno(one.clone()), 5))
        .expect("fits");
    assert_eq!(desired.apps[&app()].stale_before(&one), Run(5));
    assert_eq!(desired.apps[&app()].stale_before(&two), Run(0));
    desired
        .apply_fact(&restart(RestartTarget::All, 7))
        .expect("fits");
    assert_eq!(desired.apps[&app()].stale_before(&two), Run(7));
    desired.apply_fact(&scale(2, 9)).expect("fits");
    assert_eq!(
        desired.apps[&app()].forgiven_before(&one),
        Run(7),
        "1 to 2 forgives nothing"
    );
    desired.apply_fact(&scale(0, 10)).expect("fits");
    desired.apply_fact(&scale(2, 11)).expect("fits");
    assert_eq!(desired.apps[&app()].forgiven_before(&one), Run(11));
    assert_eq!(
        desired.apps[&app()].stale_before(&one),
        Run(7),
        "scaling restarts nothing"
    );
}

#[test]
fn each_reconciler_has_its_own_range_of_runs_and_generations() {
    let mut desired = DesiredState::default();
    desired.apply_fact(&Fact::ReconcilerStarted).expect("fits");
    assert_eq!(desired.first_run(), Run(1));
    desired.apply_fact(&Fact::ReconcilerStarted).expect("fits");
    assert_eq!(
        desired.first_generation(),
        Generation(NUMBERS_PER_RECONCILER + 1)
    );
    assert_eq!(desired.epoch(), LeaderEpoch(2));
}

#[test]
fn config_values_are_never_printed() {
    let text = format!("{:?}", release(1));
    assert!(
        text.contains("KEY") && !text.contains("hidden-value"),
        "{text}"
    );
}

fn destroyed(before: u64) -> Fact {
    Fact::AppDestroyed {
        app: app(),
        before: Run(before),
    }
}

fn stopped(dyno: &str, before: u64) -> Fact {
    Fact::DynoStopped {
        app: app(),
        dyno: dyno.parse().expect("valid"),
        before: Run(before),
    }
}

#[test]
fn only_the_name_of_a_destroyed_app_is_remembered() {
    let mut desired =
        DesiredState::from_facts(&[created(), release(1), destroyed(9)]).expect("facts fit");
    assert!(desired.apps.is_empty());
    let dyno = |run| DynoKey {
        app: app(),
        dyno: "web.1".parse().expect("valid"),
        run: Run(run),
    };
    assert!(desired.knows_app_of(&dyno(8)) && !desired.knows_app_of(&dyno(9)));
    desired.apply_fact(&destroyed(9)).expect_err("it is gone");
    desired
        .apply_fact(&created())
        .expect("the name is free, and so is the host name");
    let again = &desired.apps[&app()];
    assert_eq!(
        (again.first_run, again.next_version()),
        (Run(9), version(1))
    );
    assert!(desired.destroyed.is_empty());
}

#[test]
fn the_number_of_remembered_destroyed_names_is_bounded() {
    let mut desired = DesiredState::default();
    for number in 0..=DESTROYED_MAX as u64 {
        let app: AppName = format!("app-{number}").parse().expect("valid");
        let hostnames = vec![];
        let created = Fact::AppCreated {
            app: app.clone(),
            hostnames,
        };
        desired.apply_fact(&created).expect("fits");
        let before = Run(number);
        desired
            .apply_fact(&Fact::AppDestroyed { app, before })
            .expect("fits");
    }
    assert_eq!(desired.destroyed.len(), DESTROYED_MAX);
    assert!(
        !desired.destroyed.values().any(|before| *before == Run(0)),
        "the first one is forgotten"
    );
}

#[test]
fn restarts_scaling_and_releases_reopen_a_stopped_place() {
    let scale = |count| Fact::Scaled {
        app: app(),
        process: ProcessType::web(),
        count,
        before: Run(0),
    };
    let restart = |target| Fact::RestartAsked {
        app: app(),
        target,
        before: Run(7),
    };
    let one: DynoId = "web.1".parse().expect("valid");
    let base = [
        created(),
        release(1),
        scale(2),
        stopped("web.1", 5),
        stopped("web.9", 5),
    ];
    let desired = DesiredState::from_facts(&base).expect("facts fit");
    let stopped = &desired.apps[&app()];
    assert!(!stopped.is_place_open(&one));
    assert_eq!(
        (
            stopped.requested_count(&ProcessType::web()),
            stopped.count_open_places(&ProcessType::web())
        ),
        (2, 1)
    );
    assert_eq!(
        stopped.stale_before(&one),
        Run(5),
        "who was there is to end, whatever comes"
    );
    let fillers = [
        restart(RestartTarget::Dyno(one.clone())),
        restart(RestartTarget::All),
        scale(2),
        release(2),
    ];
    for filler in fillers {
        let mut desired = desired.clone();
        desired.apply_fact(&filler).expect("fits");
        assert!(desired.apps[&app()].is_place_open(&one), "{filler:?}");
    }
}

#[test]
fn pruning_keeps_the_serving_and_the_newest_releases() {
    let mut facts = vec![created(), release(1), serving(1)];
    facts.extend((2..=6).flat_map(|number| [release(number), failed(number)]));
    let mut desired = DesiredState::from_facts(&facts).expect("facts fit");
    let before = desired.apps[&app()]
        .first_kept_version(2)
        .expect("four can go");
    assert_eq!(before, version(5));
    let app_name = app();
    desired
        .apply_fact(&Fact::ReleasesPruned {
            app: app_name,
            before,
        })
        .expect("fits");
    let left = &desired.apps[&app()];
    let numbers: Vec<u32> = left
        .releases
        .keys()
        .map(|version| version.number())
        .collect();
    assert_eq!(numbers, [1, 5, 6], "v1 serves");
    assert_eq!(left.failed.len(), 2);
    assert_eq!(left.first_kept_version(2), None, "nothing more can go");
    assert_eq!(left.next_version(), version(7));
    assert_eq!(
        left.first_kept_version(0),
        Some(version(6)),
        "the newest one stays"
    );
}

#[test]
fn the_last_size_and_setting_wins() {
    let resized = |memory_bytes| Fact::Resized {
        app: app(),
        process: ProcessType::web(),
        memory_bytes,
    };
    let settings = AppSettings {
        request_timeout: None,
        idle_after: IdleSetting::Off,
    };
    let set = Fact::AppSet {
        app: app(),
        settings: settings.clone(),
    };
    let mut desired =
        DesiredState::from_facts(&[created(), resized(Some(1)), resized(Some(2)), set])
            .expect("facts fit");
    assert_eq!(desired.apps[&app()].sizes[&ProcessType::web()], 2);
    assert_eq!(desired.apps[&app()].settings, settings);
    desired.apply_fact(&resized(None)).expect("fits");
    assert!(desired.apps[&app()].sizes.is_empty());
    let hostname = "hello.localhost".parse().expect("valid");
    let removed = Fact::DomainRemoved {
        app: app(),
        hostname,
    };
    desired.apply_fact(&removed).expect("it was there");
    desired.apply_fact(&removed).expect_err("it is gone");
}
