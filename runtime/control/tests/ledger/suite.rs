//! The contract of every ledger.

use crate::places::{Place, all, entry};
use control::Actor;
use control::access::{self, Role};
use control::ledger::{
    AppendError, ENTRY_BYTES_MAX, IdempotencyKey, Ledger, LedgerChange, LedgerEntry, Seq,
};
use futures_util::future::poll_immediate;
use grid::desired::{Fact, ProcessKind, ProcessSpec, Release};
use grid::name::{AppName, ProcessType, SlugId, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Concurrent writers, and the entries that each of them appends.
const WRITERS: usize = 6;
const ENTRIES_EACH: usize = 20;

fn app() -> AppName {
    "hello".parse().expect("valid")
}

/// An entry with every kind of content that an entry can have.
fn rich() -> LedgerEntry {
    let (token, _secret) = access::mint_token("the \"first\" – один", Role::Deploy, Some(app()));
    let token = token.into_token(&Actor::new("me"), 5);
    let spec = ProcessSpec {
        kind: ProcessKind::Handler,
        limits: Arc::default(),
    };
    let release = Release {
        version: Version::FIRST,
        slug: SlugId::new([9; 32]),
        description: "Deploy\nof two lines".into(),
        config: Arc::new(BTreeMap::from([("KEY".into(), "\u{0}\u{1f980}\"".into())])),
        processes: BTreeMap::from([(ProcessType::web(), spec)]),
        created_ms: u64::MAX,
        created_by: "me".into(),
        reach: Default::default(),
    };
    LedgerEntry {
        key: Some(IdempotencyKey::new("once", b"POST /").expect("valid")),
        changes: vec![
            LedgerChange::Fact(Fact::AppCreated {
                app: app(),
                hostnames: vec!["hello.localhost".parse().expect("valid")],
            }),
            LedgerChange::Fact(Fact::ReleaseCreated {
                app: app(),
                release: Arc::new(release),
            }),
            LedgerChange::Access(access::AccessChange::TokenRevoked(token.id.clone())),
            LedgerChange::Access(access::AccessChange::TokenCreated(token)),
        ],
        ..entry("me")
    }
}

pub(crate) async fn entries_come_back_whole_and_in_order(place: &dyn Place) {
    let ledger = place.open();
    assert_eq!(all(&*ledger).await, []);
    let written = [entry("a"), rich(), entry("b"), rich()];
    let mut expected = Vec::new();
    let mut last = Seq::START;
    for entry in written {
        last = ledger.append(last, &entry).await.expect("appends");
        expected.push((last, entry));
    }
    assert_eq!(last, Seq(4));
    assert_eq!(all(&*ledger).await, expected);
}

pub(crate) async fn pages_follow_each_other_without_gaps(place: &dyn Place) {
    let ledger = place.open();
    let mut last = Seq::START;
    for number in 0..7 {
        let entry = entry(&number.to_string());
        last = ledger.append(last, &entry).await.expect("appends");
    }
    let (mut read, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let after = read.last().map_or(Seq::START, |(at, _)| *at);
        let page = ledger.read(after, 3).await.expect("reads");
        sizes.push(page.len());
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(sizes, [3, 3, 1, 0]);
    assert_eq!(read, all(&*ledger).await);
    assert_eq!(ledger.read(Seq(99), 3).await.expect("reads"), []);
}

pub(crate) async fn concurrent_writers_never_share_a_sequence_number(place: &dyn Place) {
    let ledger = place.open();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write_all(Arc::clone(&ledger), writer)))
        .collect();
    let mut placed = BTreeMap::new();
    for writer in writers {
        for (at, entry) in writer.await.expect("no panic") {
            assert_eq!(placed.insert(at, entry), None, "two entries at {at}");
        }
    }
    assert_eq!(placed.len(), WRITERS * ENTRIES_EACH);
    let kept: BTreeMap<Seq, LedgerEntry> = all(&*ledger).await.into_iter().collect();
    assert_eq!(kept, placed);
    let first_and_last = (kept.first_key_value(), kept.last_key_value());
    let places = first_and_last.0.zip(first_and_last.1);
    let places = places.map(|(first, last)| (first.0.0, last.0.0));
    assert_eq!(places, Some((1, kept.len() as u64)));
}

