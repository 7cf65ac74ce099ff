//! The control API: JSON over HTTP, one handler a route.
//!
//! Owns how requests become commands and what is shown of what there is. Must not decide: whether a command
//! is carried out is the reconciler's. Nothing of it is on the path of an app's requests.
//!
//! # Shape
//!
//! [`serve`] accepts connections and hands them to [`router`], which is made together with its OpenAPI
//! document, so that neither can have a route that the other has not. A request passes `guard` (counts it, refuses
//! foreign `hosts`, turns a panic or a bare error into JSON), then the extractors: `Caller` (who asks; `visible` is the rule of what
//! that one may see), `Asked` (body and idempotency key), `Query`, `Path`. A handler reads the [`View`](crate::View) or
//! sends a [`Command`](crate::Command).
//!
//! | task | ends |
//! |---|---|
//! | one for each connection | with the connection, or at the end of [`serve`] |
//! | a blocking one for each slug that comes in, read, or compared | with the slug |

#![allow(unused_qualifications, reason = "what utoipa's macro writes has some")]

mod account;
mod addons;
mod apps;
mod attach;
mod caller;
mod config;
mod deploy;
mod document;
mod domains;
mod dynos;
mod error;
mod extract;
mod formation;
mod guard;
mod health;
mod hosts;
mod limiter;
mod logs;
mod once;
mod page;
mod plan;
mod refuse;
mod releases;
mod serve;
mod server;
mod slugs;
mod text;
mod tokens;
mod upload;
mod usage;
mod visible;

pub use hosts::ApiHost;
pub use serve::{CONNECTIONS_MAX, serve};

use crate::addons::Addons;
use crate::handle::Control;
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::usage::Recorder;
use ::slugs::store::Store;
use attach::Attached;
use grid::name::Hostname;
use grid::usage::DynoPrices;
use hosts::ApiHosts;
use limiter::Limiter;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Slugs that are taken in at a time: checking one can take the memory of its largest component.
const UPLOADS_MAX: usize = 4;

/// What the operator decides about the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The domain that apps answer below, such as `localhost`.
    pub domain: Hostname,
    /// Whether apps are reached by `https`.
    pub public_https: bool,
    /// The port that apps are reached at.
    pub public_port: u16,
    /// What dyno time costs.
    pub prices: DynoPrices,
    /// Further hosts at which the API answers, beside loopback and its own addresses.
    pub api_hosts: Vec<ApiHost>,
}

/// Writes further numbers in Prometheus' text form.
pub type MoreMetrics = Arc<dyn Fn(&mut String) + Send + Sync>;

/// What the API shows and acts on.
pub struct Parts {
    /// The way to the reconciler.
    pub control: Control,
    /// The slugs of this server.
    pub slugs: Arc<Store>,
    /// The way to make services for apps.
    pub addons: Addons,
    /// The apps' logs.
    pub logs: Logs,
    /// Dyno time.
    pub usage: Recorder,
    /// The operator's settings.
    pub settings: Settings,
    /// Whether apps are served: what `/readyz` says.
    pub ready: watch::Receiver<bool>,
    /// The numbers of others, for `/metrics`.
    pub metrics: MoreMetrics,
}

/// [`Parts`], and what the API itself keeps. A clone shares it.
#[derive(Clone)]
pub struct State(Arc<Shared>);

struct Shared {
    parts: Parts,
    limiter: Limiter,
    uploads: Semaphore,
    attached: Attached,
    counted: Metrics,
    hosts: ApiHosts,
    started: SystemTime,
    /// Cancelled when the server ends: streams and waits come to an end then.
    closing: CancellationToken,
}

impl State {
    /// The state of an API that nobody has called yet.
    pub fn new(parts: Parts) -> Self {
        let hosts = ApiHosts::new(&parts.settings.domain, &parts.settings.api_hosts);
        State(Arc::new(Shared {
            parts,
            hosts,
            started: SystemTime::now(),
            limiter: Limiter::default(),
            uploads: Semaphore::new(UPLOADS_MAX),
            attached: Attached::default(),
            counted: Metrics::new(),
            closing: CancellationToken::new(),
        }))
    }
}

/// So that a handler reads `state.control`.
impl std::ops::Deref for State {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// All routes. A connection's address is expected as an extension; [`serve`] sees to it.
pub fn router(state: State) -> axum::Router {
    let (routes, document) = documented();
    routes
        .route("/v1/openapi.json", document::route(document))
        .fallback(guard::nothing_here)
        .layer(axum::middleware::from_fn_with_state(
            state.clone(),
            guard::guard,
        ))
        .with_state(state)
}

/// The OpenAPI document of [`router`].
pub fn document() -> serde_json::Value {
    documented().1
}

fn documented() -> (axum::Router<State>, serde_json::Value) {
    let (routes, document) = OpenApiRouter::<State>::new()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(server::show))
        .routes(routes!(account::show))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(slugs::list))
        .routes(routes!(slugs::show, upload::put))
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::show, apps::change, apps::destroy))
        .routes(routes!(releases::list, deploy::create))
        .routes(routes!(releases::show))
        .routes(routes!(config::show, config::change))
        .routes(routes!(formation::show, formation::change))
        .routes(routes!(dynos::list, once::run, dynos::restart_all))
        .routes(routes!(dynos::restart))
        .routes(routes!(dynos::stop))
        .routes(routes!(attach::output))
        .routes(routes!(attach::input))
        .routes(routes!(logs::read))
        .routes(routes!(usage::of_app))
        .routes(routes!(usage::of_all))
        .routes(routes!(domains::list, domains::add))
        .routes(routes!(domains::remove))
        .routes(routes!(addons::list, addons::create))
        .routes(routes!(addons::remove))
        .split_for_parts();
    (routes, document::finish(&document))
}
