//! Tests of the SQLite ledger beyond the common suite.

use crate::places::{InSqlite, Place, all, entry};
use control::ledger::{
    AppendError, Ledger, LedgerChange, LedgerEntry, LedgerOpenError, ReadError, Seq, SqliteLedger,
};
use control::seal::SealKeyError;
use grid::desired::{Fact, Release};
use grid::name::{SlugId, Version};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

const SECRET: &str = "correct horse battery staple";

/// An entry with a config var.
fn secret() -> LedgerEntry {
    let release = Release {
        version: Version::FIRST,
        slug: SlugId::new([9; 32]),
        description: "Deploy".into(),
        config: Arc::new(BTreeMap::from([("PASSWORD".into(), SECRET.into())])),
        processes: BTreeMap::new(),
        created_ms: 0,
        created_by: String::new(),
        reach: Default::default(),
    };
    let created = Fact::ReleaseCreated {
        app: "private-app".parse().expect("valid"),
        release: Arc::new(release),
    };
    LedgerEntry {
        changes: vec![LedgerChange::Fact(created)],
        ..entry("somebody")
    }
}

async fn fill(ledger: &dyn Ledger, entries: u64) {
    for after in 0..entries {
        let appended = ledger.append(Seq(after), &secret()).await;
        appended.expect("appends");
    }
}

