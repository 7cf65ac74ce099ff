//! Which app answers on which host.
//!
//! Owns the routing table, which is read by one atomic load and swapped whole. Must not know HTTP types.

use crate::request::queue::App;
use arc_swap::ArcSwap;
use exchange::DynoHandle;
use grid::name::{AppName, Hostname};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which hosts lead to apps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Those of each app's route.
    #[default]
    Named,
    /// All of them, addresses as well, lead to this app: for a runner on a developer's machine.
    AllTo(AppName),
}

#[derive(Debug)]
struct Table<D: DynoHandle> {
    hosts: HashMap<Hostname, Arc<App<D>>>,
    fallback: Option<Arc<App<D>>>,
}

/// What the table is made from; touched by publishes only.
#[derive(Debug)]
struct Source<D: DynoHandle> {
    app: Arc<App<D>>,
    hostnames: Vec<Hostname>,
}

type Sources<D> = BTreeMap<AppName, Source<D>>;

/// The table and what it is made from.
#[derive(Debug)]
pub(crate) struct Routes<D: DynoHandle> {
    hosts: Hosts,
    table: ArcSwap<Table<D>>,
    /// Locked before an app's pool, where both are.
    sources: Mutex<Sources<D>>,
    /// The sweeper was started.
    swept: AtomicBool,
    /// Held while a route and its host names are put in place. Whoever is told that a route is stale finds the newer one
    /// at its host names then.
    publishing: Mutex<()>,
}

impl<D: DynoHandle> Routes<D> {
    pub(crate) fn new(hosts: Hosts) -> Self {
        let table = Table {
            hosts: HashMap::new(),
            fallback: None,
        };
        Routes {
            hosts,
            table: ArcSwap::from_pointee(table),
            sources: Mutex::new(BTreeMap::new()),
            swept: AtomicBool::new(false),
            publishing: Mutex::new(()),
        }
    }

    /// The app of a host, which is a host name in any case, perhaps with a dot at its end, or an address.
    pub(crate) fn find(&self, host: &str) -> Option<Arc<App<D>>> {
        let table = self.table.load();
        let host = host.strip_suffix('.').unwrap_or(host);
        let found = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            table.hosts.get(host.to_ascii_lowercase().as_str())
        } else {
            table.hosts.get(host)
        };
        found.or(table.fallback.as_ref()).cloned()
    }

    /// One route is published at a time; requests do not wait for it. Locked before all others.
    pub(crate) fn publishing(&self) -> MutexGuard<'_, ()> {
        self.publishing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The app of that name, made if there is none.
    pub(crate) fn app(&self, name: &AppName) -> Arc<App<D>> {
        source(&mut self.lock(), name).app.clone()
    }

    /// The app of that name.
    pub(crate) fn known(&self, name: &AppName) -> Option<Arc<App<D>>> {
        self.lock().get(name).map(|source| source.app.clone())
    }

    pub(crate) fn set_hostnames(&self, name: &AppName, hostnames: &[Hostname]) {
        let mut sources = self.lock();
        let known = sources.contains_key(name) && self.table_has(name);
        let source = source(&mut sources, name);
        if known && source.hostnames == hostnames {
            return;
        }
        source.hostnames = hostnames.to_vec();
        self.rebuild(&sources);
    }

    pub(crate) fn remove(&self, name: &AppName) -> Option<Arc<App<D>>> {
        let mut sources = self.lock();
        let removed = sources.remove(name)?;
        self.rebuild(&sources);
        Some(removed.app)
    }

    /// Every app.
    pub(crate) fn all(&self) -> Vec<Arc<App<D>>> {
        self.lock().values().map(|s| s.app.clone()).collect()
    }

    /// A pass of the sweeper: those apps with a dyno that is to be put to sleep.
    pub(crate) fn sweep(&self) -> Vec<Arc<App<D>>> {
        let sources = self.lock();
        let apps = sources.values().map(|source| &source.app);
        apps.filter(|app| app.sweep()).cloned().collect()
    }

    /// Whether the caller is the first to ask, and is to start the sweeper.
    pub(crate) fn wants_sweeper(&self) -> bool {
        !self.swept.load(SeqCst) && !self.swept.swap(true, SeqCst)
    }

    fn table_has(&self, name: &AppName) -> bool {
        let Hosts::AllTo(only) = &self.hosts else {
            return true;
        };
        only != name || self.table.load().fallback.is_some()
    }

    fn rebuild(&self, sources: &Sources<D>) {
        let mut table = Table {
            hosts: HashMap::new(),
            fallback: None,
        };
        for (name, source) in sources {
            for host in &source.hostnames {
                // Whoever gives out hosts gives each out once; if not, the table must not depend on chance.
                let entry = table.hosts.entry(host.clone());
                entry.or_insert_with(|| source.app.clone());
            }
            if matches!(&self.hosts, Hosts::AllTo(only) if only == name) {
                table.fallback = Some(source.app.clone());
            }
        }
        self.table.store(Arc::new(table));
    }

    fn lock(&self) -> MutexGuard<'_, Sources<D>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn source<'a, D: DynoHandle>(sources: &'a mut Sources<D>, name: &AppName) -> &'a mut Source<D> {
    sources.entry(name.clone()).or_insert_with(|| Source {
        app: App::new(name.clone()),
        hostnames: Vec::new(),
    })
}
