//! Entries of other writers: applied as they appear, and the end of the reconciler when another has started.

use super::*;
use crate::access::{Role, mint_token};
use crate::handle::ControlError;
use crate::reconciler::create_token_offline;
use crate::view::LedgerView;
use grid::desired::Fact;
use grid::name::LeaderEpoch;
use grid::protocol::Inventory;

/// An app with one good release, on a ledger whose faults can be chosen and whose reads are counted from now on.
async fn bench() -> (Bench, Arc<FaultyLedger>) {
    let ledger = Arc::new(FaultyLedger::default());
    let bench = Bench::deployed_on(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    sleep(Duration::from_secs(1)).await;
    ledger.take_reads();
    (bench, ledger)
}

fn maintenance_fact(on: bool) -> Fact {
    Fact::MaintenanceSet { app: app(), on }
}

fn is_overtaken(ended: &Result<(), ReconcilerRunError>) -> bool {
    let conflict = |error: &AppendError| matches!(error, AppendError::Conflict { .. });
    matches!(ended, Err(ReconcilerRunError::Ledger(error)) if conflict(error))
}

impl Bench {
    /// Waits until the reconciler has ended because of another one, for at most this time.
    async fn expect_overtaken_within(self, time: Duration) {
        let ended = timeout(time, self.running).await.expect("by itself");
        let ended = ended.expect("no panic");
        assert!(is_overtaken(&ended), "{ended:?}");
        // Whoever reads the view of this reconciler must not take the new epoch for its own.
        assert_eq!(self.control.view().desired.epoch(), self.control.epoch());
    }

    fn count_log(&self, line: &str) -> usize {
        self.logs().iter().filter(|logged| *logged == line).count()
    }

    /// Asserts that each entry of the ledger was applied once, in order.
    async fn expect_whole_view(&self) {
        let mut replayed = LedgerView::default();
        let entries = self.ledger.read(Seq::START, usize::MAX).await;
        for (at, entry) in entries.expect("reads") {
            replayed.apply_entry(at, &entry).expect("fits");
        }
        let view = self.control.view();
        assert_eq!(view.at, replayed.at);
        assert_eq!(view.desired, replayed.desired);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconciler_ends_when_another_has_started() {
    let (bench, ledger) = bench().await;
    append_foreign(&*ledger, [Fact::ReconcilerStarted]).await;
    bench
        .expect_overtaken_within(Duration::from_millis(1))
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_reconciler_sends_no_further_step() {
    let ledger: Arc<dyn Ledger> = Arc::new(FaultyLedger::default());
    let (reconciler, control, mut outputs) = begin(&ledger).await;
    let running = tokio::spawn(reconciler.run());
    control.send_report(inventory()).await.expect("listens");
    let create = Command::CreateApp {
        app: app(),
        hostnames: vec![],
    };
    let created = control.execute_command(create, me(), None).await;
    created.expect("accepted");
    sleep(Duration::from_secs(1)).await;
    while outputs.steps.try_recv().is_ok() {}
    append_foreign(&*ledger, [Fact::ReconcilerStarted]).await;
    let refused = control.execute_command(deployed(GOOD), me(), None).await;
    assert!(matches!(refused, Err(ControlError::Gone(_))), "{refused:?}");
    assert!(is_overtaken(&running.await.expect("no panic")));
    assert_eq!(outputs.steps.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_reconciler_ends_although_its_steps_are_not_taken() {
    let ledger: Arc<dyn Ledger> = Arc::new(FaultyLedger::default());
    let (reconciler, control, mut outputs) = begin(&ledger).await;
    let running = tokio::spawn(reconciler.run());
    let inventory = Report::Node(Inventory::new_local(node(), 1 << 50, 10_000));
    control.send_report(inventory).await.expect("listens");
    let create = Command::CreateApp {
        app: app(),
        hostnames: vec![],
    };
    for command in [create, two_types_of_dynos()] {
        let accepted = control.execute_command(command, me(), None).await;
        accepted.expect("accepted");
    }
    let seen = Mutex::new(Seen::default());
    let fetched = loop {
        let step = outputs.steps.recv().await.expect("a step");
        if let Some((_, fetched)) = answer(step, &seen) {
            break fetched;
        }
    };
    control.send_report(fetched).await.expect("listens");
    // There are more steps than the channel holds.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(outputs.steps.len(), crate::STEPS_MAX);
    append_foreign(&*ledger, [Fact::ReconcilerStarted]).await;
    let ended = timeout(Duration::from_secs(1), running).await;
    assert!(is_overtaken(&ended.expect("by itself").expect("no panic")));
}

/// A release with two process types, of 1,000 dynos each.
fn two_types_of_dynos() -> Command {
    let Command::Deploy { app, mut deploy } = deployed(GOOD) else {
        panic!("a deploy")
    };
    let spec = deploy.processes[&ProcessType::web()].clone();
    let worker: ProcessType = "worker".parse().expect("valid");
    deploy.processes.insert(worker.clone(), spec);
    deploy.formation = BTreeMap::from([(ProcessType::web(), 1_000), (worker, 1_000)]);
    Command::Deploy { app, deploy }
}

#[tokio::test(start_paused = true)]
async fn a_reconciler_ends_although_its_append_hangs() {
    let (bench, ledger) = bench().await;
    ledger.set(LedgerFault::Hangs);
    let control = bench.control.clone();
    let hanging =
        tokio::spawn(async move { control.execute_command(maintenance(true), me(), None).await });
    sleep(Duration::from_millis(10)).await;
    append_foreign(&ledger.inner, [Fact::ReconcilerStarted]).await;
    bench.expect_overtaken_within(Duration::from_secs(2)).await;
    let answer = hanging.await.expect("no panic");
    assert!(matches!(answer, Err(ControlError::Gone(_))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_written_before_another_started_is_acknowledged() {
    let (bench, ledger) = bench().await;
    ledger.set(LedgerFault::Unsaid);
    let control = bench.control.clone();
    let unsaid =
        tokio::spawn(async move { control.execute_command(maintenance(true), me(), None).await });
    // Before the ledger is read for the first time.
    sleep(Duration::from_millis(100)).await;
    append_foreign(&ledger.inner, [Fact::ReconcilerStarted]).await;
    let accepted = unsaid.await.expect("no panic");
    assert!(accepted.is_ok(), "{accepted:?}");
    bench.expect_overtaken_within(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn entries_of_other_writers_take_effect_without_a_command() {
    let (bench, ledger) = bench().await;
    append_foreign(&*ledger, [maintenance_fact(true)]).await;
    let (token, secret) = mint_token("lost", Role::Admin, None);
    let created = create_token_offline(Arc::clone(&bench.ledger), token, me()).await;
    created.expect("a token");
    sleep(Duration::from_secs(1)).await;
    let view = bench.control.view();
    assert!(view.desired.apps[&app()].maintenance);
    assert!(view.tokens.authenticate(secret.reveal()).is_some());
    assert_eq!(
        bench.route().target,
        RouteTarget::Refuse(Refusal::Maintenance)
    );
    assert_eq!(
        bench.count_log("api: Maintenance mode turned on by another"),
        1
    );
    bench.accept(maintenance(false)).await;
    bench.expect_whole_view().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_meets_a_foreign_entry_is_decided_about_again() {
    let (bench, ledger) = bench().await;
    // The reconciler has no time to read the entry before its own append.
    append_foreign(&ledger.inner, [maintenance_fact(true)]).await;
    let refused = bench.try_command(Command::CreateApp {
        app: app(),
        hostnames: vec![],
    });
    assert!(matches!(refused.await, Err(ControlError::Rejected(_))));
    append_foreign(&ledger.inner, []).await;
    bench.accept(maintenance(false)).await;
    assert!(!bench.maintained());
    bench.expect_whole_view().await;
}

#[tokio::test(start_paused = true)]
async fn many_entries_are_read_in_pages() {
    let (bench, ledger) = bench().await;
    for number in 0..1_000 {
        append_foreign(&ledger.inner, [maintenance_fact(number % 2 == 0)]).await;
    }
    append_foreign(&ledger.inner, [maintenance_fact(true)]).await;
    sleep(Duration::from_secs(1)).await;
    let reads = ledger.take_reads();
    assert!(reads.iter().all(|limit| *limit <= 256), "{reads:?}");
    assert!(reads.len() <= 5, "{reads:?}");
    assert!(bench.maintained());
    bench.expect_whole_view().await;
}

#[tokio::test(start_paused = true)]
async fn failed_reads_are_repeated_with_growing_pauses_while_apps_run() {
    for fault in [LedgerFault::Unreadable, LedgerFault::Stale] {
        let (bench, ledger) = bench().await;
        ledger.set(fault);
        append_foreign(&ledger.inner, [maintenance_fact(true)]).await;
        sleep(Duration::from_secs(14)).await;
        // After 0, 1, 3 and 7 seconds.
        assert_eq!(ledger.take_reads().len(), 4, "{fault:?}");
        sleep(Duration::from_secs(40)).await;
        // After 15, 25, 35 and 45 seconds.
        assert_eq!(ledger.take_reads().len(), 4, "{fault:?}");
        bench.crash_and_recover().await;
        assert!(!bench.maintained());
        // The entry in the way cannot be read, so nothing can be decided.
        let refused = bench.try_command(maintenance(false)).await;
        assert!(
            matches!(refused, Err(ControlError::Unavailable(_))),
            "{refused:?}"
        );
        ledger.set(LedgerFault::None);
        sleep(Duration::from_secs(10)).await;
        assert!(bench.maintained());
        bench.accept(maintenance(false)).await;
        bench.expect_whole_view().await;
    }
}

#[tokio::test(start_paused = true)]
async fn own_entries_are_not_read_again() {
    let (bench, ledger) = bench().await;
    for pause_ms in [0, 1, 500] {
        ledger.set(LedgerFault::Slow(Duration::from_millis(pause_ms)));
        for on in [true, false] {
            bench.accept(maintenance(on)).await;
        }
    }
    assert_eq!(ledger.take_reads(), [0; 0]);
    assert_eq!(bench.count_log("api: Maintenance mode turned on by me"), 3);
    bench.expect_whole_view().await;
}

#[tokio::test(start_paused = true)]
async fn an_own_entry_that_is_read_before_its_append_returns_is_applied_once() {
    let (bench, ledger) = bench().await;
    ledger.set(LedgerFault::Slow(Duration::from_secs(5)));
    let control = bench.control.clone();
    let slow =
        tokio::spawn(async move { control.execute_command(deployed(GOOD), me(), None).await });
    sleep(Duration::from_secs(2)).await;
    assert!(bench.logged("api: Release v2 created by me (Deploy)"));
    // Entries after the own one are not lost either.
    append_foreign(&ledger.inner, [maintenance_fact(true)]).await;
    sleep(Duration::from_secs(1)).await;
    assert!(bench.maintained());
    assert!(!slow.is_finished());
    ledger.set(LedgerFault::None);
    let accepted = slow.await.expect("no panic").expect("accepted");
    assert_eq!(accepted.version, Some(version(2)));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.count_log("api: Release v2 created by me (Deploy)"), 1);
    assert_eq!(bench.control.epoch(), LeaderEpoch(1));
    bench.expect_whole_view().await;
}