/// The content of the database and of each file beside it, by name, without the key file.
fn files(place: &InSqlite) -> BTreeMap<String, Vec<u8>> {
    let database = place.database();
    let folder = database.parent().expect("in a folder");
    let files = fs::read_dir(folder).expect("readable");
    let paths = files.map(|file| file.expect("readable").path());
    let paths = paths.filter(|path| *path != place.key());
    let named = paths.map(|path| {
        let name = path.file_name().expect("a file").to_string_lossy();
        (name.into_owned(), fs::read(&path).expect("readable"))
    });
    named.collect()
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn secrets_are_not_readable_in_any_file() {
    let place = InSqlite::default();
    let ledger = place.open();
    fill(&*ledger, 20).await;
    let plain = serde_json::to_vec(&all(&*ledger).await[0].1).expect("JSON");
    let open = files(&place);
    drop(ledger);
    let closed = files(&place);
    let names: Vec<&str> = open.keys().map(String::as_str).collect();
    assert_eq!(names, ["ledger.db", "ledger.db-shm", "ledger.db-wal"]);
    let key = fs::read(place.key()).expect("readable");
    for needle in [SECRET, "PASSWORD", "private-app", "somebody", "Release"] {
        assert!(contains(&plain, needle.as_bytes()), "{needle} was written");
        for (name, bytes) in open.iter().chain(&closed) {
            assert!(!contains(bytes, needle.as_bytes()), "{needle} in {name}");
            assert!(!contains(bytes, &key), "the key in {name}");
        }
    }
    // Proves that the search works: the files do contain the entries, and other text is readable.
    assert!(contains(&closed["ledger.db"], b"CREATE TABLE entries"));
    assert!(closed["ledger.db"].len() > 20 * plain.len());
}

#[tokio::test]
async fn files_are_readable_only_by_their_owner() {
    let place = InSqlite::default();
    let ledger = place.open();
    fill(&*ledger, 1).await;
    let folder = place.database();
    let files = fs::read_dir(folder.parent().expect("in a folder")).expect("readable");
    let mut seen = 0;
    for file in files {
        let file = file.expect("readable");
        let mode = file.metadata().expect("readable").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn two_processes_cannot_both_append() {
    let place = InSqlite::default();
    let (first, second) = (place.open(), place.open());
    first.append(Seq(0), &entry("a")).await.expect("appends");
    let lost = second.append(Seq(0), &entry("b")).await;
    assert!(matches!(
        lost,
        Err(AppendError::Conflict { actual: Seq(1), .. })
    ));
    second.append(Seq(1), &entry("b")).await.expect("appends");
    let lost = first.append(Seq(1), &entry("c")).await;
    assert!(matches!(
        lost,
        Err(AppendError::Conflict { actual: Seq(2), .. })
    ));
}

#[tokio::test]
async fn a_locked_file_makes_the_ledger_unavailable() {
    let place = InSqlite::default();
    let ledger = place.open();
    let other = Connection::open(place.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("free");
    let held = ledger.append(Seq(0), &entry("a")).await;
    assert!(matches!(held, Err(AppendError::Unavailable(_))), "{held:?}");
    other.execute_batch("ROLLBACK").expect("held");
    ledger.append(Seq(0), &entry("a")).await.expect("appends");
}

#[tokio::test]
async fn a_wrong_key_opens_no_entry() {
    let place = InSqlite::default();
    fill(&*place.open(), 2).await;
    let other = InSqlite::default();
    drop(other.open());
    let ledger = SqliteLedger::open(&place.database(), &other.key()).expect("opens");
    let ledger: &dyn Ledger = &ledger;
    let refused = ledger.read(Seq::START, 10).await;
    assert!(matches!(refused, Err(ReadError::Sealed { at: Seq(1) })));
}

#[test]
fn an_existing_ledger_without_its_key_gets_no_new_key() {
    let place = InSqlite::default();
    drop(place.open());
    fs::remove_file(place.key()).expect("there");
    let refused = SqliteLedger::open(&place.database(), &place.key());
    assert!(matches!(
        refused,
        Err(LedgerOpenError::Key(SealKeyError::Missing(_)))
    ));
    assert!(!place.key().exists());
}

#[tokio::test]
async fn changed_moved_and_removed_entries_are_detected() {
    let swap = "UPDATE entries SET seq = -1 WHERE seq = 2;
        UPDATE entries SET seq = 2 WHERE seq = 3;
        UPDATE entries SET seq = 3 WHERE seq = -1";
    let change = "UPDATE entries SET sealed = CAST(
            substr(sealed, 1, 40) || zeroblob(16) || substr(sealed, 57) AS BLOB
        ) WHERE seq = 2";
    let rename = "UPDATE entries SET id = zeroblob(16) WHERE seq = 2";
    for harm in [swap, change, rename] {
        let refused = after(harm).await;
        assert!(
            matches!(refused, ReadError::Sealed { at: Seq(2) }),
            "{refused}"
        );
    }
    let refused = after("DELETE FROM entries WHERE seq = 2").await;
    assert!(matches!(refused, ReadError::Missing { at: Seq(2) }));
}

/// The read error of a ledger of three entries after the SQL in `harm` has changed its file.
async fn after(harm: &str) -> ReadError {
    let place = InSqlite::default();
    fill(&*place.open(), 3).await;
    let file = Connection::open(place.database()).expect("opens");
    file.execute_batch(harm).expect("done");
    drop(file);
    let refused = place.open().read(Seq::START, 10).await;
    refused.expect_err("it was harmed")
}

#[test]
fn foreign_files_and_newer_formats_are_refused() {
    let place = InSqlite::default();
    let file = Connection::open(place.database()).expect("opens");
    file.execute_batch("CREATE TABLE other (a)").expect("done");
    file.pragma_update(None, "user_version", 1).expect("done");
    drop(file);
    control::seal::SealKey::load_or_create(&place.key()).expect("made");
    let refused = SqliteLedger::open(&place.database(), &place.key());
    assert!(matches!(refused, Err(LedgerOpenError::Foreign(_))));

    let place = InSqlite::default();
    drop(place.open());
    let file = Connection::open(place.database()).expect("opens");
    file.pragma_update(None, "user_version", 2).expect("done");
    drop(file);
    let refused = SqliteLedger::open(&place.database(), &place.key());
    assert!(matches!(
        refused,
        Err(LedgerOpenError::TooNew { found: 2, .. })
    ));

    let place = InSqlite::default();
    fs::write(
        place.database(),
        "this is no database, whatever its name says",
    )
    .expect("writable");
    control::seal::SealKey::load_or_create(&place.key()).expect("made");
    let refused = SqliteLedger::open(&place.database(), &place.key());
    assert!(matches!(refused, Err(LedgerOpenError::Sqlite { .. })));
}
