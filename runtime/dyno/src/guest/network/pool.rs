//! Idle connections of one app to other people's servers, for its next requests.
//!
//! Owns how many are kept and for how long. Must not know how a connection is made, nor who may use it: whoever
//! takes one says whether its address is still open to it.
//!
//! Task: one while there are idle connections, which closes those that nobody took for [`IDLE_AFTER`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::guest::http::outgoing::body::RequestBody;
use crate::guest::network::shared::AppNetwork;

/// Idle connections of an app; the one that waited longest gives way.
const IDLE_PER_APP_MAX: usize = 32;
/// How long a connection waits for its next request. Shorter than most servers wait.
const IDLE_AFTER: Duration = Duration::from_secs(30);
/// How old a connection becomes: then the name is resolved again, even if there never was a pause.
const AGE_MAX: Duration = Duration::from_secs(600);
/// How long a connection has to become idle after a response's last byte: its request may still be on the way.
const REST_MAX: Duration = Duration::from_secs(1);

/// Whom a connection was made for: never used for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    /// A name in lower case, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// An open connection; closed when this is dropped.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<RequestBody>,
    /// What was dialled.
    pub(crate) addr: SocketAddr,
    born: Instant,
    driver: JoinHandle<()>,
}

impl Connection {
    pub(crate) fn new(
        sender: SendRequest<RequestBody>,
        addr: SocketAddr,
        driver: JoinHandle<()>,
    ) -> Connection {
        Connection {
            sender,
            addr,
            born: Instant::now(),
            driver,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

struct Idle {
    connection: Connection,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

impl Idle {
    fn is_over(&self) -> bool {
        self.since.elapsed() > IDLE_AFTER
            || self.connection.born.elapsed() > AGE_MAX
            || self.connection.sender.is_closed()
    }
}

#[derive(Default)]
struct State {
    idle: HashMap<Target, Vec<Idle>>,
    swept: bool,
}

/// The idle connections of one app.
#[derive(Default)]
pub(crate) struct Pool(Mutex<State>);

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to `target` that became idle last, if `open` says of its address that it may be used.
    pub(crate) fn take(
        &self,
        target: &Target,
        open: impl Fn(SocketAddr) -> bool,
    ) -> Option<Connection> {
        loop {
            let idle = {
                let mut state = self.state();
                let waiting = state.idle.get_mut(target)?;
                let idle = waiting.pop();
                if waiting.is_empty() {
                    state.idle.remove(target);
                }
                idle?
            };
            let addr = idle.connection.addr;
            if !idle.is_over() && idle.connection.sender.is_ready() && open(addr) {
                return Some(idle.connection);
            }
        }
    }

    fn put(&self, target: Target, connection: Connection, place: OwnedSemaphorePermit) -> bool {
        let mut state = self.state();
        let count: usize = state.idle.values().map(Vec::len).sum();
        let oldest = (count >= IDLE_PER_APP_MAX).then(|| state.remove_oldest());
        let idle = Idle {
            connection,
            since: Instant::now(),
            _place: place,
        };
        state.idle.entry(target).or_default().push(idle);
        let first = !std::mem::replace(&mut state.swept, true);
        drop(state);
        drop(oldest);
        first
    }

    /// Closes what is over. False: nothing is left, and nobody sweeps any more.
    fn sweep(&self) -> bool {
        let mut over = Vec::new();
        let mut state = self.state();
        for waiting in state.idle.values_mut() {
            over.extend(waiting.extract_if(.., |idle| idle.is_over()));
        }
        state.idle.retain(|_, waiting| !waiting.is_empty());
        state.swept = !state.idle.is_empty();
        let more = state.swept;
        drop(state);
        drop(over);
        more
    }
}

impl State {
    /// Each list is in order of time: its first has waited longest.
    fn remove_oldest(&mut self) -> Option<Idle> {
        let first = |waiting: &Vec<Idle>| waiting.first().map(|idle| idle.since);
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

/// Keeps a connection whose response has ended for the app's next request, if it can take one and there is room.
pub(crate) fn park(app: &Weak<AppNetwork>, target: Target, mut connection: Connection) {
    let Some(there) = app.upgrade() else {
        return;
    };
    if connection.sender.is_closed() {
        return;
    }
    if connection.sender.is_ready() {
        return keep(&there, target, connection);
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let app = Weak::clone(app);
    runtime.spawn(async move {
        let ready = tokio::time::timeout(REST_MAX, connection.sender.ready()).await;
        if let (Ok(Ok(())), Some(app)) = (ready, app.upgrade()) {
            keep(&app, target, connection);
        }
    });
}

fn keep(app: &Arc<AppNetwork>, target: Target, connection: Connection) {
    let place = Arc::clone(&app.node.idle).try_acquire_owned();
    let (Ok(place), Ok(runtime)) = (place, tokio::runtime::Handle::try_current()) else {
        return;
    };
    if app.pool.put(target, connection, place) {
        runtime.spawn(sweep(Arc::downgrade(app)));
    }
}

async fn sweep(app: Weak<AppNetwork>) {
    loop {
        tokio::time::sleep(IDLE_AFTER / 2).await;
        if !app.upgrade().is_some_and(|app| app.pool.sweep()) {
            return;
        }
    }
}
