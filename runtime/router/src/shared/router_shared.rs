//! What all connections of a router share, apart from the routes.
//!
//! Owns the sink, the counters, the ids, the registry of running calls and the stage of closing. Must not know
//! dynos (it is not generic), so that the code which only moves bytes is compiled once. Nothing in here is
//! locked for a request that is answered at once.

use crate::limits::Limits;
use crate::log::access_log::{Record, Sink};
use crate::log::request_id::Ids;
use crate::log::statistics::Counters;
use crate::request::forwarded::TrustedProxies;
use crate::shared::connection_state::Conn;
use exchange::Exchange;
use exchange::Kill;
use exchange::MemoryBudget;
use exchange::SpillFolder;
use grid::protocol::Refusal;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const FORCED: u8 = 2;

pub(crate) struct Hub {
    pub(crate) limits: Limits,
    pub(crate) trusted: TrustedProxies,
    pub(crate) counters: Counters,
    pub(crate) ids: Ids,
    /// Of responses.
    pub(crate) buffers: MemoryBudget,
    /// Of request bodies.
    pub(crate) uploads: MemoryBudget,
    sink: Sink,
    stage: AtomicU8,
    next: AtomicU64,
    running: Mutex<HashMap<u64, Arc<Exchange>>>,
    connections: Mutex<HashMap<u64, Arc<Conn>>>,
    on_force: Notify,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn new(
        limits: Limits,
        trusted: TrustedProxies,
        spill: Option<SpillFolder>,
        sink: Sink,
    ) -> Arc<Self> {
        Arc::new(Hub {
            limits,
            trusted,
            counters: Counters::default(),
            ids: Ids::default(),
            buffers: MemoryBudget::for_responses(spill),
            uploads: MemoryBudget::for_request_bodies(limits.request_buffers_max),
            sink,
            stage: AtomicU8::new(OPEN),
            next: AtomicU64::new(1),
            running: Mutex::new(HashMap::new()),
            connections: Mutex::new(HashMap::new()),
            on_force: Notify::new(),
        })
    }

    /// A number that is used once.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, SeqCst)
    }

    pub(crate) fn write(&self, record: &Record) {
        self.counters.count(record);
        (self.sink)(record);
    }

    /// No new requests on connections that are open.
    pub(crate) fn is_closing(&self) -> bool {
        self.stage.load(SeqCst) >= CLOSING
    }

    /// The grace time is over.
    pub(crate) fn is_forced(&self) -> bool {
        self.stage.load(SeqCst) >= FORCED
    }

    /// Returns when the grace time is ended early.
    pub(crate) async fn forced(&self) {
        let on_force = self.on_force.notified();
        if !self.is_forced() {
            on_force.await;
        }
    }

    /// Has every connection finish its requests and close.
    pub(crate) fn close(&self) {
        self.stage.fetch_max(CLOSING, SeqCst);
        lock(&self.connections).values().for_each(|c| c.wake());
    }

    /// Ends every running call with H24.
    pub(crate) fn force(&self) {
        self.stage.fetch_max(FORCED, SeqCst);
        self.on_force.notify_waiters();
        let running: Vec<_> = lock(&self.running).values().cloned().collect();
        for exchange in running {
            exchange.abort(Refusal::ForcedClose, Kill::Forced);
        }
    }

    pub(crate) fn enter(&self, conn: &Arc<Conn>) {
        self.counters.connections.fetch_add(1, SeqCst);
        lock(&self.connections).insert(conn.id, conn.clone());
    }

    pub(crate) fn exit(&self, conn: &Conn) {
        self.counters.connections.fetch_sub(1, SeqCst);
        lock(&self.connections).remove(&conn.id);
    }

    /// Notes a call that runs in a task of its own, from now until the guard is dropped.
    pub(crate) fn run(self: &Arc<Self>, exchange: Arc<Exchange>) -> Running {
        let number = self.next_number();
        self.counters.calls.fetch_add(1, SeqCst);
        lock(&self.running).insert(number, exchange.clone());
        if self.is_forced() {
            exchange.abort(Refusal::ForcedClose, Kill::Forced);
        }
        Running {
            hub: self.clone(),
            number,
        }
    }
}

/// While it lives, [`Hub::force`] reaches the call.
#[derive(Debug)]
pub(crate) struct Running {
    hub: Arc<Hub>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hub.counters.calls.fetch_sub(1, SeqCst);
        lock(&self.hub.running).remove(&self.number);
    }
}