async fn write_all(ledger: Arc<dyn Ledger>, writer: usize) -> Vec<(Seq, LedgerEntry)> {
    let mut placed = Vec::new();
    let mut after = Seq::START;
    while placed.len() < ENTRIES_EACH {
        let entry = entry(&format!("{writer}"));
        match ledger.append(after, &entry).await {
            Ok(at) => {
                placed.push((at, entry));
                after = at;
            }
            Err(AppendError::Conflict { expected, actual }) => {
                assert_eq!(expected, after);
                assert!(actual > after, "a conflict is with something newer");
                after = actual;
            }
            Err(other) => panic!("{other}"),
        }
    }
    placed
}

pub(crate) async fn an_append_at_any_other_position_than_the_end_is_a_conflict(place: &dyn Place) {
    let ledger = place.open();
    let kept = entry("kept");
    ledger.append(Seq::START, &kept).await.expect("appends");
    for wrong in [Seq::START, Seq(2), Seq(u64::from(u32::MAX))] {
        let refused = ledger.append(wrong, &entry("lost")).await;
        let Err(AppendError::Conflict { expected, actual }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((expected, actual), (wrong, Seq(1)));
    }
    assert_eq!(all(&*ledger).await, [(Seq(1), kept)]);
}

pub(crate) async fn a_watcher_sees_the_last_entry(place: &dyn Place) {
    let ledger = place.open();
    let mut watch = ledger.watch();
    assert_eq!(*watch.borrow_and_update(), Seq::START);
    ledger
        .append(Seq::START, &entry("a"))
        .await
        .expect("appends");
    watch.changed().await.expect("open");
    assert_eq!(*watch.borrow_and_update(), Seq(1));
    let refused = ledger.append(Seq::START, &entry("lost")).await;
    assert!(refused.is_err());
    assert!(!watch.has_changed().expect("open"));
    // A watcher sees at least the last entry; entries in between may be skipped.
    for after in 1..10 {
        let appended = ledger.append(Seq(after), &entry("b")).await;
        appended.expect("appends");
    }
    let last = watch.wait_for(|last| *last == Seq(10)).await;
    assert_eq!(*last.expect("open"), Seq(10));
    assert_eq!(*ledger.watch().borrow(), Seq(10));
}

pub(crate) async fn a_reopened_ledger_has_all_entries(place: &dyn Place) {
    let mut last = Seq::START;
    for round in 1..=5_usize {
        let ledger = place.open();
        assert_eq!(*ledger.watch().borrow(), last);
        last = ledger.append(last, &rich()).await.expect("appends");
        assert_eq!(all(&*ledger).await.len(), round);
    }
    let kept = all(&*place.open()).await;
    assert_eq!(kept.len(), 5);
    assert_eq!(kept[4].1.changes.len(), 4);
}

pub(crate) async fn a_large_entry_is_kept_and_a_larger_one_refused(place: &dyn Place) {
    let ledger = place.open();
    let sized = |bytes: usize| entry(&"x".repeat(bytes));
    let large = sized(ENTRY_BYTES_MAX - 1_000);
    let at = ledger.append(Seq::START, &large).await.expect("appends");
    let refused = ledger.append(at, &sized(ENTRY_BYTES_MAX)).await;
    assert!(
        matches!(refused, Err(AppendError::TooLarge { bytes }) if bytes > ENTRY_BYTES_MAX),
        "{refused:?}"
    );
    ledger.append(at, &entry("small")).await.expect("appends");
    let kept = all(&*ledger).await;
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0].1, large);
}

/// A caller that drops an append does not know its outcome; reading the ledger tells.
pub(crate) async fn a_dropped_append_is_stored_whole_or_not_at_all(place: &dyn Place) {
    let ledger = place.open();
    for _ in 0..50 {
        let kept = all(&*ledger).await;
        let after = kept.last().map_or(Seq::START, |(at, _)| *at);
        let given_up = entry("given up");
        drop(poll_immediate(ledger.append(after, &given_up)).await);
        // Exactly one of the two entries is stored behind `after`.
        let next = entry("next");
        let appended = ledger.append(after, &next).await;
        let behind = ledger.read(after, 10).await.expect("reads");
        let ids: Vec<_> = behind.iter().map(|(_, entry)| entry.id).collect();
        match appended {
            Ok(_) => assert_eq!(ids, [next.id]),
            Err(AppendError::Conflict { .. }) => assert_eq!(ids, [given_up.id]),
            Err(other) => panic!("{other}"),
        }
    }
}
