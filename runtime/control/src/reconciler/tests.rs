//! The reconciler in paused time, with a fake node that answers steps.

mod bench;
mod clock;
mod commands;
mod faults;
mod faulty_ledger;
mod following;
mod once;
mod takeover;
mod tokens;

use super::ReconcilerRunError;
use crate::actor::Actor;
use crate::command::{AcceptedChange, Command, ConfigChanges};
use crate::ledger::{AppendError, Ledger, MemoryLedger, Seq};
use crate::view::ReleaseOutcome;
use bench::*;
use faulty_ledger::*;
use grid::desired::RestartTarget;
use grid::lifecycle;
use grid::name::{AppName, ProcessType};
use grid::protocol::{CrashCause, Refusal, Report, RouteTarget};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn a_deployed_release_serves_with_the_formation_of_its_app() {
    let bench = Bench::new().await;
    assert_eq!(bench.served().len(), 2);
    assert_eq!(bench.route().version, Some(version(1)));
    assert_eq!(bench.route().hostnames.len(), 1);
    let dynos = bench.control.list_dynos().await.expect("listens");
    assert!(
        dynos
            .iter()
            .all(|dyno| dyno.state == lifecycle::DynoState::Up)
    );
    for line in [
        "api: App hello created by me",
        "api: Release v1 created by me (Deploy)",
        "api: Scaled to web@2:128MiB by me",
        "web.1: State changed from down to starting",
        "web.1: State changed from starting to up",
        "api: Release v1 is serving",
    ] {
        assert!(bench.logged(line), "{line} in {:#?}", bench.logs());
    }
}

