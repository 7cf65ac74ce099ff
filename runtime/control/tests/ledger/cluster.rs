//! A stream on three servers: writers that race, a leader that is killed, reads at other servers.

use crate::places::{all, entry, stream_options};
use control::ledger::{
    AppendError, ENTRY_BYTES_MAX, EntryId, JetStreamLedger, Ledger, LedgerEntry, Seq,
};
use control::seal::SealKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use testkit::servers::{NatsCluster, NatsVersion};
use testkit::wait_until;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const STREAM: &str = "LEDGER";
/// Acknowledged appends of all writers together.
const APPENDS: usize = 1_000;
/// The number of times that the leader is killed, and the number of acknowledged appends before and after each.
const KILLS: usize = 2;
const APPENDS_BETWEEN: usize = 150;
/// Entries that are read at once at every server.
const ROUNDS: usize = 150;
/// Pause of a writer that was told that the ledger is unavailable.
const PAUSE: Duration = Duration::from_millis(100);
/// Time in which a watcher must see an entry, whatever happens to the leader.
const WATCH_PATIENCE: Duration = Duration::from_secs(60);

struct InCluster {
    cluster: NatsCluster,
    keys: TempDir,
}

impl InCluster {
    fn start(version: NatsVersion) -> Self {
        InCluster {
            cluster: NatsCluster::start(version),
            keys: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Opens the ledger at one server, and at the others only if that one is gone.
    async fn open_at(&self, index: usize) -> Arc<JetStreamLedger> {
        let mut urls = self.cluster.urls();
        urls.rotate_left(index);
        self.open(urls).await
    }

    /// Opens the ledger at one server only.
    async fn open_only_at(&self, index: usize) -> Arc<JetStreamLedger> {
        self.open(vec![self.cluster.members[index].url()]).await
    }

    async fn open(&self, urls: Vec<String>) -> Arc<JetStreamLedger> {
        let key = SealKey::load_or_create(&self.keys.path().join("ledger.key")).expect("made");
        let opened = JetStreamLedger::open(&stream_options(urls, 3), &key).await;
        Arc::new(opened.expect("opens"))
    }
}

/// What writers have to do before they stop: a number of appends, and whatever the test does meanwhile.
#[derive(Default)]
struct Goal {
    /// Acknowledged appends of all writers together.
    appended: AtomicUsize,
    enough: AtomicUsize,
    is_over: AtomicBool,
}

impl Goal {
    fn is_reached(&self) -> bool {
        let over = self.is_over.load(Ordering::SeqCst);
        over && self.appended.load(Ordering::SeqCst) >= self.enough.load(Ordering::SeqCst)
    }

    /// Waits until there are this many more appends.
    async fn wait_for_more(&self, more: usize) {
        let least = self.appended.load(Ordering::SeqCst) + more;
        let reached = async {
            while self.appended.load(Ordering::SeqCst) < least {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = timeout(testkit::PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("{least} appends are never acknowledged"));
    }

    /// Lets the writers stop when there are this many appends.
    fn end_at(&self, enough: usize) {
        self.enough.store(enough, Ordering::SeqCst);
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// A writer that appends until all writers together have enough, and treats unknown outcomes as the reconciler does.
struct RacingWriter {
    ledger: Arc<JetStreamLedger>,
    name: String,
    acknowledged: BTreeMap<Seq, EntryId>,
    after: Seq,
}

impl RacingWriter {
    async fn run(mut self, goal: Arc<Goal>) -> BTreeMap<Seq, EntryId> {
        while !goal.is_reached() {
            let entry = entry(&self.name);
            let appended = Ledger::append(&*self.ledger, self.after, &entry).await;
            match appended {
                Ok(at) => {
                    assert_eq!(at, self.after.next());
                    self.acknowledged.insert(at, entry.id);
                    self.after = at;
                    goal.appended.fetch_add(1, Ordering::SeqCst);
                }
                Err(AppendError::Conflict { expected, actual }) => {
                    assert_eq!(expected, self.after);
                    assert!(actual > expected, "a conflict is with something newer");
                    self.read_on().await;
                }
                Err(AppendError::Unavailable(_)) => sleep(PAUSE).await,
                Err(AppendError::Ambiguous(_)) => self.settle().await,
                Err(error @ AppendError::TooLarge { .. }) => panic!("{error}"),
            }
        }
        self.acknowledged
    }

    /// Reads until there is a further entry.
    async fn read_on(&mut self) {
        loop {
            if let Ok(found) = Ledger::read(&*self.ledger, self.after, 64).await
                && let Some((at, _)) = found.last()
            {
                self.after = *at;
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Takes the place of an entry that may still appear, unless an entry has it.
    async fn settle(&mut self) {
        loop {
            sleep(PAUSE).await;
            match Ledger::read(&*self.ledger, self.after, 64).await {
                Ok(found) if found.is_empty() => {}
                Ok(_) => return self.read_on().await,
                Err(_) => continue,
            }
            if let Ok(at) = Ledger::append(&*self.ledger, self.after, &entry("mark")).await {
                self.after = at;
                return;
            }
        }
    }
}

/// Three writers that race, each at another server.
struct Race {
    place: InCluster,
    goal: Arc<Goal>,
    writers: JoinSet<BTreeMap<Seq, EntryId>>,
}

impl Race {
    async fn start(version: NatsVersion) -> Self {
        let place = InCluster::start(version);
        let goal = Arc::new(Goal::default());
        let mut writers = JoinSet::new();
        for index in 0..3 {
            let writer = RacingWriter {
                ledger: place.open_at(index).await,
                name: format!("writer {index}"),
                acknowledged: BTreeMap::new(),
                after: Seq::START,
            };
            writers.spawn(writer.run(Arc::clone(&goal)));
        }
        Race {
            place,
            goal,
            writers,
        }
    }

    /// Ends the race at this number of acknowledged appends, and checks what is stored.
    async fn end_at(mut self, appends: usize) {
        self.goal.end_at(appends);
        let mut acknowledged = BTreeMap::new();
        while let Some(finished) = self.writers.join_next().await {
            for (at, id) in finished.expect("no panic") {
                assert_eq!(acknowledged.insert(at, id), None, "two entries at {at}");
            }
        }
        assert!(acknowledged.len() >= appends);
        check_whole(&self.place, &acknowledged).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_writers_lose_nothing_while_the_leader_is_killed() {
    let mut race = Race::start(NatsVersion::Newest).await;
    for _ in 0..KILLS {
        race.goal.wait_for_more(APPENDS_BETWEEN).await;
        let leader = race.place.cluster.wait_for_leader(STREAM);
        race.place.cluster.members[leader].kill();
        race.goal.wait_for_more(APPENDS_BETWEEN).await;
        race.place.cluster.members[leader].restart();
    }
    race.end_at(APPENDS).await;
}

/// The leader that was silent takes itself for the leader when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_writers_lose_nothing_while_the_leader_is_silent() {
    let race = Race::start(NatsVersion::Oldest).await;
    race.goal.wait_for_more(APPENDS_BETWEEN).await;
    let leader = race.place.cluster.wait_for_leader(STREAM);
    race.place.cluster.members[leader].pause();
    race.goal.wait_for_more(APPENDS_BETWEEN).await;
    race.place.cluster.members[leader].resume();
    race.goal.wait_for_more(APPENDS_BETWEEN).await;
    race.end_at(0).await;
}

/// Checks that every server tells the same entries, without a gap, and each acknowledged one at its place and only there.
async fn check_whole(place: &InCluster, acknowledged: &BTreeMap<Seq, EntryId>) {
    let whole = all(&*place.open_only_at(0).await).await;
    for index in 1..3 {
        let other = all(&*place.open_only_at(index).await).await;
        assert_eq!(other, whole, "as server {index} tells");
    }
    let places: Vec<u64> = whole.iter().map(|(at, _)| at.0).collect();
    let expected: Vec<u64> = (1..=whole.len() as u64).collect();
    assert_eq!(places, expected);
    let ids: BTreeSet<EntryId> = whole.iter().map(|(_, entry)| entry.id).collect();
    assert_eq!(ids.len(), whole.len(), "no entry is there twice");
    let stored: BTreeMap<Seq, EntryId> = whole.iter().map(|(at, entry)| (*at, entry.id)).collect();
    for (at, id) in acknowledged {
        assert_eq!(stored.get(at), Some(id), "the acknowledged entry {at}");
    }
}

/// With direct reads from any server of the stream, a good part of these reads would miss the entry. The last entry is as
/// large as one can be.
async fn read_at_other_servers(version: NatsVersion) {
    let place = InCluster::start(version);
    let mut ledgers = Vec::new();
    for index in 0..3 {
        ledgers.push(place.open_only_at(index).await);
    }
    let large = "x".repeat(ENTRY_BYTES_MAX - 1_000);
    let mut after = Seq::START;
    for round in 0..=ROUNDS {
        let entry = entry(if round == ROUNDS { &large } else { "me" });
        let before = after;
        let appended = Ledger::append(&*ledgers[round % 3], before, &entry).await;
        after = appended.expect("appends");
        for reader in &ledgers {
            let found: Vec<(Seq, LedgerEntry)> =
                Ledger::read(&**reader, before, 10).await.expect("reads");
            assert!(found == [(after, entry.clone())], "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_entry_is_read_at_once_at_every_server_of_the_newest_version() {
    read_at_other_servers(NatsVersion::Newest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_entry_is_read_at_once_at_every_server_of_the_oldest_version() {
    read_at_other_servers(NatsVersion::Oldest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_sees_entries_after_the_leader_was_killed() {
    let mut place = InCluster::start(NatsVersion::Newest);
    let (writer, watcher) = (place.open_at(0).await, place.open_at(1).await);
    let mut last = watcher.watch();
    Ledger::append(&*writer, Seq(0), &entry("a"))
        .await
        .expect("appends");
    let seen = timeout(WATCH_PATIENCE, last.wait_for(|at| *at == Seq(1))).await;
    seen.expect("in time").expect("open");
    let leader = place.cluster.wait_for_leader(STREAM);
    place.cluster.members[leader].kill();
    let appended = async {
        while Ledger::append(&*writer, Seq(1), &entry("b")).await.is_err() {
            // The entry may be there all the same.
            let found = Ledger::read(&*writer, Seq(1), 1).await;
            if found.is_ok_and(|found| !found.is_empty()) {
                return;
            }
            sleep(PAUSE).await;
        }
    };
    timeout(testkit::PATIENCE, appended).await.expect("in time");
    let seen = timeout(WATCH_PATIENCE, last.wait_for(|at| *at >= Seq(2))).await;
    seen.expect("in time").expect("open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_most_servers_nothing_is_written_and_then_it_goes_on() {
    let mut place = InCluster::start(NatsVersion::Newest);
    let ledger = place.open_at(0).await;
    let at = Ledger::append(&*ledger, Seq(0), &entry("a"))
        .await
        .expect("appends");
    for index in [1, 2] {
        place.cluster.members[index].kill();
    }
    // The last server may still take itself for the leader, or wait for the others.
    let refused = Ledger::append(&*ledger, at, &entry("b")).await;
    let expected = matches!(
        refused,
        Err(AppendError::Unavailable(_) | AppendError::Ambiguous(_))
    );
    assert!(expected, "{refused:?}");
    for index in [1, 2] {
        place.cluster.members[index].restart();
    }
    let goal = Arc::new(Goal::default());
    goal.end_at(1);
    let writer = RacingWriter {
        ledger: Arc::clone(&ledger),
        name: "writer".to_owned(),
        acknowledged: BTreeMap::new(),
        after: at,
    };
    let acknowledged = timeout(testkit::PATIENCE, writer.run(goal)).await;
    assert_eq!(acknowledged.expect("in time").len(), 1);
    wait_until("the stream has a leader", || {
        place.cluster.find_leader(STREAM).is_some()
    });
    assert!(all(&*ledger).await.len() >= 2);
}
