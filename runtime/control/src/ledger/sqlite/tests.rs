//! An append that panics at each of the named failpoints.

use super::*;
use crate::ledger::entry::EntryId;
use fail::FailScenario;

fn entry() -> LedgerEntry {
    LedgerEntry {
        id: EntryId::random(),
        at_ms: 1,
        by: "me".into(),
        key: None,
        changes: vec![],
    }
}

/// One test, since failpoints are global to the process.
#[tokio::test]
async fn append_that_panics_is_ambiguous_and_stored_or_absent() {
    let places = [
        ("ledger-before-append", 0),
        ("ledger-before-commit", 0),
        ("ledger-after-append", 1),
    ];
    for (place, kept) in places {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let ledger = SqliteLedger::open(&folder.join("db"), &folder.join("key")).expect("opens");
        let scenario = FailScenario::setup();
        fail::cfg(place, "panic").expect("a place");
        let appended = ledger.append(Seq::START, &entry()).await;
        assert!(
            matches!(appended, Err(AppendError::Ambiguous(_))),
            "{appended:?}"
        );
        scenario.teardown();
        let found = ledger.read(Seq::START, 100).await.expect("reads");
        assert_eq!(found.len(), kept, "{place}");
        let last = Seq(kept as u64);
        let next = ledger.append(last, &entry()).await.expect("appends");
        assert_eq!(next, last.next());
    }
}
