//! Counters of the router.
//!
//! Owns the numbers. Must not know how they are exported.

use crate::record::Record;
use grid::routing::Refusal;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The counters since the router was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that have ended.
    pub requests: u64,
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
}

/// More than the cores of most machines, so that two of them seldom share one.
const SHARDS: usize = 16;

/// What every request counts, apart for each thread, so that cores do not fight over a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    requests: AtomicU64,
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
        shard.requests.fetch_add(1, Relaxed);
        shard.bytes.fetch_add(record.bytes, Relaxed);
        if let Some(code) = record.code {
            let at = Refusal::ALL.iter().position(|known| *known == code);
            self.refusals[at.unwrap_or_default()].fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Stats {
        let sum = |part: fn(&Shard) -> &AtomicU64| -> u64 {
            self.shards.iter().map(|s| part(s).load(Relaxed)).sum()
        };
        let refusals = Refusal::ALL.into_iter().zip(&self.refusals);
        Stats {
            requests: sum(|shard| &shard.requests),
            bytes: sum(|shard| &shard.bytes),
            refusals: refusals.map(|(code, n)| (code, n.load(Relaxed))).collect(),
            unknown_hosts: self.unknown_hosts.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            connections: self.connections.load(Relaxed),
            connections_refused: self.connections_refused.load(Relaxed),
            calls: self.calls.load(Relaxed),
        }
    }
}
