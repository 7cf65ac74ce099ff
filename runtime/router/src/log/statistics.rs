//! Counters of the router.
//!
//! Owns the numbers. Must not know how they are exported.

use crate::log::access_log::Record;
use grid::protocol::Refusal;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The counters since the router was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that have ended.
    pub requests: u64,
    /// The same by class of their status, as in the log line.
    pub statuses: Statuses,
    /// Bytes of response bodies.
    pub bytes: u64,
    /// Requests that have ended with a code, by code.
    pub refusals: Vec<(Refusal, u64)>,
    /// Requests for a host that no app has.
    pub unknown_hosts: u64,
    /// Heads that could not be read at all.
    pub malformed: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Connections turned away because there were too many.
    pub connections_refused: u64,
    /// Calls that run in a task of their own.
    pub calls: u64,
    /// Bytes of responses that wait for their clients to read, apart from the first 16 KiB of each.
    pub buffered: u64,
}

/// How many requests ended with a status of each class: 1xx, 2xx, 3xx, 4xx, 5xx.
pub type Statuses = [u64; STATUS_CLASSES];

const STATUS_CLASSES: usize = 5;

/// Counters of requests by class of their status.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; STATUS_CLASSES]);

impl Tally {
    pub(crate) fn count(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, STATUS_CLASSES);
        self.0[class - 1].fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Statuses {
        self.0.each_ref().map(|count| count.load(Relaxed))
    }
}

/// More than the cores of most machines, so that two of them seldom share one.
const SHARDS: usize = 16;

/// What every request counts, apart for each thread, so that cores do not fight over a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    requests: Tally,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    shards: [Shard; SHARDS],
    refusals: [AtomicU64; Refusal::ALL.len()],
    pub(crate) unknown_hosts: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) calls: AtomicU64,
}

fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: Cell<Option<usize>> = const { Cell::new(None) });
    MINE.with(|mine| {
        let shard = mine
            .get()
            .unwrap_or_else(|| NEXT.fetch_add(1, Relaxed) % SHARDS);
        mine.set(Some(shard));
        shard
    })
}

impl Counters {
    pub(crate) fn count(&self, record: &Record) {
        let shard = &self.shards[shard()];
        shard.requests.count(record.status);
        shard.bytes.fetch_add(record.bytes, Relaxed);
        if let Some(code) = record.code {
            let at = Refusal::ALL.iter().position(|known| *known == code);
            self.refusals[at.unwrap_or_default()].fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn read(&self, buffered: usize) -> Stats {
        let mut statuses = Statuses::default();
        for shard in &self.shards {
            let counted = shard.requests.read();
            statuses
                .iter_mut()
                .zip(counted)
                .for_each(|(sum, n)| *sum += n);
        }
        let bytes = self.shards.iter().map(|shard| shard.bytes.load(Relaxed));
        let refusals = Refusal::ALL.into_iter().zip(&self.refusals);
        Stats {
            requests: statuses.iter().sum(),
            statuses,
            bytes: bytes.sum(),
            refusals: refusals.map(|(code, n)| (code, n.load(Relaxed))).collect(),
            unknown_hosts: self.unknown_hosts.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            connections: self.connections.load(Relaxed),
            connections_refused: self.connections_refused.load(Relaxed),
            calls: self.calls.load(Relaxed),
            buffered: u64::try_from(buffered).unwrap_or(u64::MAX),
        }
    }
}
