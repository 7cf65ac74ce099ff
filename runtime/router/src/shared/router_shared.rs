//! State that all connections of a router share, apart from the routes.
//!
//! Owns the access log's sink, the counters, the budgets of memory, the registry of running calls, and the stage of
//! closing. Must not know dynos: without a type parameter, the code that only moves bytes is compiled once. A request
//! that is answered at once takes none of the locks in here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::task::Waker;

use exchange::{Exchange, Kill, MemoryBudget, SpillFolder};
use grid::protocol::Refusal;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::RouterLimits;
use crate::log::access_log::{AccessLogSink, AccessRecord};
use crate::log::request_id::RequestIds;
use crate::log::statistics::Counters;
use crate::shared::trusted_proxies::TrustedProxies;

/// Stages of a router's life.
const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const FORCED: u8 = 2;

/// State that a router has once.
pub(crate) struct RouterShared {
    pub(crate) limits: RouterLimits,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) counters: Counters,
    pub(crate) request_ids: RequestIds,
    /// Memory for buffered responses.
    pub(crate) response_memory: MemoryBudget,
    /// Memory for buffered request bodies.
    pub(crate) request_memory: MemoryBudget,
    access_log: AccessLogSink,
    stage: AtomicU8,
    next_number: AtomicU64,
    running_calls: Mutex<HashMap<u64, Arc<Exchange>>>,
    /// Wakers of the open connections, by the numbers of the connections.
    connections: Mutex<HashMap<u64, Waker>>,
    on_force: Notify,
}

impl fmt::Debug for RouterShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterShared").finish_non_exhaustive()
    }
}

impl RouterShared {
    pub(crate) fn new(
        limits: RouterLimits,
        trusted_proxies: TrustedProxies,
        spill_folder: Option<SpillFolder>,
        access_log: AccessLogSink,
    ) -> Arc<Self> {
        Arc::new(RouterShared {
            limits,
            trusted_proxies,
            counters: Counters::default(),
            request_ids: RequestIds::default(),
            response_memory: MemoryBudget::for_responses(spill_folder),
            request_memory: MemoryBudget::for_request_bodies(limits.request_buffers_max),
            access_log,
            stage: AtomicU8::new(OPEN),
            next_number: AtomicU64::new(1),
            running_calls: Mutex::new(HashMap::new()),
            connections: Mutex::new(HashMap::new()),
            on_force: Notify::new(),
        })
    }

    /// A number that is given out once.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, SeqCst)
    }

    /// Counts a request that has ended, and writes it to the access log.
    pub(crate) fn log_request(&self, record: &AccessRecord) {
        self.counters.count_request(record);
        (self.access_log)(record);
    }

    /// Whether open connections take no new requests any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.stage.load(SeqCst) >= CLOSING
    }

    /// Whether the grace time is over.
    pub(crate) fn is_forced(&self) -> bool {
        self.stage.load(SeqCst) >= FORCED
    }

    /// Returns when the grace time is over.
    pub(crate) async fn wait_until_forced(&self) {
        let on_force = self.on_force.notified();
        if !self.is_forced() {
            on_force.await;
        }
    }

    /// Makes every connection finish its requests and close.
    pub(crate) fn close(&self) {
        self.stage.fetch_max(CLOSING, SeqCst);
        let connections = self.connections.lock();
        connections.values().for_each(Waker::wake_by_ref);
    }

    /// Ends every running call with H24.
    pub(crate) fn force(&self) {
        self.stage.fetch_max(FORCED, SeqCst);
        self.on_force.notify_waiters();
        let running: Vec<_> = self.running_calls.lock().values().cloned().collect();
        for exchange in running {
            exchange.abort(Refusal::ForcedClose, Kill::Forced);
        }
    }

    /// Wakes a connection when the router closes. The caller then checks [`RouterShared::is_closing`].
    pub(crate) fn register_connection(&self, number: u64, waker: Waker) {
        self.connections.lock().insert(number, waker);
    }

    /// Forgets a connection that has ended.
    pub(crate) fn remove_connection(&self, number: u64) {
        self.connections.lock().remove(&number);
    }

    /// Registers a call that runs in a task of its own, until the guard is dropped.
    pub(crate) fn register_call(self: &Arc<Self>, exchange: Arc<Exchange>) -> RegisteredCall {
        let number = self.next_number();
        self.counters.calls.fetch_add(1, SeqCst);
        self.running_calls.lock().insert(number, exchange.clone());
        if self.is_forced() {
            exchange.abort(Refusal::ForcedClose, Kill::Forced);
        }
        RegisteredCall {
            router: self.clone(),
            number,
        }
    }
}

/// While it lives, [`RouterShared::force`] ends the call.
#[derive(Debug)]
pub(crate) struct RegisteredCall {
    router: Arc<RouterShared>,
    number: u64,
}

impl Drop for RegisteredCall {
    fn drop(&mut self) {
        self.router.counters.calls.fetch_sub(1, SeqCst);
        self.router.running_calls.lock().remove(&self.number);
    }
}
