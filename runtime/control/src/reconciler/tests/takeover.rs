//! The start of a reconciler in a grid: none without its entry in the ledger.

use super::*;
use crate::ledger::LedgerEntry;
use crate::reconciler::{
    LedgerSharing, Reconciler, ReconcilerOptions, ReconcilerOutputs, ReconcilerStartError, start,
};
use crate::{Control, LedgerView};
use grid::desired::Fact;
use grid::name::LeaderEpoch;

type Started = Result<(Reconciler, Control, ReconcilerOutputs), ReconcilerStartError>;

async fn start_in_grid(ledger: &Arc<FaultyLedger>) -> Started {
    let sharing = LedgerSharing::Shared;
    let options = ReconcilerOptions {
        sharing,
        ..options()
    };
    start(Arc::clone(ledger) as Arc<dyn Ledger>, options).await
}

fn epoch(started: Started) -> LeaderEpoch {
    let (_reconciler, control, _outputs) = started.expect("starts");
    assert_eq!(control.epoch(), control.view().desired.epoch());
    control.epoch()
}

fn refused(started: Started) -> AppendError {
    match started {
        Err(ReconcilerStartError::Ledger(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it has started"),
    }
}

/// The state that the entries of the ledger lead to.
async fn replayed(ledger: &FaultyLedger) -> LedgerView {
    let entries = ledger.inner.read(Seq::START, usize::MAX).await;
    let entries: Vec<(Seq, LedgerEntry)> = entries.expect("reads");
    let mut view = LedgerView::default();
    for (at, entry) in entries {
        view.apply_entry(at, &entry).expect("fits");
    }
    view
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_cannot_be_written_makes_no_leader_in_a_grid() {
    let ledger = Arc::new(FaultyLedger::default());
    ledger.set(LedgerFault::Full);
    for _ in 0..3 {
        let error = refused(start_in_grid(&ledger).await);
        assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
    }
    assert_eq!(replayed(&ledger).await.at, Seq::START);
    ledger.set(LedgerFault::None);
    assert_eq!(epoch(start_in_grid(&ledger).await), LeaderEpoch(1));
    assert_eq!(epoch(start_in_grid(&ledger).await), LeaderEpoch(2));
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_was_lost_counts() {
    let ledger = Arc::new(FaultyLedger::default());
    ledger.set(LedgerFault::Unsaid);
    assert_eq!(epoch(start_in_grid(&ledger).await), LeaderEpoch(1));
    assert_eq!(replayed(&ledger).await.at, Seq(1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_start_does_not_count_and_cannot_arrive_late() {
    let ledger = Arc::new(FaultyLedger::default());
    ledger.set(LedgerFault::Lost);
    let error = refused(start_in_grid(&ledger).await);
    assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
    // A marker entry took the place of the start.
    let view = replayed(&ledger).await;
    assert_eq!((view.at, view.desired.epoch()), (Seq(1), LeaderEpoch(0)));
    assert_eq!(epoch(start_in_grid(&ledger).await), LeaderEpoch(1));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_arrives_late_is_noticed_by_the_next_attempt() {
    let ledger = Arc::new(FaultyLedger::default());
    ledger.set(LedgerFault::Darkens);
    let error = refused(start_in_grid(&ledger).await);
    assert!(matches!(error, AppendError::Ambiguous(_)), "{error:?}");
    // The start arrives between the replay of the next attempt and its own start.
    ledger.set(LedgerFault::None);
    let error = refused(start_in_grid(&ledger).await);
    assert!(matches!(error, AppendError::Conflict { .. }), "{error:?}");
    assert_eq!(replayed(&ledger).await.desired.epoch(), LeaderEpoch(1));
    assert_eq!(epoch(start_in_grid(&ledger).await), LeaderEpoch(2));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_overtaken_before_it_was_found_does_not_count() {
    let ledger = Arc::new(FaultyLedger::default());
    ledger.set(LedgerFault::Unsaid);
    let shared = Arc::clone(&ledger);
    let starting = tokio::spawn(async move { start_in_grid(&shared).await });
    // Before the ledger is read for the first time.
    sleep(Duration::from_millis(100)).await;
    append_foreign(&ledger.inner, [Fact::ReconcilerStarted]).await;
    let error = refused(starting.await.expect("no panic"));
    assert!(matches!(error, AppendError::Conflict { .. }), "{error:?}");
    assert_eq!(replayed(&ledger).await.desired.epoch(), LeaderEpoch(2));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_written_later_counts_once() {
    let ledger = Arc::new(FaultyLedger::default());
    ledger.set(LedgerFault::Full);
    let bench = Bench::on(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    assert_eq!(bench.control.epoch(), LeaderEpoch(1));
    // The entry with the start arrives without an answer.
    ledger.set(LedgerFault::Dark);
    sleep(Duration::from_secs(5)).await;
    ledger.set(LedgerFault::None);
    sleep(Duration::from_secs(5)).await;
    let create = Command::CreateApp {
        app: app(),
        hostnames: vec![],
    };
    bench.accept(create).await;
    assert_eq!(
        bench.control.view().desired,
        replayed(&ledger).await.desired
    );
    assert_eq!(bench.control.view().desired.epoch(), LeaderEpoch(1));
}
