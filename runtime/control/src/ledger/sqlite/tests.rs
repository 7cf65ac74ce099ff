//! An append that ends in a panic, at each of the named places.

use super::*;
use fail::FailScenario;

fn entry() -> Entry {
    Entry {
        id: EntryId::random(),
        at_ms: 1,
        by: "me".into(),
        key: None,
        changes: vec![],
    }
}

/// One test, since the places are the whole process's.
#[tokio::test]
async fn what_was_not_told_is_not_known_and_is_there_or_not() {
    let places = [
        ("ledger-before-append", 0),
        ("ledger-before-commit", 0),
        ("ledger-after-append", 1),
    ];
    for (place, kept) in places {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let ledger = Sqlite::open(&folder.join("db"), &folder.join("key")).expect("opens");
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
