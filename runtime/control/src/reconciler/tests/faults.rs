//! Every way in which a ledger can fail; running apps are not affected.

use super::*;
use crate::handle::ControlError;
use crate::ledger::IdempotencyKey;
use crate::reconciler::run::STOP_GRACE;
use grid::name::LeaderEpoch;

/// Starts an app with one good release, on a ledger whose faults can be chosen.
async fn bench() -> (Bench, Arc<FaultyLedger>) {
    let faulty = Arc::new(FaultyLedger::default());
    let bench = Bench::deployed_on(Arc::clone(&faulty) as Arc<dyn Ledger>).await;
    (bench, faulty)
}

fn key(text: &str, request: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(text, request.as_bytes()).expect("valid"))
}

#[tokio::test(start_paused = true)]
async fn a_full_ledger_refuses_changes_while_apps_keep_running() {
    let (bench, faulty) = bench().await;
    let before = entries(&bench.ledger).await;
    faulty.set(LedgerFault::Full);
    let refused = bench.try_command(maintenance(true)).await;
    assert!(
        matches!(refused, Err(ControlError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(!bench.maintained());
    assert!(bench.control.watch_ledger_trouble().borrow().is_some());
    bench.crash_and_recover().await;
    assert_eq!(entries(&bench.ledger).await, before);
    faulty.set(LedgerFault::None);
    bench.accept(maintenance(true)).await;
    assert!(bench.maintained());
    assert!(bench.control.watch_ledger_trouble().borrow().is_none());
}

#[tokio::test(start_paused = true)]
async fn recovery_of_the_ledger_is_noticed_without_a_command() {
    let (bench, faulty) = bench().await;
    let before = entries(&bench.ledger).await;
    let mut trouble = bench.control.watch_ledger_trouble();
    for fault in [LedgerFault::Full, LedgerFault::Dark] {
        faulty.set(fault);
        assert!(bench.try_command(maintenance(true)).await.is_err());
        sleep(Duration::from_secs(60)).await;
        assert!(trouble.borrow_and_update().is_some());
        faulty.set(LedgerFault::None);
        let over = trouble.wait_for(Option::is_none);
        let over = timeout(Duration::from_secs(5), over).await;
        over.expect("by itself").expect("listens");
    }
    // The second command was in flight, and arrived.
    assert!(bench.maintained());
    assert_eq!(entries(&bench.ledger).await, before + 3);
}

#[tokio::test(start_paused = true)]
async fn facts_that_wait_for_a_full_ledger_are_appended_after_recovery() {
    let (bench, faulty) = bench().await;
    let next = bench.accept(deployed(GOOD)).await.expect("a release");
    faulty.set(LedgerFault::Full);
    sleep(Duration::from_secs(60)).await;
    // The release is published. The dynos of the old release stay until that fact is in the ledger.
    assert_eq!(bench.route().version, Some(next));
    assert_eq!(bench.control.view().outcome(&app(), next), None);
    assert_eq!(bench.control.list_dynos().await.expect("listens").len(), 4);
    faulty.set(LedgerFault::None);
    // Only time passes: no command, no report.
    sleep(Duration::from_secs(2)).await;
    let outcome = bench.control.view().outcome(&app(), next);
    assert_eq!(outcome, Some(ReleaseOutcome::Serving));
    assert_eq!(bench.control.list_dynos().await.expect("listens").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_crashes_before_its_success_is_recorded_leaves_the_old_release() {
    let (bench, faulty) = bench().await;
    let old = bench.served();
    let next = bench.accept(deployed(GOOD)).await.expect("a release");
    faulty.set(LedgerFault::Full);
    sleep(Duration::from_secs(1)).await;
    let new = bench.served();
    assert_ne!(new, old);
    let report = crashed(new[0].clone(), CrashCause::Trap);
    bench.control.send_report(report).await.expect("listens");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.served(), old);
    bench.crash_and_recover().await;
    faulty.set(LedgerFault::None);
    let reason = "web.1 crashed: unreachable".into();
    assert_eq!(bench.outcome(next).await, ReleaseOutcome::Failed(reason));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.control.list_dynos().await.expect("listens").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn apps_start_from_a_full_ledger() {
    let (first, faulty) = bench().await;
    first
        .control
        .shutdown(Duration::from_secs(1))
        .await
        .expect("done");
    let before = entries(&first.ledger).await;
    faulty.set(LedgerFault::Full);
    let bench = Bench::on(Arc::clone(&first.ledger)).await;
    sleep(Duration::from_secs(5)).await;
    assert!(bench.control.watch_ledger_trouble().borrow().is_some());
    assert_eq!(bench.served().len(), 2);
    assert!(bench.served()[0].run > first.control.view().desired.first_run());
    faulty.set(LedgerFault::None);
    sleep(Duration::from_secs(2)).await;
    assert!(bench.control.watch_ledger_trouble().borrow().is_none());
    assert_eq!(entries(&bench.ledger).await, before + 1);
    assert_eq!(bench.control.epoch(), LeaderEpoch(2));
    assert_eq!(bench.control.view().desired.epoch(), LeaderEpoch(2));
    bench.crash_and_recover().await;
    // The next reconciler finds two earlier reconcilers.
    let next = Bench::on(Arc::clone(&bench.ledger)).await;
    assert_eq!(next.control.epoch(), LeaderEpoch(3));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_ledger_delays_only_changes() {
    let (bench, faulty) = bench().await;
    faulty.set(LedgerFault::Hangs);
    let control = bench.control.clone();
    let hanging =
        tokio::spawn(async move { control.execute_command(maintenance(true), me(), None).await });
    sleep(Duration::from_secs(1)).await;
    bench.crash_and_recover().await;
    assert_eq!(bench.control.list_dynos().await.expect("listens").len(), 2);
    let begun = Instant::now();
    bench
        .control
        .shutdown(Duration::from_secs(1))
        .await
        .expect("done");
    assert!(begun.elapsed() <= Duration::from_secs(1) + STOP_GRACE);
    let answer = hanging.await.expect("no panic");
    assert!(matches!(answer, Err(ControlError::Gone(_))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_appended_change_without_confirmation_is_found() {
    let (bench, faulty) = bench().await;
    let before = entries(&bench.ledger).await;
    faulty.set(LedgerFault::Unsaid);
    bench.accept(maintenance(true)).await;
    assert!(bench.maintained());
    assert_eq!(entries(&bench.ledger).await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_change_is_refused_and_can_never_arrive_late() {
    let (bench, faulty) = bench().await;
    let before = entries(&bench.ledger).await;
    faulty.set(LedgerFault::Lost);
    let refused = bench.try_command(maintenance(true)).await;
    assert!(
        matches!(refused, Err(ControlError::Unavailable(_))),
        "{refused:?}"
    );
    // A marker entry without changes took the place, so that the lost change cannot arrive late.
    assert_eq!(entries(&bench.ledger).await, before + 1);
    let next = bench.accept(deployed(GOOD)).await.expect("a release");
    assert_eq!(bench.outcome(next).await, ReleaseOutcome::Serving);
    assert!(!bench.maintained());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_arrives_late_is_applied_before_the_next_change() {
    let (bench, faulty) = bench().await;
    faulty.set(LedgerFault::Dark);
    let unsure = bench.try_command(deployed(GOOD)).await;
    assert!(matches!(unsure, Err(ControlError::Unsure(_))), "{unsure:?}");
    bench.crash_and_recover().await;
    faulty.set(LedgerFault::None);
    let next = bench.accept(deployed(GOOD)).await;
    assert_eq!(next, Some(version(3)), "the late one is v2");
    assert_eq!(bench.outcome(version(3)).await, ReleaseOutcome::Serving);
    assert_eq!(
        bench.outcome(version(2)).await,
        ReleaseOutcome::Superseded(version(3))
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_that_never_arrives_leaves_its_sequence_number_to_the_next_change() {
    let (bench, faulty) = bench().await;
    let before = entries(&bench.ledger).await;
    faulty.set(LedgerFault::Dark);
    let unsure = bench.try_command(maintenance(true)).await;
    assert!(matches!(unsure, Err(ControlError::Unsure(_))), "{unsure:?}");
    faulty.lose_late();
    faulty.set(LedgerFault::None);
    let next = bench.accept(deployed(GOOD)).await.expect("a release");
    assert_eq!(bench.outcome(next).await, ReleaseOutcome::Serving);
    assert!(!bench.maintained());
    let last = bench.ledger.read(Seq::START, usize::MAX).await;
    let last = last.expect("reads").len();
    // Entries: the release, its success, and a marker if the reconciler retried by itself before.
    assert!((before + 2..=before + 3).contains(&last));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_returns_the_change_that_arrived_late() {
    let (bench, faulty) = bench().await;
    faulty.set(LedgerFault::Dark);
    let control = &bench.control;
    let key = key("k", "deploy");
    let unsure = control
        .execute_command(deployed(GOOD), me(), key.clone())
        .await;
    assert!(matches!(unsure, Err(ControlError::Unsure(_))), "{unsure:?}");
    faulty.set(LedgerFault::None);
    let again = control.execute_command(deployed(GOOD), me(), key).await;
    let expected = AcceptedChange {
        version: Some(version(2)),
        at_ms: NOW_MS,
        repeated: true,
    };
    assert_eq!(again.expect("known"), expected);
    assert_eq!(bench.outcome(version(2)).await, ReleaseOutcome::Serving);
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_is_honoured_by_the_next_reconciler() {
    let (bench, _) = bench().await;
    let first = bench
        .control
        .execute_command(deployed(GOOD), me(), key("k", "deploy"))
        .await
        .expect("accepted");
    assert!(!first.repeated);
    let next = Bench::on(Arc::clone(&bench.ledger)).await;
    let again = next
        .control
        .execute_command(deployed(GOOD), me(), key("k", "deploy"))
        .await
        .expect("known");
    assert_eq!(again.version, first.version);
    assert!(again.repeated);
    let other = next
        .control
        .execute_command(maintenance(true), me(), key("k", "maintenance"))
        .await;
    assert!(matches!(other, Err(ControlError::KeyReused)), "{other:?}");
    assert!(!next.maintained());
}
