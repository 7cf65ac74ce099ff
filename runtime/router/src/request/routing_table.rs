//! Which app answers on which host.
//!
//! Owns the routing table, which requests read by one atomic load, and which is replaced as a whole. Must not know HTTP
//! types.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use arc_swap::ArcSwap;
use exchange::DynoHandle;
use grid::name::{AppName, Hostname};
use grid::protocol::Refusal;
use parking_lot::{Mutex, MutexGuard};

use crate::request::queue::RoutedApp;

/// The mapping of hosts to apps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// The hostnames of each app's route.
    #[default]
    Named,
    /// All hosts, addresses included, lead to this app: for a runner on a developer's machine.
    AllTo(AppName),
}

/// The table that requests read.
#[derive(Debug)]
struct RoutingTable<D: DynoHandle> {
    hosts: HashMap<Hostname, Arc<RoutedApp<D>>>,
    fallback: Option<Arc<RoutedApp<D>>>,
}

/// An app and its hostnames, from which the table is built. Only publishes use it.
#[derive(Debug)]
struct AppHostnames<D: DynoHandle> {
    app: Arc<RoutedApp<D>>,
    hostnames: Vec<Hostname>,
}

type AppsByName<D> = BTreeMap<AppName, AppHostnames<D>>;

/// All apps of a router, and the table that leads requests to them.
#[derive(Debug)]
pub(crate) struct Routes<D: DynoHandle> {
    hosts: Hosts,
    table: ArcSwap<RoutingTable<D>>,
    /// Locked before an app's pool, where both are locked.
    apps: Mutex<AppsByName<D>>,
    has_sweeper: AtomicBool,
    /// Held while a route and its hostnames are put in place: a publisher that is told that its route is stale then finds
    /// the newer route at its hostnames.
    publishing: Mutex<()>,
}

impl<D: DynoHandle> Routes<D> {
    pub(crate) fn new(hosts: Hosts) -> Self {
        let table = RoutingTable {
            hosts: HashMap::new(),
            fallback: None,
        };
        Routes {
            hosts,
            table: ArcSwap::from_pointee(table),
            apps: Mutex::new(BTreeMap::new()),
            has_sweeper: AtomicBool::new(false),
            publishing: Mutex::new(()),
        }
    }

    /// The app of `host`: a hostname in any case, perhaps with a dot at its end, or an address.
    pub(crate) fn find_by_host(&self, host: &str) -> Option<Arc<RoutedApp<D>>> {
        let table = self.table.load();
        let host = host.strip_suffix('.').unwrap_or(host);
        let found = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            table.hosts.get(host.to_ascii_lowercase().as_str())
        } else {
            table.hosts.get(host)
        };
        found.or(table.fallback.as_ref()).cloned()
    }

    /// Allows one publication of a route at a time; requests do not wait for this lock. Locked before all other locks.
    pub(crate) fn lock_publishing(&self) -> MutexGuard<'_, ()> {
        self.publishing.lock()
    }

    /// The app with this name, created if there is none.
    pub(crate) fn app_or_new(&self, name: &AppName) -> Arc<RoutedApp<D>> {
        entry_of(&mut self.apps.lock(), name).app.clone()
    }

    /// The app with this name.
    pub(crate) fn app(&self, name: &AppName) -> Option<Arc<RoutedApp<D>>> {
        self.apps.lock().get(name).map(|entry| entry.app.clone())
    }

    pub(crate) fn set_hostnames(&self, name: &AppName, hostnames: &[Hostname]) {
        let mut apps = self.apps.lock();
        let is_in_table = apps.contains_key(name) && self.table_has_fallback(name);
        let entry = entry_of(&mut apps, name);
        if is_in_table && entry.hostnames == hostnames {
            return;
        }
        entry.hostnames = hostnames.to_vec();
        self.rebuild_table(&apps);
    }

    pub(crate) fn remove(&self, name: &AppName) -> Option<Arc<RoutedApp<D>>> {
        let mut apps = self.apps.lock();
        let removed = apps.remove(name)?;
        self.rebuild_table(&apps);
        Some(removed.app)
    }

    pub(crate) fn all_apps(&self) -> Vec<Arc<RoutedApp<D>>> {
        let apps = self.apps.lock();
        apps.values().map(|entry| entry.app.clone()).collect()
    }

    /// Refuses all requests that wait or come, in every app.
    pub(crate) fn refuse_all(&self, refusal: Refusal) {
        for app in self.all_apps() {
            app.refuse(refusal);
        }
    }

    /// A pass of the sweeper: the apps with a dyno that is to be put to sleep.
    pub(crate) fn sweep(&self) -> Vec<Arc<RoutedApp<D>>> {
        let apps = self.apps.lock();
        let apps = apps.values().map(|entry| &entry.app);
        apps.filter(|app| app.sweep()).cloned().collect()
    }

    /// Whether the caller has to start the sweeper: the first call returns `true`.
    pub(crate) fn claim_sweeper(&self) -> bool {
        !self.has_sweeper.load(SeqCst) && !self.has_sweeper.swap(true, SeqCst)
    }

    /// Whether `name` is the fallback of the table, if it has to be.
    fn table_has_fallback(&self, name: &AppName) -> bool {
        let Hosts::AllTo(only) = &self.hosts else {
            return true;
        };
        only != name || self.table.load().fallback.is_some()
    }

    fn rebuild_table(&self, apps: &AppsByName<D>) {
        let mut table = RoutingTable {
            hosts: HashMap::new(),
            fallback: None,
        };
        for (name, entry) in apps {
            for host in &entry.hostnames {
                // Hostnames are given to one app only. If not, the first app by name wins, so that the table does not
                // depend on chance.
                let slot = table.hosts.entry(host.clone());
                slot.or_insert_with(|| entry.app.clone());
            }
            if matches!(&self.hosts, Hosts::AllTo(only) if only == name) {
                table.fallback = Some(entry.app.clone());
            }
        }
        self.table.store(Arc::new(table));
    }
}

fn entry_of<'a, D: DynoHandle>(
    apps: &'a mut AppsByName<D>,
    name: &AppName,
) -> &'a mut AppHostnames<D> {
    apps.entry(name.clone()).or_insert_with(|| AppHostnames {
        app: RoutedApp::new(name.clone()),
        hostnames: Vec::new(),
    })
}
