//! Commands, from the request to the effect on the node and the router.

use super::*;
use crate::command::{Command, CommandError, DeployConfig};
use crate::handle::ControlError;
use grid::desired::{AppSettings, IdleSetting, Limits, Release};
use grid::name::DynoId;

const MIB: u64 = 1024 * 1024;

fn web(number: u32) -> DynoId {
    format!("web.{number}").parse().expect("valid")
}

fn resize(mib: u64) -> Command {
    Command::Scale {
        app: app(),
        counts: BTreeMap::new(),
        sizes: BTreeMap::from([(ProcessType::web(), mib * MIB)]),
    }
}

fn settings(timeout_secs: Option<u64>, idle_after: IdleSetting) -> Command {
    let request_timeout = timeout_secs.map(Duration::from_secs);
    Command::SetSettings {
        app: app(),
        settings: AppSettings {
            request_timeout,
            idle_after,
        },
    }
}

impl Bench {
    fn newest(&self) -> Arc<Release> {
        let view = self.control.view();
        let app = view.desired.app(&app()).expect("there");
        Arc::clone(app.newest_release().expect("deployed"))
    }

    async fn settle(&self) {
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn destroying_an_app_stops_its_dynos_and_frees_its_name() {
    let bench = Bench::new().await;
    let create = Command::CreateApp {
        app: app(),
        hostnames: vec!["hello.localhost".parse().expect("valid")],
    };
    bench.accept(Command::DestroyApp { app: app() }).await;
    let early = bench
        .control
        .execute_command(create.clone(), me(), None)
        .await;
    let ending = ControlError::Rejected(CommandError::StillEnding(app()));
    assert_eq!(
        early.expect_err("too early").to_string(),
        ending.to_string()
    );
    bench.settle().await;
    assert!(bench.seen.lock().expect("not poisoned").running.is_empty());
    assert_eq!(bench.control.list_dynos().await.expect("listens"), []);
    bench.refuse(Command::DestroyApp { app: app() }).await;
    assert!(bench.logged("api: App hello destroyed by me"));
    bench.accept(create).await;
    assert_eq!(bench.deploy(GOOD).await, ReleaseOutcome::Serving);
    assert_eq!(bench.route().version, Some(version(1)));
}

#[tokio::test(start_paused = true)]
async fn settings_are_published_without_a_release() {
    let bench = Bench::new().await;
    let before = bench.route();
    assert_eq!(before.request_timeout, Some(Limits::REQUEST_TIMEOUT));
    bench
        .accept(settings(
            Some(5),
            IdleSetting::After(Duration::from_secs(60)),
        ))
        .await;
    bench.settle().await;
    let route = bench.route();
    assert_eq!(route.request_timeout, Some(Duration::from_secs(5)));
    assert_eq!(route.idle_after, Some(Duration::from_secs(60)));
    assert_eq!(
        (route.version, route.target),
        (before.version, before.target)
    );
    assert!(bench.logged("api: Set timeout=5s idle-after=1m by me"));
    bench.refuse(settings(Some(0), IdleSetting::Default)).await;
    bench
        .refuse(settings(Some(601), IdleSetting::Default))
        .await;
    bench
        .refuse(settings(None, IdleSetting::After(Duration::ZERO)))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_resize_makes_a_release_and_outlasts_later_deploys() {
    let bench = Bench::new().await;
    let before = bench.served();
    let made = bench.accept(resize(256)).await;
    assert_eq!(made, Some(version(2)));
    assert_eq!(bench.outcome(version(2)).await, ReleaseOutcome::Serving);
    bench.settle().await;
    assert!(bench.served().iter().all(|key| !before.contains(key)));
    let memory = |release: &Release| release.web_process().map(|spec| spec.limits.memory_bytes);
    assert_eq!(memory(&bench.newest()), Some(256 * MIB));
    assert_eq!(bench.newest().description, "Resize web to 256MiB");
    assert_eq!(
        bench.accept(resize(256)).await,
        None,
        "it is as large already"
    );
    assert_eq!(bench.deploy(GOOD).await, ReleaseOutcome::Serving);
    assert_eq!(
        memory(&bench.newest()),
        Some(256 * MIB),
        "a deploy keeps it"
    );
    bench
        .accept(Command::Rollback {
            app: app(),
            to: version(1),
        })
        .await;
    assert_eq!(
        memory(&bench.newest()),
        Some(256 * MIB),
        "and so does a rollback"
    );
    assert!(bench.logged("api: Resized web to 256MiB by me"));
    bench.refuse(resize(0)).await;
    bench.refuse(resize(4097)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_dyno_stays_stopped_until_a_restart_or_scaling() {
    let bench = Bench::new().await;
    let before = bench.served();
    let stop = |number| Command::StopDyno {
        app: app(),
        dyno: web(number),
    };
    bench.accept(stop(1)).await;
    bench.settle().await;
    assert_eq!(bench.served(), before[1..]);
    let written = entries(&bench.ledger).await;
    bench.accept(stop(1)).await;
    assert_eq!(
        entries(&bench.ledger).await,
        written,
        "it is stopped already"
    );
    bench.refuse(stop(3)).await;
    let target = RestartTarget::Dyno(web(1));
    bench.accept(Command::Restart { app: app(), target }).await;
    bench.settle().await;
    assert_eq!(bench.served().len(), 2);
    assert!(bench.logged("api: Stopping web.1, asked by me"));
}

#[tokio::test(start_paused = true)]
async fn a_domain_can_be_removed() {
    let bench = Bench::new().await;
    let remove = |name: &str| Command::RemoveDomain {
        app: app(),
        hostname: name.parse().expect("valid"),
    };
    bench.refuse(remove("www.example.com")).await;
    bench.accept(remove("hello.localhost")).await;
    bench.settle().await;
    assert_eq!(bench.route().hostnames, []);
    assert!(bench.logged("api: Domain hello.localhost removed by me"));
}

#[tokio::test(start_paused = true)]
async fn a_release_records_its_creator_and_time() {
    let bench = Bench::new().await;
    let release = bench.newest();
    assert_eq!(
        (release.created_by.as_str(), release.created_ms),
        ("me", NOW_MS)
    );
    let other = Actor::new("other");
    let rollback = Command::Rollback {
        app: app(),
        to: version(1),
    };
    let accepted = bench.control.execute_command(rollback, other, None).await;
    accepted.expect("accepted");
    let release = bench.newest();
    assert_eq!(
        (release.created_by.as_str(), release.created_ms),
        ("other", NOW_MS)
    );
}

#[tokio::test(start_paused = true)]
async fn a_preview_lists_the_steps_and_changes_nothing() {
    let bench = Bench::new().await;
    let written = entries(&bench.ledger).await;
    let steps = bench
        .control
        .preview_steps(deployed(GOOD))
        .await
        .expect("fits");
    let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
    let expected = [
        "fetch v2",
        "start web.1 of v2",
        "start web.2 of v2",
        "send requests to v2 (2 dynos)",
        "drain web.1 of v1",
        "drain web.2 of v1",
        "forget v1",
    ];
    assert_eq!(steps, expected);
    assert_eq!(entries(&bench.ledger).await, written);
    let unknown = Command::Rollback {
        app: app(),
        to: version(9),
    };
    bench
        .control
        .preview_steps(unknown)
        .await
        .expect_err("there is no v9");
}

#[tokio::test(start_paused = true)]
async fn config_vars_may_be_set_before_the_first_release() {
    let bench = Bench::new().await;
    let early: AppName = "early".parse().expect("valid");
    let set = |name: &str, value: Option<&str>| Command::SetConfig {
        app: early.clone(),
        changes: ConfigChanges(BTreeMap::from([(
            name.to_owned(),
            value.map(str::to_owned),
        )])),
    };
    bench
        .accept(Command::CreateApp {
            app: early.clone(),
            hostnames: Vec::new(),
        })
        .await;
    for (name, value) in [
        ("A", Some("hidden-1")),
        ("B", Some("hidden-2")),
        ("A", None),
    ] {
        let version = bench.accept(set(name, value)).await;
        assert_eq!(version, None, "there is nothing to run yet");
    }
    let view = bench.control.view();
    let app = view.desired.app(&early).expect("there");
    assert!(!format!("{app:?}").contains("hidden"), "{app:?}");
    let kept: Vec<_> = app.newest_config().iter().collect();
    assert_eq!(kept, [(&"B".to_owned(), &"hidden-2".to_owned())]);
    assert!(bench.logged("api: Config vars for the first release: B, set by me"));
    // Values that come with the slug undo none of these changes, and only count for the first release.
    let deploy = |slug: u8, offered: &[&str]| {
        let Command::Deploy { mut deploy, .. } = deployed(slug) else {
            unreachable!("it is one");
        };
        let offered = offered
            .iter()
            .map(|name| (name.to_string(), "offered".to_owned()));
        deploy.config = DeployConfig::Own(offered.collect());
        let app = early.clone();
        Command::Deploy { app, deploy }
    };
    let config = || {
        let view = bench.control.view();
        let app = view.desired.app(&early).expect("there");
        let pairs = app.newest_config().iter();
        pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
    };
    bench.accept(deploy(1, &["B", "C"])).await;
    assert_eq!(config(), ["B=hidden-2", "C=offered"]);
    bench.accept(set("C", None)).await;
    bench.accept(deploy(2, &["C", "D"])).await;
    assert_eq!(config(), ["B=hidden-2"]);
}