#[tokio::test(start_paused = true)]
async fn a_swap_replaces_all_dynos() {
    let bench = Bench::new().await;
    let before = bench.served();
    assert_eq!(bench.deploy(GOOD).await, ReleaseOutcome::Serving);
    sleep(Duration::from_secs(1)).await;
    assert!(bench.served().iter().all(|key| !before.contains(key)));
    let running = bench.seen.lock().expect("not poisoned").running.clone();
    assert_eq!(running.keys().cloned().collect::<Vec<_>>(), bench.served());
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_leaves_the_old_release_serving() {
    let bench = Bench::new().await;
    let before = bench.served();
    let crashed = bench.deploy(CRASHES).await;
    assert_eq!(
        crashed,
        ReleaseOutcome::Failed("web.1 did not start: unreachable".into())
    );
    assert_eq!(
        bench.deploy(NO_SLUG).await,
        ReleaseOutcome::Failed("no such slug".into())
    );
    let begun = Instant::now();
    let slow = bench.deploy(NEVER_UP).await;
    assert_eq!(
        slow,
        ReleaseOutcome::Failed("web.1 was not ready within 60 seconds".into())
    );
    assert!(begun.elapsed() >= Duration::from_secs(60));
    assert!(begun.elapsed() < Duration::from_secs(61));
    assert_eq!(bench.served(), before);
    assert!(bench.logged("web.1: Error R10 (Boot timeout) -> it was not ready in time"));
    assert!(bench.logged("api: Release v4 failed: web.1 was not ready within 60 seconds"));
}

#[tokio::test(start_paused = true)]
async fn a_release_is_superseded_by_a_newer_release() {
    let bench = Bench::new().await;
    let slow = bench.accept(deployed(NEVER_UP)).await.expect("a release");
    let next = bench.accept(deployed(GOOD)).await.expect("a release");
    assert_eq!(bench.outcome(slow).await, ReleaseOutcome::Superseded(next));
    assert_eq!(bench.outcome(next).await, ReleaseOutcome::Serving);
}

#[tokio::test(start_paused = true)]
async fn scaling_goes_up_down_and_to_zero() {
    let bench = Bench::new().await;
    bench.scale(5).await;
    assert_eq!(bench.served().len(), 5);
    assert_eq!(bench.route().backlog_max, 500);
    bench.scale(1).await;
    assert_eq!(bench.served().len(), 1);
    bench.scale(0).await;
    assert_eq!(
        bench.route().target,
        RouteTarget::Refuse(Refusal::NoWebDynos)
    );
    assert!(bench.seen.lock().expect("not poisoned").running.is_empty());
}

#[tokio::test(start_paused = true)]
async fn crashes_back_off_on_the_reconcilers_own_clock() {
    let bench = Bench::new().await;
    bench.scale(1).await;
    for _ in 0..2 {
        let key = bench.served()[0].clone();
        bench
            .control
            .send_report(crashed(key, CrashCause::Trap))
            .await
            .expect("listens");
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(
        bench.route().target,
        RouteTarget::Refuse(Refusal::AppCrashed)
    );
    let dynos = bench.control.list_dynos().await.expect("listens");
    assert_eq!(dynos.len(), 1);
    assert_eq!(
        (dynos[0].state, dynos[0].for_secs),
        (lifecycle::DynoState::Crashed, 1)
    );
    sleep(Duration::from_secs(8)).await;
    assert_eq!(
        bench.route().target,
        RouteTarget::Refuse(Refusal::AppCrashed),
        "not before ten seconds"
    );
    sleep(Duration::from_secs(3)).await;
    assert_eq!(bench.served().len(), 1);
    assert!(bench.logged("web.1: Crashed: unreachable"));
    assert!(bench.logged("web.1: State changed from crashed to starting"));
}

#[tokio::test(start_paused = true)]
async fn a_restart_replaces_and_a_rollback_is_a_release() {
    let bench = Bench::new().await;
    let before = bench.served();
    let target = RestartTarget::Dyno(before[0].dyno.clone());
    bench.accept(Command::Restart { app: app(), target }).await;
    sleep(Duration::from_secs(1)).await;
    assert_ne!(bench.served()[0], before[0]);
    assert_eq!(bench.served()[1], before[1]);
    let made = bench
        .accept(Command::Rollback {
            app: app(),
            to: version(1),
        })
        .await;
    assert_eq!(made, Some(version(2)));
    assert_eq!(bench.outcome(version(2)).await, ReleaseOutcome::Serving);
    assert!(bench.logged("api: Release v2 created by me (Rollback to v1)"));
}

#[tokio::test(start_paused = true)]
async fn a_config_change_maintenance_and_a_domain_reach_the_route() {
    let bench = Bench::new().await;
    let changes = ConfigChanges(BTreeMap::from([("KEY".into(), Some("value".into()))]));
    let made = bench
        .accept(Command::SetConfig {
            app: app(),
            changes,
        })
        .await
        .expect("a release");
    assert_eq!(bench.outcome(made).await, ReleaseOutcome::Serving);
    bench
        .accept(Command::SetMaintenance {
            app: app(),
            on: true,
        })
        .await;
    let hostname = "www.example.com".parse().expect("valid");
    bench
        .accept(Command::AddDomain {
            app: app(),
            hostname,
        })
        .await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        bench.route().target,
        RouteTarget::Refuse(Refusal::Maintenance)
    );
    assert_eq!(bench.route().hostnames.len(), 2);
    assert!(
        !bench.logs().iter().any(|line| line.contains("value")),
        "values are never logged"
    );
}

#[tokio::test(start_paused = true)]
async fn invalid_commands_are_rejected_without_a_ledger_entry() {
    let bench = Bench::new().await;
    let before = entries(&bench.ledger).await;
    let other: AppName = "other".parse().expect("valid");
    let counts = |process: &str, count| {
        let counts = BTreeMap::from([(process.parse().expect("valid"), count)]);
        Command::Scale {
            app: app(),
            counts,
            sizes: BTreeMap::new(),
        }
    };
    let config = |name: &str, value: String| {
        let changes = ConfigChanges(BTreeMap::from([(name.to_owned(), Some(value))]));
        Command::SetConfig {
            app: app(),
            changes,
        }
    };
    bench
        .refuse(Command::SetMaintenance {
            app: other,
            on: true,
        })
        .await;
    bench
        .refuse(Command::CreateApp {
            app: app(),
            hostnames: vec![],
        })
        .await;
    bench
        .refuse(Command::Rollback {
            app: app(),
            to: version(9),
        })
        .await;
    bench.refuse(counts("wrker", 1)).await;
    bench.refuse(counts("web", 1_001)).await;
    bench.refuse(config("1KEY", String::new())).await;
    bench.refuse(config("KEY", "x".repeat(64 * 1024))).await;
    let target = RestartTarget::Dyno("web.3".parse().expect("valid"));
    bench.refuse(Command::Restart { app: app(), target }).await;
    assert_eq!(entries(&bench.ledger).await, before);
}

#[tokio::test(start_paused = true)]
async fn an_idle_reconciler_shuts_down_at_once_and_refuses_requests() {
    let bench = Bench::new().await;
    let begun = Instant::now();
    let grace = Duration::from_secs(30);
    bench.control.shutdown(grace).await.expect("done");
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "idle dynos need no grace"
    );
    assert!(bench.seen.lock().expect("not poisoned").running.is_empty());
    assert_eq!(
        bench.route().target,
        RouteTarget::Refuse(Refusal::ForcedClose)
    );
    bench
        .running
        .await
        .expect("no panic")
        .expect("an orderly end");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_when_its_grace_time_is_over() {
    let bench = Bench::new().await;
    assert_eq!(bench.deploy(NEVER_DRAINS).await, ReleaseOutcome::Serving);
    let begun = Instant::now();
    let grace = Duration::from_secs(3);
    bench.control.shutdown(grace).await.expect("done");
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert!(begun.elapsed() < Duration::from_secs(4));
    bench
        .running
        .await
        .expect("no panic")
        .expect("an orderly end");
}

#[tokio::test(start_paused = true)]
async fn a_dyno_that_does_not_drain_in_time_is_stopped() {
    let bench = Bench::new().await;
    assert_eq!(bench.deploy(NEVER_DRAINS).await, ReleaseOutcome::Serving);
    assert_eq!(bench.deploy(GOOD).await, ReleaseOutcome::Serving);
    sleep(Duration::from_secs(31)).await;
    let line = "web.1: Error R12 (Exit timeout) -> it did not finish within 30 seconds";
    assert!(bench.logged(line), "{:#?}", bench.logs());
    assert_eq!(bench.seen.lock().expect("not poisoned").running.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_reconciler_takes_over_from_the_ledger() {
    let first = Bench::new().await;
    let second = Bench::on(first.ledger.clone()).await;
    sleep(Duration::from_secs(1)).await;
    // The node of the second reconciler starts empty, and gets every dyno that the ledger asks for.
    assert_eq!(second.served().len(), 2);
    assert!(second.route().generation > first.route().generation);
    let ended = first.running.await.expect("no panic");
    assert!(matches!(
        ended,
        Err(ReconcilerRunError::Ledger(AppendError::Conflict { .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_reports_before_taking_the_next_step_does_not_deadlock() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let (reconciler, control, mut outputs) = begin(&ledger).await;
    let running = tokio::spawn(reconciler.run());
    let executor = control.clone();
    let executing = tokio::spawn(async move {
        let seen = Mutex::new(Seen::default());
        while let Some(step) = outputs.steps.recv().await {
            let report = answer(step, &seen).map(|(_, report)| report);
            for report in report.into_iter().flat_map(|report| vec![report; REPEATS]) {
                let _ = executor.send_report(report).await;
            }
        }
    });
    control.send_report(inventory()).await.expect("listens");
    let create = Command::CreateApp {
        app: app(),
        hostnames: vec![],
    };
    for command in [create, deployed(GOOD)] {
        let accepted = control.execute_command(command, me(), None).await;
        accepted.expect("accepted");
    }
    for count in [400, 100, 500] {
        let counts = BTreeMap::from([(ProcessType::web(), count)]);
        let scale = Command::Scale {
            app: app(),
            counts,
            sizes: BTreeMap::new(),
        };
        let accepted = control.execute_command(scale, me(), None).await;
        accepted.expect("accepted");
    }
    let grace = Duration::from_secs(1);
    let closing = control.shutdown(grace);
    timeout(Duration::from_secs(60), closing)
        .await
        .expect("nobody waits for ever")
        .expect("done");
    running.await.expect("no panic").expect("an orderly end");
    executing.abort();
}
