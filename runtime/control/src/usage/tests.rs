//! Tests of usage records: each interval is stored once, also after kills and clock changes.

use super::*;
use grid::name::{AppName, DynoKey, Run};
use grid::time::Time;
use grid::usage::{Bill, DynoPrices, UsageInterval, compute_bills};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// 2026-11-21T00:00:00Z.
const START_SECS: u64 = 1_795_219_200;

fn wall(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

fn key(app: &str, dyno: &str, run: u64) -> DynoKey {
    DynoKey {
        app: app.parse().expect("a name"),
        dyno: dyno.parse().expect("a dyno"),
        run: Run(run),
    }
}

const MIB_128: u64 = 128 << 20;

async fn pass(secs: u64) {
    tokio::time::advance(Duration::from_secs(secs)).await;
}

fn bill(recorder: &UsageRecorder, app: &str) -> Bill {
    let app: AppName = app.parse().expect("a name");
    let all = recorder.intervals(Some(&app), Time::ZERO, Time::MAX);
    let mut bills = compute_bills(&all.expect("records"), DynoPrices::default());
    bills.remove(&app).unwrap_or_default()
}

/// Each test runs on both stores.
fn stores() -> Vec<(Arc<dyn UsageStore>, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = SqliteUsageStore::open(&folder.path().join("usage.db")).expect("a database");
    vec![
        (Arc::new(MemoryUsageStore::new()), None),
        (Arc::new(sqlite), Some(folder)),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_bill_counts_the_seconds_that_a_dyno_ran() {
    for (store, _folder) in stores() {
        let recorder = UsageRecorder::open(store, wall(START_SECS)).expect("a store");
        recorder.record_change(&key("hello", "web.1", 1), MIB_128, true);
        for _ in 0..75 {
            pass(60).await;
            recorder.write_checkpoint().expect("a store");
        }
        pass(30).await;
        recorder.record_change(&key("hello", "web.1", 1), MIB_128, false);
        pass(1_000).await;
        recorder.write_checkpoint().expect("a store");
        let bill = bill(&recorder, "hello");
        assert_eq!(format!("{:.4}", bill.dyno_hours()), "1.2583");
        assert_eq!(bill.micros, 0, "the first dyno is free");
    }
}

#[tokio::test(start_paused = true)]
async fn four_dynos_for_an_hour_cost_fifteen_cents() {
    for (store, _folder) in stores() {
        let recorder = UsageRecorder::open(store, wall(START_SECS)).expect("a store");
        for n in 1..=4 {
            recorder.record_change(&key("hello", &format!("web.{n}"), n), MIB_128, true);
            // A repeated report changes nothing.
            recorder.record_change(&key("hello", &format!("web.{n}"), n), MIB_128, true);
        }
        pass(3_600).await;
        // The bill is the same for running and ended dynos, before and after the records are written.
        assert_eq!(bill(&recorder, "hello").micros, 150_000);
        for n in 1..=4 {
            recorder.record_change(&key("hello", &format!("web.{n}"), n), MIB_128, false);
        }
        assert_eq!(bill(&recorder, "hello").micros, 150_000);
        recorder.write_checkpoint().expect("a store");
        recorder.write_checkpoint().expect("a store");
        assert_eq!(bill(&recorder, "hello").micros, 150_000);
        assert_eq!(bill(&recorder, "other"), Bill::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_and_a_clock_set_back_bill_nothing_twice() {
    for (store, _folder) in stores() {
        let recorder = UsageRecorder::open(Arc::clone(&store), wall(START_SECS)).expect("a store");
        recorder.record_change(&key("hello", "web.1", 1), MIB_128, true);
        pass(3_600).await;
        recorder.write_checkpoint().expect("a store");
        pass(59).await;
        // Killed here: the last 59 s were not written. The clock goes back by half an hour.
        drop(recorder);
        let recorder =
            UsageRecorder::open(Arc::clone(&store), wall(START_SECS + 1_800)).expect("a store");
        recorder.record_change(&key("hello", "web.1", 1 << 32), MIB_128, true);
        pass(600).await;
        recorder.write_checkpoint().expect("a store");
        let bill = bill(&recorder, "hello");
        assert_eq!(bill.total_seconds(), 3_600 + 600);
        assert_eq!(bill.micros, 0, "the two runs never ran at once");
        let all = store
            .read_records(None, Time::ZERO, Time::MAX)
            .expect("records");
        assert!(all[0].to <= all[1].from);
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_record_of_a_run_replaces_a_shorter_one_and_never_the_reverse() {
    for (store, _folder) in stores() {
        let record = |to| UsageInterval {
            dyno: key("hello", "web.1", 1),
            memory_bytes: MIB_128,
            from: Time::from_secs(100),
            to: Time::from_secs(to),
        };
        for to in [200, 300, 150, 300] {
            store.write_records(&[record(to)]).expect("a store");
        }
        let all = store
            .read_records(None, Time::ZERO, Time::MAX)
            .expect("records");
        assert_eq!(all, [record(300)]);
        assert_eq!(store.last_end().expect("a store"), Time::from_secs(300));
        let secs = Time::from_secs;
        assert!(
            store
                .read_records(None, secs(300), Time::MAX)
                .expect("records")
                .is_empty()
        );
        assert!(
            store
                .read_records(None, Time::ZERO, secs(100))
                .expect("records")
                .is_empty()
        );
        assert_eq!(
            store
                .read_records(None, secs(299), secs(301))
                .expect("records")
                .len(),
            1
        );
        store.forget_before(secs(300)).expect("a store");
        assert_eq!(
            store
                .read_records(None, Time::ZERO, Time::MAX)
                .expect("records")
                .len(),
            1
        );
        store.forget_before(secs(301)).expect("a store");
        assert!(
            store
                .read_records(None, Time::ZERO, Time::MAX)
                .expect("records")
                .is_empty()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn intervals_are_cut_to_the_requested_time_range() {
    for (store, _folder) in stores() {
        let recorder = UsageRecorder::open(store, wall(START_SECS)).expect("a store");
        recorder.record_change(&key("hello", "web.1", 1), MIB_128, true);
        pass(1_000).await;
        let (since, until) = (START_SECS + 100, START_SECS + 400);
        let cut = recorder.intervals(None, Time::from_secs(since), Time::from_secs(until));
        let cut = cut.expect("records");
        assert_eq!(
            (cut.len(), cut[0].to - cut[0].from),
            (1, Duration::from_secs(300))
        );
        let later = recorder.intervals(None, Time::from_secs(START_SECS + 1_000), Time::MAX);
        assert!(later.expect("records").is_empty());
    }
}

/// A store on a disk that is full at times.
#[derive(Debug, Default)]
struct Full {
    memory: MemoryUsageStore,
    full: std::sync::atomic::AtomicBool,
}

impl Full {
    fn set(&self, full: bool) {
        self.full.store(full, std::sync::atomic::Ordering::SeqCst);
    }
}

impl UsageStore for Full {
    fn write_records(&self, records: &[UsageInterval]) -> Result<(), UsageError> {
        if self.full.load(std::sync::atomic::Ordering::SeqCst) {
            let source = Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
            return Err(UsageError {
                what: "write",
                source,
            });
        }
        self.memory.write_records(records)
    }

    fn read_records(
        &self,
        app: Option<&AppName>,
        since: Time,
        until: Time,
    ) -> Result<Vec<UsageInterval>, UsageError> {
        self.memory.read_records(app, since, until)
    }

    fn last_end(&self) -> Result<Time, UsageError> {
        self.memory.last_end()
    }

    fn forget_before(&self, before: Time) -> Result<(), UsageError> {
        self.memory.forget_before(before)
    }
}

#[tokio::test(start_paused = true)]
async fn records_wait_for_a_full_disk_and_none_is_lost() {
    let store = Arc::new(Full::default());
    let recorder = UsageRecorder::open(Arc::clone(&store) as Arc<dyn UsageStore>, wall(START_SECS));
    let recorder = recorder.expect("a store");
    recorder.record_change(&key("hello", "web.1", 1), MIB_128, true);
    store.set(true);
    pass(100).await;
    recorder.record_change(&key("hello", "web.1", 1), MIB_128, false);
    let error = recorder.write_checkpoint().expect_err("a full disk");
    assert!(error.to_string().contains("disk full"), "{error}");
    assert_eq!(bill(&recorder, "hello").total_seconds(), 100);
    store.set(false);
    recorder.write_checkpoint().expect("a store");
    assert_eq!(
        store
            .read_records(None, Time::ZERO, Time::MAX)
            .expect("records")
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn the_task_writes_every_minute_and_at_the_end() {
    let store: Arc<dyn UsageStore> = Arc::new(MemoryUsageStore::new());
    let recorder = UsageRecorder::open(Arc::clone(&store), wall(START_SECS)).expect("a store");
    recorder.record_change(&key("hello", "web.1", 1), MIB_128, true);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let task = tokio::spawn(recorder.clone().run(stopped, |error| panic!("{error}")));
    let ends = |secs| store.last_end().expect("a store") >= Time::from_secs(START_SECS + secs);
    while !ends(120) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let last = recorder.now();
    drop(stop);
    task.await.expect("no panic");
    assert!(store.last_end().expect("a store") >= last);
}

#[test]
fn a_database_keeps_its_records_and_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("usage.db");
    let record = UsageInterval {
        dyno: key("hello", "my_worker-2.12", u64::from(u32::MAX) << 20),
        memory_bytes: 4 << 30,
        from: Time::from_secs(START_SECS),
        to: Time::from_micros(START_SECS * 1_000_000 + 7),
    };
    let store = SqliteUsageStore::open(&path).expect("a database");
    store
        .write_records(std::slice::from_ref(&record))
        .expect("a store");
    drop(store);
    let store = SqliteUsageStore::open(&path).expect("a database");
    assert_eq!(
        store
            .read_records(None, Time::ZERO, Time::MAX)
            .expect("records"),
        [record]
    );
    drop(store);
    let newer = rusqlite::Connection::open(&path).expect("a database");
    newer
        .pragma_update(None, "user_version", 99)
        .expect("a pragma");
    drop(newer);
    let error = SqliteUsageStore::open(&path).expect_err("a newer database");
    let cause = std::error::Error::source(&error)
        .expect("a cause")
        .to_string();
    assert!(cause.contains("format 99"), "{cause}");
}
