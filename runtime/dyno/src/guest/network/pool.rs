//! Idle connections of one app to other servers, for the app's next requests.
//!
//! Owns how many connections are kept and for how long. Must not know how a connection is made, nor who may use it:
//! the caller that takes a connection decides whether its address is still open.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OwnedSemaphorePermit;

use crate::guest::network::connection::{ClientConnection, ConnectionTarget};

/// The most idle connections of an app. If there are more, the one that has been idle longest is closed.
const IDLE_PER_APP_MAX: usize = 32;
/// How long a connection is kept idle. Shorter than most servers keep it.
pub(super) const IDLE_AFTER: Duration = Duration::from_secs(30);
/// The greatest age of a connection. After that, the name is resolved again, even if the connection was never idle
/// for long.
const AGE_MAX: Duration = Duration::from_secs(600);
struct IdleConnection {
    connection: ClientConnection,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

impl IdleConnection {
    fn is_expired(&self) -> bool {
        self.since.elapsed() > IDLE_AFTER
            || self.connection.born.elapsed() > AGE_MAX
            || self.connection.sender.is_closed()
    }
}

#[derive(Default)]
struct PoolState {
    idle: HashMap<ConnectionTarget, Vec<IdleConnection>>,
    has_sweeper: bool,
}

/// The idle connections of one app.
#[derive(Default)]
pub(crate) struct ConnectionPool(Mutex<PoolState>);

impl ConnectionPool {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.0.lock()
    }

    /// Takes the connection to `target` that became idle last and whose address passes `open`.
    pub(crate) fn take(
        &self,
        target: &ConnectionTarget,
        open: impl Fn(SocketAddr) -> bool,
    ) -> Option<ClientConnection> {
        loop {
            let idle = {
                let mut state = self.lock();
                let waiting = state.idle.get_mut(target)?;
                let idle = waiting.pop();
                if waiting.is_empty() {
                    state.idle.remove(target);
                }
                idle?
            };
            let addr = idle.connection.addr;
            if !idle.is_expired() && idle.connection.sender.is_ready() && open(addr) {
                return Some(idle.connection);
            }
        }
    }

    pub(super) fn add_idle(
        &self,
        target: ConnectionTarget,
        connection: ClientConnection,
        place: OwnedSemaphorePermit,
    ) -> bool {
        let mut state = self.lock();
        let count: usize = state.idle.values().map(Vec::len).sum();
        let oldest = (count >= IDLE_PER_APP_MAX).then(|| state.remove_oldest());
        let idle = IdleConnection {
            connection,
            since: Instant::now(),
            _place: place,
        };
        state.idle.entry(target).or_default().push(idle);
        let first = !std::mem::replace(&mut state.has_sweeper, true);
        drop(state);
        drop(oldest);
        first
    }

    /// Closes connections that were idle for too long. Returns false if none is left; then the sweeping task ends.
    pub(super) fn close_expired(&self) -> bool {
        let mut over = Vec::new();
        let mut state = self.lock();
        for waiting in state.idle.values_mut() {
            over.extend(waiting.extract_if(.., |idle| idle.is_expired()));
        }
        state.idle.retain(|_, waiting| !waiting.is_empty());
        state.has_sweeper = !state.idle.is_empty();
        let more = state.has_sweeper;
        drop(state);
        drop(over);
        more
    }
}

impl PoolState {
    /// Each list is sorted by time: its first connection has been idle longest.
    fn remove_oldest(&mut self) -> Option<IdleConnection> {
        let first = |waiting: &Vec<IdleConnection>| waiting.first().map(|idle| idle.since);
        let oldest = self.idle.iter().min_by_key(|(_, waiting)| first(waiting));
        let target = oldest.map(|(target, _)| target.clone())?;
        let waiting = self.idle.get_mut(&target)?;
        let removed = (!waiting.is_empty()).then(|| waiting.remove(0));
        if waiting.is_empty() {
            self.idle.remove(&target);
        }
        removed
    }
}
