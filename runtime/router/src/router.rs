//! The router as its owner sees it.
//!
//! Owns nothing itself: it ties routes, hub and connections together.

use crate::connection::http1;
use crate::limits::Limits;
use crate::log::access_log::Sink;
use crate::log::statistics::{Stats, Statuses};
use crate::request::forwarded::TrustedProxies;
use crate::request::queue::{Load, Stale};
use crate::request::routing_table::{Hosts, Routes};
use crate::request::sleep_sweeper;
use crate::shared::connection_state::Peer;
use crate::shared::router_shared::Hub;
use exchange::DynoHandle;
use exchange::SpillFolder;
use grid::name::AppName;
use grid::protocol::{Refusal, Route};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Hands requests to free dynos. Cheap to clone: all clones are one router.
#[derive(Debug)]
pub struct Router<D: DynoHandle> {
    pub(crate) routes: Arc<Routes<D>>,
    pub(crate) hub: Arc<Hub>,
}

/// What differs between routers.
#[derive(Clone, Debug, Default)]
pub struct RouterConfig {
    /// Which hosts lead to apps.
    pub hosts: Hosts,
    /// The bounds that an operator may set.
    pub limits: Limits,
    /// Proxies whose `X-Forwarded-For`, `-Proto`, `-Port`, `-Host` and `Forwarded` are believed.
    pub trusted: TrustedProxies,
    /// A folder for what slow readers leave of responses larger than the buffer. It must exist; without one, or if it
    /// takes nothing, guests wait for their clients.
    pub spill: Option<PathBuf>,
}

impl<D: DynoHandle> Clone for Router<D> {
    fn clone(&self) -> Self {
        Router {
            routes: self.routes.clone(),
            hub: self.hub.clone(),
        }
    }
}

impl<D: DynoHandle> Router<D> {
    /// A router without routes, which trusts no proxy and keeps nothing on disk. Each request that ends is told to
    /// `sink`.
    pub fn new(hosts: Hosts, limits: Limits, sink: Sink) -> Self {
        let config = RouterConfig {
            hosts,
            limits,
            ..RouterConfig::default()
        };
        Router::with_config(config, sink)
    }

    /// A router without routes. Each request that ends is told to `sink`.
    pub fn with_config(config: RouterConfig, sink: Sink) -> Self {
        let spill = config.spill.map(SpillFolder::new);
        Router {
            routes: Arc::new(Routes::new(config.hosts)),
            hub: Hub::new(config.limits, config.trusted, spill, sink),
        }
    }

    /// Puts an app's route in place of the one before, at once and whole; the same generation again does no harm.
    ///
    /// `fresh` has a handle for each dyno of the route that was in no earlier one. Handles of dynos that the
    /// route does not name are dropped: the free ones now, the busy ones when they come back. Requests that wait
    /// go on waiting, unless the route refuses them.
    ///
    /// The first route with a time after which dynos sleep starts the sweeper's task, on the runtime of the caller.
    ///
    /// # Errors
    /// [`Stale`] if a later generation is published; `fresh` is dropped then.
    ///
    /// # Panics
    /// If it starts the sweeper and there is no runtime.
    pub fn publish(&self, route: Route, fresh: Vec<D>) -> Result<(), Stale> {
        let _publishing = self.routes.publishing();
        self.routes.app(&route.app).publish(&route, fresh)?;
        self.routes.set_hostnames(&route.app, &route.hostnames);
        if route.idle_after.is_some() && self.routes.wants_sweeper() {
            tokio::spawn(sleep_sweeper::run(Arc::downgrade(&self.routes)));
        }
        if self.hub.is_forced() {
            self.force();
        }
        Ok(())
    }

    /// Forgets an app: its hosts lead nowhere, its free handles are dropped, its waiting requests get H14. Requests
    /// that have a dyno are finished, and their handles dropped then.
    pub fn withdraw(&self, app: &AppName) {
        if let Some(app) = self.routes.remove(app) {
            app.refuse(Refusal::NoWebDynos);
        }
    }

    /// How busy an app is.
    pub fn load(&self, app: &AppName) -> Option<Load> {
        self.routes.known(app).map(|app| app.load())
    }

    /// How busy each app is, sorted by name.
    pub fn loads(&self) -> Vec<(AppName, Load)> {
        let apps = self.routes.all().into_iter();
        apps.map(|app| (app.name.clone(), app.load())).collect()
    }

    /// Requests of each app that have ended since its first route, sorted by name.
    pub fn served(&self) -> Vec<(AppName, Statuses)> {
        let apps = self.routes.all().into_iter();
        apps.map(|app| (app.name.clone(), app.tally.read()))
            .collect()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.hub.counters.read(self.hub.buffers.used())
    }

    /// Serves one connection to its end, HTTP/1 or HTTP/2, whichever the client speaks.
    ///
    /// This is where an accepted socket goes, and a TLS stream after its handshake. The future is the
    /// connection: to drop it closes it.
    pub async fn connection<S>(&self, io: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        http1::run(
            self.routes.clone(),
            self.hub.clone(),
            io,
            peer,
            |_| {}, // A stream of any kind has no reset.
        )
        .await;
    }

    /// Refuses what waits and what comes, and ends what runs, with H24. The grace time of a server that closes is
    /// over then, whatever it was.
    pub fn force(&self) {
        for app in self.routes.all() {
            app.refuse(Refusal::ForcedClose);
        }
        self.hub.force();
    }
}
