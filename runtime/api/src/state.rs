//! State that all handlers share.
//!
//! Owns the handles to the rest of the server, and the API's own limits and counters. Must not know routes.

pub(crate) mod hosts;
pub(crate) mod metrics;
pub(crate) mod one_off_streams;
pub(crate) mod token_limiter;

use ::slugs::store::Store;
use control::Control;
use control::addons::AddonsHandle;
use control::logs::AppLogs;
use control::usage::UsageRecorder;
use grid::name::Hostname;
use grid::usage::DynoPrices;
use hosts::{AllowedHosts, ApiHost};
use metrics::{ApiMetrics, RegisterMetrics};
use one_off_streams::OneOffStreams;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use token_limiter::WrongTokenLimiter;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Slugs that are uploaded at a time: checking a slug can take as much memory as its largest component.
const UPLOADS_MAX: usize = 4;

/// The operator's settings for the API.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// The domain of the apps' default hostnames, such as `localhost`.
    pub domain: Hostname,
    /// Whether apps are reached by `https`.
    pub public_https: bool,
    /// The port that apps are reached at.
    pub public_port: u16,
    /// Prices of dyno time.
    pub prices: DynoPrices,
    /// Further hosts at which the API answers, beside loopback and the server's own addresses.
    pub api_hosts: Vec<ApiHost>,
}

/// Everything outside this crate that the API shows and acts on.
pub struct ApiParts {
    /// The handle to the reconciler.
    pub control: Control,
    /// The slugs of this server.
    pub slugs: Arc<Store>,
    /// Makes and removes the services behind add-ons.
    pub addons: AddonsHandle,
    /// The apps' logs.
    pub logs: AppLogs,
    /// Dyno time.
    pub usage: UsageRecorder,
    /// The operator's settings.
    pub settings: ApiSettings,
    /// Whether apps are served, as `/readyz` says.
    pub ready: watch::Receiver<bool>,
    /// Registers the metrics of the router and the node, for each response of `/metrics`.
    pub metrics: RegisterMetrics,
}

/// [`ApiParts`], and the API's own state. A clone shares both.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) shared: Arc<SharedState>,
}

/// State that all clones of an [`ApiState`] share.
pub(crate) struct SharedState {
    parts: ApiParts,
    pub(crate) token_limiter: WrongTokenLimiter,
    pub(crate) uploads: Semaphore,
    pub(crate) one_off_streams: OneOffStreams,
    pub(crate) metrics: ApiMetrics,
    pub(crate) hosts: AllowedHosts,
    pub(crate) started: SystemTime,
    /// Cancelled when the server ends: open streams and waiting requests then end too.
    pub(crate) closing: CancellationToken,
}

impl ApiState {
    /// The state of an API that has not received a request yet.
    pub fn new(parts: ApiParts) -> Self {
        let hosts = AllowedHosts::new(&parts.settings.domain, &parts.settings.api_hosts);
        ApiState {
            shared: Arc::new(SharedState {
                parts,
                hosts,
                started: SystemTime::now(),
                token_limiter: WrongTokenLimiter::default(),
                uploads: Semaphore::new(UPLOADS_MAX),
                one_off_streams: OneOffStreams::default(),
                metrics: ApiMetrics::new(),
                closing: CancellationToken::new(),
            }),
        }
    }
}

/// Makes `state.control` and the other handles available to handlers.
impl std::ops::Deref for ApiState {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.shared.parts
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").finish_non_exhaustive()
    }
}
