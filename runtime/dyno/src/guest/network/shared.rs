//! Network state that dynos share: all dynos of this machine, and the dynos of one app.
//!
//! The state of an app lives as long as one of its dynos is awake. Must not know guests.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use grid::name::AppName;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::guest::network::egress::{EgressPolicy, MachineAddresses};
use crate::guest::network::pool::ConnectionPool;
use crate::guest::network::tls_roots::TrustedRoots;

/// Name lookups of all dynos at a time. Each takes a thread and cannot be cancelled.
const LOOKUPS_MAX: usize = 64;
/// Name lookups of one app at a time.
const LOOKUPS_PER_APP_MAX: usize = 16;
/// Idle connections that are kept for all apps together.
const IDLE_MAX: usize = 1_024;

/// Network state of all dynos of this machine.
pub(crate) struct NodeNetwork {
    pub(crate) egress: EgressPolicy,
    pub(crate) own: MachineAddresses,
    pub(crate) lookups: Arc<Semaphore>,
    pub(crate) idle: Arc<Semaphore>,
    pub(crate) roots: TrustedRoots,
    apps: Mutex<HashMap<AppName, Weak<AppNetwork>>>,
}

/// Network state of one app's dynos. No other app ever uses it.
pub(crate) struct AppNetwork {
    pub(crate) node: Arc<NodeNetwork>,
    pub(crate) lookups: Arc<Semaphore>,
    pub(crate) pool: ConnectionPool,
    /// Created at the first use. Contains the app's own cache of TLS sessions.
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

    /// The network state of an app. Created now if no dyno of the app is awake.
    pub(crate) fn for_app(self: &Arc<Self>, app: &AppName) -> Arc<AppNetwork> {
        let mut apps = self.apps.lock();
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
        let mut apps = self.node.apps.lock();
        // A dyno that starts at the same time may have created a new state.
        if apps
            .get(&self.name)
            .is_some_and(|there| there.strong_count() == 0)
        {
            apps.remove(&self.name);
        }
    }
}
