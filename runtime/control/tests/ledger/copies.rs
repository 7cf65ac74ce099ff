//! Copies between a file and a stream, and copies that follow a stream.

use crate::places::{InJetStream, InSqlite, Place, all, entry, stream_options};
use control::ledger::{
    CopyCheckError, CopyError, FollowError, JetStreamLedger, Ledger, LedgerFollower, SealedEntry,
    SealedStore, Seq, SqliteLedger, copy_sealed,
};
use control::seal::SealKey;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::servers::{NatsCluster, NatsVersion};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Entries of a ledger that is copied: several pages.
const ENTRIES: u64 = 300;

async fn fill(ledger: &dyn Ledger, entries: u64) {
    let mut last = *ledger.watch().borrow();
    for _ in 0..entries {
        last = ledger.append(last, &entry("me")).await.expect("appends");
    }
}

async fn sealed(store: &dyn SealedStore) -> Vec<SealedEntry> {
    store
        .read_sealed(Seq::START, usize::MAX)
        .await
        .expect("reads")
}

/// A stream whose key is that of a ledger file.
async fn open_stream(place: &InJetStream, file: &InSqlite) -> JetStreamLedger {
    let key = SealKey::load(&file.key()).expect("there");
    JetStreamLedger::open(&place.options(), &key)
        .await
        .expect("opens")
}

