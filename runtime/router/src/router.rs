//! The router as its owner uses it.
//!
//! Connects routes, shared state and connections; owns nothing else.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use exchange::{DynoHandle, SpillFolder};
use grid::name::AppName;
use grid::protocol::{Refusal, Route};
use grid::routing::{Load, StaleRoute};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::connection::accept::RouterServer;
use crate::connection::serve_connection::serve_connection;
use crate::limits::RouterLimits;
use crate::log::access_log::AccessLogSink;
use crate::log::statistics::{RouterStatistics, StatusCounts};
use crate::request::routing_table::{Hosts, Routes};
use crate::request::sleep_sweeper::run_sweeper;
use crate::shared::connection_state::Peer;
use crate::shared::router_shared::RouterShared;
use crate::shared::trusted_proxies::TrustedProxies;

/// Hands requests to free dynos. Cheap to clone: all clones are one router.
#[derive(Debug)]
pub struct Router<D: DynoHandle> {
    routes: Arc<Routes<D>>,
    shared: Arc<RouterShared>,
}

/// Settings of a router.
#[derive(Clone, Debug, Default)]
pub struct RouterConfig {
    /// The mapping of hosts to apps.
    pub hosts: Hosts,
    /// The limits that an operator may set.
    pub limits: RouterLimits,
    /// Proxies whose `X-Forwarded-For`, `-Proto`, `-Port`, `-Host` and `Forwarded` are believed.
    pub trusted: TrustedProxies,
    /// An existing folder for responses that are larger than the buffer and read slowly. Without a folder, or if it takes
    /// nothing, guests wait for their clients.
    pub spill: Option<PathBuf>,
}

impl<D: DynoHandle> Clone for Router<D> {
    fn clone(&self) -> Self {
        Router {
            routes: self.routes.clone(),
            shared: self.shared.clone(),
        }
    }
}

impl<D: DynoHandle> Router<D> {
    /// A router without routes, which trusts no proxy and keeps nothing on disk. Each request that ends is written to
    /// `access_log`.
    pub fn new(hosts: Hosts, limits: RouterLimits, access_log: AccessLogSink) -> Self {
        let config = RouterConfig {
            hosts,
            limits,
            ..RouterConfig::default()
        };
        Router::with_config(config, access_log)
    }

    /// A router without routes. Each request that ends is written to `access_log`.
    pub fn with_config(config: RouterConfig, access_log: AccessLogSink) -> Self {
        let spill_folder = config.spill.map(SpillFolder::new);
        let trusted = config.trusted;
        Router {
            routes: Arc::new(Routes::new(config.hosts)),
            shared: RouterShared::new(config.limits, trusted, spill_folder, access_log),
        }
    }

    /// Replaces an app's route, at once and as a whole. Publishing the same generation again has no effect.
    ///
    /// `fresh` has a handle for each dyno of the route that was in no earlier route. Handles of dynos that the route does
    /// not name are dropped: free ones now, busy ones when they come back. Waiting requests go on waiting, unless the
    /// route refuses them.
    ///
    /// The first route with a time after which dynos sleep starts the sweeper's task, on the runtime of the caller.
    ///
    /// # Errors
    /// [`StaleRoute`] if a later generation is published; `fresh` is dropped then.
    ///
    /// # Panics
    /// If the call starts the sweeper and there is no runtime.
    pub fn publish(&self, route: Route, fresh: Vec<D>) -> Result<(), StaleRoute> {
        let _publishing = self.routes.lock_publishing();
        self.routes.app_or_new(&route.app).publish(&route, fresh)?;
        self.routes.set_hostnames(&route.app, &route.hostnames);
        if route.idle_after.is_some() && self.routes.claim_sweeper() {
            tokio::spawn(run_sweeper(Arc::downgrade(&self.routes)));
        }
        if self.shared.is_forced() {
            self.force();
        }
        Ok(())
    }

    /// Forgets an app: its hosts lead nowhere, its free handles are dropped, and its waiting requests get H14. Requests
    /// that have a dyno are finished, and their handles dropped then.
    pub fn withdraw(&self, app: &AppName) {
        if let Some(app) = self.routes.remove(app) {
            app.refuse(Refusal::NoWebDynos);
        }
    }

    /// How busy an app is; `None` if it has no route.
    pub fn load(&self, app: &AppName) -> Option<Load> {
        self.routes.app(app).map(|app| app.load())
    }

    /// How busy each app is, sorted by name.
    pub fn loads(&self) -> Vec<(AppName, Load)> {
        let apps = self.routes.all_apps().into_iter();
        apps.map(|app| (app.name.clone(), app.load())).collect()
    }

    /// Requests of each app that have ended since its first route, sorted by name.
    pub fn served(&self) -> Vec<(AppName, StatusCounts)> {
        let apps = self.routes.all_apps().into_iter();
        apps.map(|app| (app.name.clone(), app.counters.read()))
            .collect()
    }

    /// The counters.
    pub fn statistics(&self) -> RouterStatistics {
        let buffered = self.shared.response_memory.used();
        self.shared.counters.read(buffered)
    }

    /// Accepts connections from `listener`: HTTP/1.1, and HTTP/2 with prior knowledge, without encryption.
    ///
    /// # Errors
    /// If the socket has no address.
    pub fn listen(&self, listener: TcpListener) -> io::Result<RouterServer> {
        RouterServer::start(self.routes.clone(), self.shared.clone(), listener)
    }

    /// Serves one connection to its end, in HTTP/1 or HTTP/2, as the client chooses.
    ///
    /// `io` is an accepted socket, or a TLS stream after its handshake. Dropping the future closes the connection.
    pub async fn serve<S>(&self, io: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Only sockets can be reset, and `io` may be any stream.
        let reset = |_: &S| {};
        serve_connection(self.routes.clone(), self.shared.clone(), io, peer, reset).await;
    }

    /// Refuses waiting and new requests, and ends running ones, with H24. Ends the grace time of a server that closes.
    pub fn force(&self) {
        self.routes.refuse_all(Refusal::ForcedClose);
        self.shared.force();
    }
}
