//! What all handlers share.
//!
//! Owns the handles to the rest of the server, and the API's own limits and counters. Must not know routes.

pub(crate) mod hosts;
pub(crate) mod limiter;
pub(crate) mod metrics;

use crate::routes::dynos::streams::Attached;
use ::slugs::store::Store;
use control::Control;
use control::addons::AddonsHandle;
use control::logs::AppLogs;
use control::usage::UsageRecorder;
use grid::name::Hostname;
use grid::usage::DynoPrices;
use hosts::{ApiHost, ApiHosts};
use limiter::Limiter;
use metrics::Metrics;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

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
    pub addons: AddonsHandle,
    /// The apps' logs.
    pub logs: AppLogs,
    /// Dyno time.
    pub usage: UsageRecorder,
    /// The operator's settings.
    pub settings: Settings,
    /// Whether apps are served: what `/readyz` says.
    pub ready: watch::Receiver<bool>,
    /// The numbers of others, for `/metrics`.
    pub metrics: MoreMetrics,
}

/// [`Parts`], and what the API itself keeps. A clone shares it.
#[derive(Clone)]
pub struct State(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) limiter: Limiter,
    pub(crate) uploads: Semaphore,
    pub(crate) attached: Attached,
    pub(crate) counted: Metrics,
    pub(crate) hosts: ApiHosts,
    pub(crate) started: SystemTime,
    /// Cancelled when the server ends: streams and waits come to an end then.
    pub(crate) closing: CancellationToken,
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
