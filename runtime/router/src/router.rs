//! The router as its owner sees it.
//!
//! Owns nothing itself: it ties routes, hub and connections together.

use crate::conn::Peer;
use crate::connection;
use crate::hub::Hub;
use crate::limits::{AppSettings, FIRST_BYTE_TIMEOUT_RANGE, Limits};
use crate::record::Sink;
use crate::seam::Dyno;
use crate::stats::Stats;
use crate::table::{Hosts, Routes};
use crate::wait::{Load, Stale};
use grid::name::AppName;
use grid::plan::Route;
use grid::routing::Refusal;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Hands requests to free dynos. Cheap to clone: all clones are one router.
#[derive(Debug)]
pub struct Router<D: Dyno> {
    pub(crate) routes: Arc<Routes<D>>,
    pub(crate) hub: Arc<Hub>,
}

impl<D: Dyno> Clone for Router<D> {
    fn clone(&self) -> Self {
        Router {
            routes: self.routes.clone(),
            hub: self.hub.clone(),
        }
    }
}

impl<D: Dyno> Router<D> {
    /// A router without routes. Each request that ends is told to `sink`.
    pub fn new(hosts: Hosts, limits: Limits, sink: Sink) -> Self {
        Router {
            routes: Arc::new(Routes::new(hosts)),
            hub: Hub::new(limits, sink),
        }
    }

    /// Puts an app's route in place of the one before, at once and whole; the same generation again does no harm.
    ///
    /// `fresh` has a handle for each dyno of the route that was in no earlier one. Handles of dynos that the
    /// route does not name are dropped: the free ones now, the busy ones when they come back. Requests that wait
    /// go on waiting, unless the route refuses them.
    ///
    /// # Errors
    /// [`Stale`] if a later generation is published; `fresh` is dropped then.
    pub fn publish(&self, route: Route, fresh: Vec<D>) -> Result<(), Stale> {
        self.routes.app(&route.app).publish(&route, fresh)?;
        self.routes.set_hostnames(&route.app, &route.hostnames);
        if self.hub.is_forced() {
            self.force();
        }
        Ok(())
    }

    /// Sets what an app's owner may set, within its bounds. It may come before the app's first route.
    pub fn set(&self, app: &AppName, settings: AppSettings) {
        let (least, most) = (
            *FIRST_BYTE_TIMEOUT_RANGE.start(),
            *FIRST_BYTE_TIMEOUT_RANGE.end(),
        );
        let settings = AppSettings {
            first_byte_timeout: settings.first_byte_timeout.clamp(least, most),
        };
        self.routes.set(app, settings);
    }

    /// Forgets an app: its hosts lead nowhere, its free handles are dropped, its waiting requests get H14.
    pub fn withdraw(&self, app: &AppName) {
        if let Some(app) = self.routes.remove(app) {
            app.refuse(Refusal::NoWebDynos);
        }
    }

    /// How busy an app is.
    pub fn load(&self, app: &AppName) -> Option<Load> {
        self.routes.known(app).map(|app| app.load())
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.hub.counters.read()
    }

    /// Serves one connection to its end, HTTP/1 or HTTP/2, whichever the client speaks.
    ///
    /// This is where an accepted socket goes, and a TLS stream after its handshake. The future is the
    /// connection: to drop it closes it.
    pub async fn connection<S>(&self, io: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        connection::run(
            self.routes.clone(),
            self.hub.clone(),
            io,
            peer,
            |_| {}, // A stream of any kind has no reset.
        )
        .await;
    }

    /// Refuses what waits and what comes, and ends what runs, with H24.
    pub(crate) fn force(&self) {
        for app in self.routes.all() {
            app.refuse(Refusal::ForcedClose);
        }
        self.hub.force();
    }
}
