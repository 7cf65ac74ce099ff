//! Counters of the router.
//!
//! Owns the numbers. Must not know how they are exported.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use grid::protocol::Refusal;

use crate::log::access_log::AccessRecord;

/// The counters of a router since it was created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterStatistics {
    /// Requests that have ended.
    pub requests: u64,
    /// The same by class of their status, as in the log line.
    pub statuses: StatusCounts,
    /// Bytes of response bodies.
    pub bytes: u64,
    /// Requests that have ended with a code, by code.
    pub refusals: Vec<(Refusal, u64)>,
    /// Requests for a host that no app has.
    pub unknown_hosts: u64,
    /// Request heads that could not be read.
    pub malformed: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were refused because too many were open.
    pub connections_refused: u64,
    /// Calls that run in a task of their own.
    pub calls: u64,
    /// Bytes of responses that wait for their clients to read, without the first 16 KiB of each.
    pub buffered: u64,
}

/// How many requests ended with a status of each class: 1xx, 2xx, 3xx, 4xx, 5xx.
pub type StatusCounts = [u64; STATUS_CLASSES];

const STATUS_CLASSES: usize = 5;

/// Counts requests by class of their status.
#[derive(Debug, Default)]
pub(crate) struct StatusCounters([AtomicU64; STATUS_CLASSES]);

impl StatusCounters {
    pub(crate) fn count(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, STATUS_CLASSES);
        self.0[class - 1].fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> StatusCounts {
        self.0.each_ref().map(|count| count.load(Relaxed))
    }
}

/// More than most machines have cores, so that two cores seldom share a shard.
const SHARDS: usize = 16;

/// Counters that every request changes. Each thread has its own shard, so that cores do not compete for a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CounterShard {
    statuses: StatusCounters,
    bytes: AtomicU64,
}

/// All counters of a router.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    shards: [CounterShard; SHARDS],
    refusals: [AtomicU64; Refusal::ALL.len()],
    pub(crate) unknown_hosts: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) calls: AtomicU64,
}

/// The shard of the current thread.
fn shard_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static INDEX: Cell<Option<usize>> = const { Cell::new(None) });
    INDEX.with(|own| {
        let index = own
            .get()
            .unwrap_or_else(|| NEXT.fetch_add(1, Relaxed) % SHARDS);
        own.set(Some(index));
        index
    })
}

impl Counters {
    /// Counts a request that has ended.
    pub(crate) fn count_request(&self, record: &AccessRecord) {
        let shard = &self.shards[shard_index()];
        shard.statuses.count(record.status);
        shard.bytes.fetch_add(record.bytes, Relaxed);
        if let Some(code) = record.code {
            let at = Refusal::ALL.iter().position(|known| *known == code);
            self.refusals[at.unwrap_or_default()].fetch_add(1, Relaxed);
        }
    }

    /// Reads all counters; `buffered` is the memory that responses take (bytes).
    pub(crate) fn read(&self, buffered: usize) -> RouterStatistics {
        let mut statuses = StatusCounts::default();
        for shard in &self.shards {
            let counts = shard.statuses.read();
            statuses
                .iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += count);
        }
        let bytes = self.shards.iter().map(|shard| shard.bytes.load(Relaxed));
        let refusals = Refusal::ALL.into_iter().zip(&self.refusals);
        RouterStatistics {
            requests: statuses.iter().sum(),
            statuses,
            bytes: bytes.sum(),
            refusals: refusals
                .map(|(code, count)| (code, count.load(Relaxed)))
                .collect(),
            unknown_hosts: self.unknown_hosts.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            connections: self.connections.load(Relaxed),
            connections_refused: self.connections_refused.load(Relaxed),
            calls: self.calls.load(Relaxed),
            buffered: u64::try_from(buffered).unwrap_or(u64::MAX),
        }
    }
}
