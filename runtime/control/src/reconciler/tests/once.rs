//! Programs that run once: release processes, from the deploy to the outcome, and one-off dynos.

use super::*;
use crate::command::{Command, CommandError, ReleaseSpec};
use crate::handle::ControlError;
use crate::once::{OneOffProgram, OneOffRequest};
use grid::desired::ProcessKind;
use grid::name::{DynoKey, NodeId, Version};
use grid::plan::{ONE_OFFS_PER_APP_MAX, OneOffError};
use grid::protocol::ProcessExit;

const MEMORY_BYTES: u64 = 1 << 20;

/// Deploys a slug that has a release process.
fn prepared(slug: u8) -> Command {
    let Command::Deploy { app, mut deploy } = deployed(slug) else {
        unreachable!("it is one");
    };
    let ReleaseSpec { processes, .. } = &mut deploy;
    let mut spec = processes[&ProcessType::web()].clone();
    spec.kind = ProcessKind::Process;
    processes.insert(ProcessType::release(), spec);
    Command::Deploy { app, deploy }
}

fn wanted() -> OneOffRequest {
    OneOffRequest {
        app: app(),
        program: OneOffProgram::Type {
            process: "task".parse().expect("valid"),
            args: vec!["secret".into()],
        },
        env: BTreeMap::new(),
        memory_bytes: MEMORY_BYTES,
        pipes: None,
        by: "me".into(),
    }
}

impl Bench {
    async fn run(&self) -> Result<String, ControlError> {
        let begun = self.control.start_one_off(wanted()).await?;
        Ok(begun.dyno.dyno.to_string())
    }

    /// Sends a report of the node about the one-off with this name.
    async fn tell(&self, dyno: &str, report: impl FnOnce(NodeId, DynoKey) -> Report) {
        let key = {
            let seen = self.seen.lock().expect("not poisoned");
            let mut all = seen.one_offs.iter().rev();
            let one_off = all.find(|one_off| one_off.dyno.dyno.to_string() == dyno);
            one_off.expect("it was to start").dyno.clone()
        };
        let report = report(node(), key);
        self.control.send_report(report).await.expect("listens");
        sleep(Duration::from_secs(1)).await;
    }

    async fn states(&self) -> Vec<String> {
        let dynos = self
            .control
            .list_dynos_of_app(&app())
            .await
            .expect("listens");
        let shown = dynos.iter();
        shown
            .map(|status| format!("{} {}", status.dyno.dyno, status.state))
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_process_that_fails_keeps_the_old_release() {
    let bench = Bench::new().await;
    let version = bench
        .accept(prepared(RELEASE_FAILS))
        .await
        .expect("a release");
    let reason = "release command failed with exit code 3";
    assert_eq!(
        bench.outcome(version).await,
        ReleaseOutcome::Failed(reason.into())
    );
    assert_eq!(bench.route().version.map(Version::number), Some(1));
    assert!(bench.logged("release.1: Process exited with status 3"));
    assert!(bench.logged(&format!("api: Release v2 failed: {reason}")));
    let version = bench.accept(prepared(GOOD)).await.expect("a release");
    assert_eq!(bench.outcome(version).await, ReleaseOutcome::Serving);
    assert!(bench.logged("api: Release v3 is prepared: its release command succeeded"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.states().await, ["web.1 up", "web.2 up"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_release_process_is_not_repeated_after_a_restart() {
    let bench = Bench::new().await;
    let version = bench
        .accept(prepared(RELEASE_FAILS))
        .await
        .expect("a release");
    bench.outcome(version).await;
    let again = Bench::on(Arc::clone(&bench.ledger)).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(again.route().version.map(Version::number), Some(1));
    assert!(
        !again
            .logs()
            .iter()
            .any(|line| line.starts_with("release.1"))
    );
}

#[tokio::test(start_paused = true)]
async fn release_and_run_are_no_part_of_a_formation() {
    let bench = Bench::new().await;
    bench.accept(prepared(GOOD)).await;
    let scale = |process: ProcessType| Command::Scale {
        app: app(),
        counts: BTreeMap::from([(process, 1)]),
        sizes: BTreeMap::new(),
    };
    for process in [ProcessType::release(), ProcessType::run()] {
        let refused = bench
            .control
            .execute_command(scale(process), me(), None)
            .await;
        let refused = refused.expect_err("it runs once");
        assert!(
            matches!(refused, ControlError::Rejected(CommandError::RunsOnce(_))),
            "{refused}"
        );
    }
    let restart = Command::Restart {
        app: app(),
        target: RestartTarget::Dyno("run.1".parse().expect("valid")),
    };
    bench.refuse(restart).await;
}

#[tokio::test(start_paused = true)]
async fn a_one_off_is_listed_from_its_start_to_its_end() {
    let bench = Bench::new().await;
    assert_eq!(bench.run().await.expect("accepted"), "run.1");
    assert_eq!(bench.run().await.expect("accepted"), "run.2");
    assert_eq!(
        bench.states().await,
        ["run.1 starting", "run.2 starting", "web.1 up", "web.2 up"]
    );
    assert!(
        bench.logged("api: Starting run.1 (task), asked by me"),
        "no arguments"
    );
    bench
        .tell("run.1", |node, dyno| Report::Up { node, dyno })
        .await;
    let restart = Command::Restart {
        app: app(),
        target: RestartTarget::All,
    };
    bench.accept(restart).await;
    sleep(Duration::from_secs(1)).await;
    let states = bench.states().await;
    assert!(states.contains(&"run.1 up".to_owned()), "{states:?}");
    let exit = ProcessExit::Code(7);
    bench
        .tell("run.1", |node, dyno| Report::Exited { node, dyno, exit })
        .await;
    assert!(bench.logged("run.1: Process exited with status 7"));
    assert_eq!(
        bench.run().await.expect("accepted"),
        "run.3",
        "no name twice"
    );
}

#[tokio::test(start_paused = true)]
async fn a_one_off_can_be_stopped() {
    let bench = Bench::new().await;
    bench.run().await.expect("accepted");
    let dyno = "run.1".parse().expect("valid");
    let app = app();
    let stop = || bench.control.stop_one_off(&app, &dyno, "me");
    assert!(stop().await.expect("listens"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.states().await, ["web.1 up", "web.2 up"]);
    assert!(!stop().await.expect("listens"), "there is none");
    assert!(bench.logged("api: Stopping run.1, asked by me"));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_one_offs_is_limited() {
    let bench = Bench::new().await;
    for _ in 0..ONE_OFFS_PER_APP_MAX {
        bench.run().await.expect("accepted");
        tokio::task::yield_now().await;
    }
    let refused = bench.run().await.expect_err("one too many");
    let too_many = CommandError::OneOff(OneOffError::TooMany(app()));
    assert!(matches!(refused, ControlError::Rejected(why) if why == too_many));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_one_offs_after_their_grace() {
    let bench = Bench::new().await;
    bench.run().await.expect("accepted");
    bench
        .tell("run.1", |node, dyno| Report::Up { node, dyno })
        .await;
    bench
        .control
        .shutdown(Duration::from_secs(30))
        .await
        .expect("it ends");
    assert!(bench.logged("run.1: State changed from up to stopping"));
    let state = lifecycle::DynoState::Down;
    assert!(bench.logged(&format!("run.1: State changed from stopping to {state}")));
    let gone = bench.run().await.expect_err("it has ended");
    assert!(matches!(gone, ControlError::Gone(_)));
}