/// An empty ledger file with the key of another one.
fn file_with_key_of(other: &InSqlite) -> InSqlite {
    let file = InSqlite::default();
    fs::copy(other.key(), file.key()).expect("copied");
    let made = SqliteLedger::open(&file.database(), &other.key());
    drop(made.expect("opens"));
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_copied_to_a_stream_and_back() {
    let (file, engine) = (InSqlite::default(), InJetStream::start(NatsVersion::Newest));
    let original = file.sqlite();
    fill(&original, ENTRIES).await;
    let stream = open_stream(&engine, &file).await;
    let copied = copy_sealed(&original, &stream).await;
    assert_eq!(copied.expect("copies"), Seq(ENTRIES));
    assert_eq!(sealed(&stream).await, sealed(&original).await);
    assert_eq!(all(&stream).await, all(&original).await);
    assert_eq!(*stream.watch().borrow(), Seq(ENTRIES));
    let next = Ledger::append(&stream, Seq(ENTRIES), &entry("next")).await;
    assert_eq!(next.expect("appends"), Seq(ENTRIES + 1));

    let other = file_with_key_of(&file);
    let back = other.sqlite();
    let copied = copy_sealed(&stream, &back).await;
    assert_eq!(copied.expect("copies"), Seq(ENTRIES + 1));
    drop(back);
    assert_eq!(all(&*other.open()).await, all(&stream).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_goes_on_where_it_was_broken_off() {
    let (file, engine) = (InSqlite::default(), InJetStream::start(NatsVersion::Oldest));
    let original = file.sqlite();
    fill(&original, ENTRIES).await;
    let stream = open_stream(&engine, &file).await;
    for pause in [1, 5, 20, 40] {
        let part = copy_sealed(&original, &stream);
        let _ = timeout(Duration::from_millis(pause), part).await;
    }
    let copied = copy_sealed(&original, &stream).await;
    assert_eq!(copied.expect("copies"), Seq(ENTRIES));
    assert_eq!(sealed(&stream).await, sealed(&original).await);
    fill(&original, 10).await;
    let copied = copy_sealed(&original, &stream).await;
    assert_eq!(copied.expect("copies"), Seq(ENTRIES + 10));
    assert_eq!(sealed(&stream).await, sealed(&original).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_to_three_servers_survives_the_death_of_the_leader() {
    let file = InSqlite::default();
    let original = Arc::new(file.sqlite());
    fill(&*original, ENTRIES).await;
    let mut cluster = NatsCluster::start(NatsVersion::Newest);
    let key = SealKey::load(&file.key()).expect("there");
    let stream = JetStreamLedger::open(&stream_options(cluster.urls(), 3), &key).await;
    let stream = Arc::new(stream.expect("opens"));
    let leader = cluster.wait_for_leader("LEDGER");
    let mut last = stream.watch();
    let (from, to) = (Arc::clone(&original), Arc::clone(&stream));
    let copying = tokio::spawn(async move { copy_sealed(&*from, &*to).await });
    last.wait_for(|at| at.0 >= 20).await.expect("open");
    cluster.members[leader].kill();
    let copied = copying.await.expect("no panic");
    assert_eq!(copied.expect("copies"), Seq(ENTRIES));
    assert_eq!(sealed(&*stream).await, sealed(&*original).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_with_other_entries_is_refused() {
    let (file, engine) = (InSqlite::default(), InJetStream::start(NatsVersion::Newest));
    let original = file.sqlite();
    fill(&original, 5).await;
    let stream = open_stream(&engine, &file).await;
    fill(&stream, 2).await;
    let refused = copy_sealed(&original, &stream).await;
    assert!(
        matches!(refused, Err(CopyError::Differs { at: Seq(1) })),
        "{refused:?}"
    );
    fill(&stream, 4).await;
    let refused = copy_sealed(&original, &stream).await;
    assert!(
        matches!(refused, Err(CopyError::TargetLonger { target: Seq(6), .. })),
        "{refused:?}"
    );
    let other = InSqlite::default();
    let refused = copy_sealed(&original, &other.sqlite()).await;
    assert!(
        matches!(refused, Err(CopyError::OtherKey { at: Seq(1) })),
        "{refused:?}"
    );
    assert_eq!(all(&*other.open()).await, []);
}

/// A file that follows a stream.
struct Following {
    copy: Arc<SqliteLedger>,
    running: JoinHandle<FollowError>,
}

impl Following {
    fn start(stream: &Arc<JetStreamLedger>, file: &InSqlite) -> Self {
        let copy = Arc::new(file.sqlite());
        let follower = LedgerFollower::new(Arc::clone(stream) as _, Arc::clone(&copy) as _);
        let running = tokio::spawn(follower.run());
        Following { copy, running }
    }

    async fn wait_for(&self, place: u64) {
        let mut last = self.copy.watch();
        let reached = timeout(testkit::PATIENCE, last.wait_for(|at| at.0 >= place));
        reached.await.expect("in time").expect("open");
    }

    async fn stop(self) {
        self.running.abort();
        let _ = self.running.await;
    }

    /// The error with which it stops by itself.
    async fn error(self) -> FollowError {
        let stopped = timeout(testkit::PATIENCE, self.running).await;
        stopped.expect("in time").expect("no panic")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_has_equal_rows_also_after_a_restart() {
    let (key, engine) = (InSqlite::default(), InJetStream::start(NatsVersion::Newest));
    drop(key.open());
    let stream = Arc::new(open_stream(&engine, &key).await);
    fill(&*stream, 100).await;
    let file = file_with_key_of(&key);
    let following = Following::start(&stream, &file);
    following.wait_for(40).await;
    following.stop().await;
    fill(&*stream, 50).await;
    let following = Following::start(&stream, &file);
    following.wait_for(150).await;
    // Each entry is there soon after its append.
    for place in 151..=160 {
        let appended = Instant::now();
        fill(&*stream, 1).await;
        following.wait_for(place).await;
        assert!(appended.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(sealed(&*following.copy).await, sealed(&*stream).await);
    following.stop().await;
    let reopened = file.open();
    assert_eq!(all(&*reopened).await, all(&*stream).await);
    assert_eq!(*reopened.watch().borrow(), Seq(160));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_waits_while_the_engine_is_away() {
    let (key, mut engine) = (InSqlite::default(), InJetStream::start(NatsVersion::Newest));
    drop(key.open());
    let stream = Arc::new(open_stream(&engine, &key).await);
    fill(&*stream, 5).await;
    let file = file_with_key_of(&key);
    let following = Following::start(&stream, &file);
    following.wait_for(5).await;
    engine.server.kill();
    sleep(Duration::from_secs(2)).await;
    engine.server.restart();
    let writer = open_stream(&engine, &key).await;
    fill(&writer, 5).await;
    following.wait_for(10).await;
    assert_eq!(sealed(&*following.copy).await, sealed(&writer).await);
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_of_three_servers_misses_nothing_when_the_leader_is_killed() {
    let key = InSqlite::default();
    drop(key.open());
    let mut cluster = NatsCluster::start(NatsVersion::Oldest);
    let seal = SealKey::load(&key.key()).expect("there");
    let options = stream_options(cluster.urls(), 3);
    let open = || JetStreamLedger::open(&options, &seal);
    let (followed, written) = (open().await.expect("opens"), open().await.expect("opens"));
    let file = file_with_key_of(&key);
    let following = Following::start(&Arc::new(followed), &file);
    fill(&written, 50).await;
    let leader = cluster.wait_for_leader("LEDGER");
    cluster.members[leader].kill();
    // Entries that nobody takes for appended may be there too.
    while following.copy.watch().borrow().0 < 100 {
        let last = *written.watch().borrow();
        if Ledger::append(&written, last, &entry("me")).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    }
    let kept = sealed(&written).await;
    following.wait_for(kept.len() as u64).await;
    assert_eq!(sealed(&*following.copy).await, kept);
    following.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_never_follows_another_ledger() {
    let (key, engine) = (InSqlite::default(), InJetStream::start(NatsVersion::Newest));
    drop(key.open());
    let stream = Arc::new(open_stream(&engine, &key).await);
    fill(&*stream, 5).await;
    let file = file_with_key_of(&key);
    fill(&file.sqlite(), 3).await;
    let before = sealed(&file.sqlite()).await;
    let stopped = Following::start(&stream, &file).error().await;
    let differs = CopyCheckError::Differs { at: Seq(3) };
    let FollowError::NotTheSame(found) = &stopped else {
        panic!("{stopped:?}");
    };
    assert_eq!(found.to_string(), differs.to_string());
    assert_eq!(sealed(&file.sqlite()).await, before);

    let stranger = InSqlite::default();
    let stopped = Following::start(&stream, &stranger).error().await;
    assert!(
        matches!(stopped, FollowError::OtherKey { at: Seq(1) }),
        "{stopped:?}"
    );
    assert_eq!(all(&*stranger.open()).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_stops_when_the_stream_is_shorter() {
    let (key, engine) = (InSqlite::default(), InJetStream::start(NatsVersion::Newest));
    drop(key.open());
    let stream = Arc::new(open_stream(&engine, &key).await);
    fill(&*stream, 5).await;
    let file = file_with_key_of(&key);
    let copy = file.sqlite();
    copy_sealed(&*stream, &copy).await.expect("copies");
    fill(&copy, 2).await;
    drop(copy);
    let stopped = Following::start(&stream, &file).error().await;
    let FollowError::NotTheSame(CopyCheckError::Shorter {
        stream: five,
        copy: seven,
    }) = stopped
    else {
        panic!("{stopped:?}");
    };
    assert_eq!((five, seven), (Seq(5), Seq(7)));
}
