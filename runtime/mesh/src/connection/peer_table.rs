//! Which nodes were heard, and when.
//!
//! Owns the table of peers. Must not know sockets, nor what follows from silence.
//!
//! Times are of this machine's monotonic clock. A peer that was never heard counts as silent from the moment when the
//! table knew of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use grid::name::NodeId;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::heartbeat::Heartbeat;
use super::limits::SILENCE_MAX;

/// What is known of a peer.
#[derive(Clone, Debug)]
pub struct PeerRecord {
    /// When the peer was last heard; if never, when the table knew of it.
    pub last_heard: Instant,
    /// The peer's incarnation, as it said last. `None` if it was never heard.
    pub incarnation: Option<u64>,
    /// How far the peer's clock was ahead of this machine's at the last heartbeat, in milliseconds; negative if it is
    /// behind. Contains the way of the heartbeat.
    pub clock_ahead_millis: i64,
    /// Why the last attempt to connect to it failed, for people; `None` if it did not.
    pub problem: Option<String>,
}

impl PeerRecord {
    fn new(now: Instant) -> Self {
        PeerRecord {
            last_heard: now,
            incarnation: None,
            clock_ahead_millis: 0,
            problem: None,
        }
    }

    /// Whether the peer was heard within [`SILENCE_MAX`].
    pub fn is_heard(&self, now: Instant) -> bool {
        self.incarnation.is_some() && now.duration_since(self.last_heard) < SILENCE_MAX
    }
}

#[derive(Debug, Default)]
struct PeerTableState {
    peers: BTreeMap<NodeId, PeerRecord>,
    refused_count: u64,
    last_refusal: Option<String>,
}

/// The peers of a node. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct PeerTable {
    state: Arc<Mutex<PeerTableState>>,
}

impl PeerTable {
    /// A table without peers.
    pub fn new() -> Self {
        PeerTable::default()
    }

    /// Expects to hear a peer from now on. No change if it is known already.
    pub fn expect_peer(&self, node: &NodeId) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let record = || PeerRecord::new(now);
        state.peers.entry(node.clone()).or_insert_with(record);
    }

    /// Forgets a peer that was removed.
    pub fn forget_peer(&self, node: &NodeId) {
        self.state.lock().peers.remove(node);
    }

    /// A heartbeat of a peer has come.
    pub(super) fn record_heartbeat(&self, node: &NodeId, heartbeat: &Heartbeat) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let record = || PeerRecord::new(now);
        let record = state.peers.entry(node.clone()).or_insert_with(record);
        record.last_heard = now;
        record.incarnation = Some(heartbeat.incarnation);
        record.clock_ahead_millis = heartbeat.clock_ahead_millis();
        record.problem = None;
    }

    /// A connection to a peer failed.
    pub(super) fn record_problem(&self, node: &NodeId, problem: String) {
        if let Some(record) = self.state.lock().peers.get_mut(node) {
            record.problem = Some(problem);
        }
    }

    /// A connection of a stranger was refused.
    pub(super) fn record_refusal(&self, reason: String) {
        let mut state = self.state.lock();
        state.refused_count += 1;
        state.last_refusal = Some(reason);
    }

    /// How many accepted connections were refused, and why the last one was.
    pub fn refusals(&self) -> (u64, Option<String>) {
        let state = self.state.lock();
        (state.refused_count, state.last_refusal.clone())
    }

    /// What is known of a peer.
    pub fn record(&self, node: &NodeId) -> Option<PeerRecord> {
        self.state.lock().peers.get(node).cloned()
    }

    /// All peers, in order of their names.
    pub fn records(&self) -> Vec<(NodeId, PeerRecord)> {
        let state = self.state.lock();
        let peers = state.peers.iter();
        peers
            .map(|(node, record)| (node.clone(), record.clone()))
            .collect()
    }

    /// For how long a peer has been silent; `None` if the table does not know it.
    pub fn silence(&self, node: &NodeId) -> Option<Duration> {
        let record = self.record(node)?;
        Some(Instant::now().duration_since(record.last_heard))
    }

    /// The peers that were heard within [`SILENCE_MAX`].
    pub fn heard_peers(&self) -> Vec<NodeId> {
        let now = Instant::now();
        let records = self.records().into_iter();
        let heard = records.filter(|(_, record)| record.is_heard(now));
        heard.map(|(node, _)| node).collect()
    }

    /// The peers that were not heard for [`SILENCE_MAX`].
    pub fn silent_peers(&self) -> Vec<NodeId> {
        let now = Instant::now();
        let silent = |record: &PeerRecord| now.duration_since(record.last_heard) >= SILENCE_MAX;
        let records = self.records().into_iter();
        let silent = records.filter(|(_, record)| silent(record));
        silent.map(|(node, _)| node).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        name.parse().expect("a name")
    }

    #[tokio::test(start_paused = true)]
    async fn peers_are_silent_after_three_seconds() {
        let table = PeerTable::new();
        table.expect_peer(&node("a"));
        table.expect_peer(&node("b"));
        assert_eq!(
            (table.heard_peers(), table.silent_peers()),
            (vec![], vec![])
        );
        for _ in 0..4 {
            tokio::time::advance(Duration::from_secs(1)).await;
            table.record_heartbeat(&node("a"), &Heartbeat::new(7));
        }
        assert_eq!(table.heard_peers(), [node("a")]);
        assert_eq!(table.silent_peers(), [node("b")], "never heard");
        assert_eq!(
            table.record(&node("a")).and_then(|a| a.incarnation),
            Some(7)
        );
        tokio::time::advance(SILENCE_MAX).await;
        assert_eq!(table.silent_peers(), [node("a"), node("b")]);
        assert_eq!(table.silence(&node("a")), Some(SILENCE_MAX));
        table.forget_peer(&node("b"));
        assert_eq!(table.silence(&node("b")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn problems_are_kept_until_the_peer_is_heard() {
        let table = PeerTable::new();
        table.expect_peer(&node("a"));
        table.record_problem(&node("a"), "refused".to_owned());
        let problem = || table.record(&node("a")).and_then(|record| record.problem);
        assert_eq!(problem().as_deref(), Some("refused"));
        table.record_heartbeat(&node("a"), &Heartbeat::new(1));
        assert_eq!(problem(), None);
        table.record_refusal("a stranger".to_owned());
        assert_eq!(table.refusals(), (1, Some("a stranger".to_owned())));
    }
}
