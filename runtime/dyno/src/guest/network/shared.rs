//! What dynos share for reaching out: all of a node, and those of one app.
//!
//! Owns how long an app's share lives: as long as a dyno of it is awake. Must not know guests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use grid::name::AppName;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::guest::network::egress::{EgressPolicy, MachineAddresses};
use crate::guest::network::pool::ConnectionPool;
use crate::guest::network::tls_roots::TrustedRoots;

/// Lookups of names in flight, of all dynos together: each takes a thread, which cannot be called off.
const LOOKUPS_MAX: usize = 64;
/// Of these, those of one app.
const LOOKUPS_PER_APP_MAX: usize = 16;
/// Idle connections kept for all apps together.
const IDLE_MAX: usize = 1_024;

/// What the dynos of a node share.
pub(crate) struct NodeNetwork {
    pub(crate) egress: EgressPolicy,
    pub(crate) own: MachineAddresses,
    pub(crate) lookups: Arc<Semaphore>,
    pub(crate) idle: Arc<Semaphore>,
    pub(crate) roots: TrustedRoots,
    apps: Mutex<HashMap<AppName, Weak<AppNetwork>>>,
}

/// What the dynos of one app share, and no other app ever uses.
pub(crate) struct AppNetwork {
    pub(crate) node: Arc<NodeNetwork>,
    pub(crate) lookups: Arc<Semaphore>,
    pub(crate) pool: ConnectionPool,
    /// With the app's own memory of TLS sessions; made when it is first needed.
    pub(crate) tls: OnceLock<TlsConnector>,
    name: AppName,
}

impl NodeNetwork {
    pub(crate) fn new(egress: EgressPolicy) -> Arc<NodeNetwork> {
        Arc::new(NodeNetwork {
            egress,
            own: MachineAddresses::default(),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            idle: Arc::new(Semaphore::new(IDLE_MAX)),
            roots: TrustedRoots::default(),
            apps: Mutex::default(),
        })
    }

    /// The share of an app, made now if no dyno of it is awake.
    pub(crate) fn of(self: &Arc<Self>, app: &AppName) -> Arc<AppNetwork> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = apps.get(app).and_then(Weak::upgrade) {
            return there;
        }
        let fresh = Arc::new(AppNetwork {
            node: Arc::clone(self),
            lookups: Arc::new(Semaphore::new(LOOKUPS_PER_APP_MAX)),
            pool: ConnectionPool::default(),
            tls: OnceLock::new(),
            name: app.clone(),
        });
        apps.insert(app.clone(), Arc::downgrade(&fresh));
        fresh
    }
}

impl Drop for AppNetwork {
    fn drop(&mut self) {
        let mut apps = self
            .node
            .apps
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A dyno that starts meanwhile may have made another one.
        if apps
            .get(&self.name)
            .is_some_and(|there| there.strong_count() == 0)
        {
            apps.remove(&self.name);
        }
    }
}
