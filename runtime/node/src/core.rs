//! The core of a node: reconciler, dynos and router, connected.
//!
//! The only part that names control, dyno and router together. [`StepExecutor`] carries out the reconciler's steps; the
//! reports of dynos go back to the reconciler. Must not decide anything.
//!
//! | task | ends |
//! |---|---|
//! | reconciler | with its shutdown, or when another one has taken over its ledger |
//! | step executor: steps and one-off dynos, reconciler → dynos, router; it owns a task for each program that runs once | when the reconciler is gone |
//! | reports: dynos → dyno time, reconciler | when the reconciler or the dynos are gone |
//! | log events: reconciler → log queue | when the reconciler is gone |
//!
//! The channel of reports has no bound, since a dyno's end is reported from places that cannot wait. It holds a few
//! reports a dyno at most, and the number of dynos is bounded.

mod dyno_meter;
mod engine;
mod one_off_runner;
mod router_metrics;
mod step_executor;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use control::ledger::Ledger;
use control::usage::UsageRecorder;
use control::{Control, PublishedReleases, ReconcilerOptions, ReconcilerOutputs};
use dyno::compile::Compiler;
use dyno::engine::InstanceAllocation;
use dyno::{EgressPolicy, Fleet, FleetConfig, LocalDyno};
use grid::name::{AppName, Generation, Hostname, NodeId};
use grid::plan::Policy;
use grid::protocol::{Inventory, Report, Route, RouteTarget};
use grid::routing::backlog_max;
use router::{Hosts, Router, RouterConfig, TrustedProxies};
use slugs::store::Store;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{NodeFailure, SpawnError};
use crate::log_queue::LogQueue;
use dyno_meter::DynoMeter;
use one_off_runner::OneOffRunner;
use step_executor::StepExecutor;

pub(crate) use engine::start_engines;
pub(crate) use one_off_runner::run_to_exit;
pub(crate) use router_metrics::register_router_metrics;

/// The only node of a server.
const NODE_NAME: &str = "local";

/// Memory that a node offers, in bytes: the sum of the limits of its dynos, not what they use. Nothing is set aside for
/// dynos on the only machine, so this bound only keeps sums finite.
const NODE_MEMORY_BYTES: u64 = 1 << 46;

/// Most dynos of a node, nearly all of them asleep: a sleeping dyno takes 2.3 KiB, and `dyno::engine::AWAKE_MAX` bounds
/// how many are awake.
const NODE_DYNOS_MAX: u32 = 200_000;

/// The configuration of a node's core; it differs between a developer's machine and a server.
pub(crate) struct CoreConfig {
    /// Holds what users asked for.
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) policy: Policy,
    pub(crate) slugs: Arc<Store>,
    /// Keeps compiled code between runs.
    pub(crate) compiled_folder: PathBuf,
    /// Holds the dynos' own files.
    pub(crate) dyno_folder: PathBuf,
    /// Holds responses that slow clients have not read yet, in files without names.
    pub(crate) spill_folder: PathBuf,
    pub(crate) egress: EgressPolicy,
    pub(crate) hosts: Hosts,
    /// Proxies whose forwarding headers are believed.
    pub(crate) trusted_proxies: TrustedProxies,
    /// Records dyno time, if it has a price.
    pub(crate) usage: Option<UsageRecorder>,
    /// A program with its first arguments that compiles a component in a child process.
    pub(crate) compile_command: Vec<OsString>,
}

/// Reconciler, dynos and router of a node.
pub(crate) struct NodeCore {
    pub(crate) control: Control,
    pub(crate) router: Router<LocalDyno>,
    reconciler: JoinHandle<Result<(), control::ReconcilerRunError>>,
    log: JoinHandle<()>,
    tasks: JoinSet<()>,
}

impl NodeCore {
    /// Starts all parts. Nothing listens yet.
    pub(crate) async fn start(config: CoreConfig, logs: &LogQueue) -> Result<NodeCore, SpawnError> {
        let id: NodeId = NODE_NAME.parse().expect("a valid name");
        let options = ReconcilerOptions {
            seed: random_seed()?,
            policy: config.policy,
            ..ReconcilerOptions::default()
        };
        let (reconciler, control, outputs) =
            control::start(Arc::clone(&config.ledger), options).await?;
        let (report, reports) = mpsc::unbounded_channel();
        let router_config = RouterConfig {
            hosts: config.hosts.clone(),
            trusted: config.trusted_proxies.clone(),
            spill: Some(config.spill_folder.clone()),
            ..RouterConfig::default()
        };
        let meter = DynoMeter::new(config.usage.clone());
        let fleet = start_fleet(&id, config, logs, report.clone())?;
        let router = Router::with_config(router_config, logs.router_sink());
        let ReconcilerOutputs {
            steps,
            one_offs,
            logs: events,
            published,
        } = outputs;
        let reconciler = tokio::spawn(reconciler.run());
        let executor = StepExecutor {
            one_offs: OneOffRunner::new(fleet.clone(), report),
            fleet,
            router: router.clone(),
            published,
            meter: meter.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(executor.run(steps, one_offs));
        tasks.spawn(forward_reports(reports, control.clone(), meter));
        let log = tokio::spawn(forward_log_events(events, logs.clone()));
        let inventory = Inventory::new_local(id, NODE_MEMORY_BYTES, NODE_DYNOS_MAX);
        control.send_report(Report::Node(inventory)).await?;
        Ok(NodeCore {
            control,
            router,
            reconciler,
            log,
            tasks,
        })
    }

    /// Makes requests of an app wait until its first release is published.
    pub(crate) fn await_release(&self, app: &AppName, hostnames: Vec<Hostname>) {
        let route = Route {
            app: app.clone(),
            // Below every generation of the reconciler.
            generation: Generation(0),
            hostnames,
            version: None,
            backlog_max: backlog_max(1),
            request_timeout: None,
            idle_after: None,
            target: RouteTarget::Booting,
        };
        // A refusal as stale means that the reconciler has published a route already.
        let _ = self.router.publish(route, Vec::new());
    }

    /// A future that sets `ready` when every app of `apps` is published, or after `timeout` without them.
    pub(crate) fn set_ready_when_published(
        &self,
        apps: Vec<AppName>,
        timeout: Duration,
        ready: watch::Sender<bool>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let mut published = self.control.watch_published();
        async move {
            let has_all = |published: &PublishedReleases| {
                let is_up = |app| published.get(app).is_some_and(Option::is_some);
                apps.iter().all(is_up)
            };
            let _ = tokio::time::timeout(timeout, published.wait_for(has_all)).await;
            ready.send_replace(true);
        }
    }

    /// Returns when the reconciler has ended, which happens only if something is wrong.
    pub(crate) async fn wait_for_failure(&mut self) -> NodeFailure {
        match (&mut self.reconciler).await {
            Ok(Ok(())) => NodeFailure::Ended,
            Ok(Err(error)) => NodeFailure::Reconciler(error),
            Err(panic) => NodeFailure::Panic(panic),
        }
    }

    /// Drains every dyno for `grace`, then ends everything.
    pub(crate) async fn stop(&mut self, grace: Duration) {
        let shutdown = self.control.shutdown(grace);
        let _ = tokio::time::timeout(grace * 2, shutdown).await;
        // The reconciler has ended; its last events are still on their way to the log.
        let _ = tokio::time::timeout(grace, &mut self.log).await;
        self.log.abort();
        self.tasks.shutdown().await;
    }
}

/// A seed for the reconciler's jitter, different in every run.
fn random_seed() -> Result<u64, SpawnError> {
    getrandom::u64().map_err(SpawnError::Random)
}

fn start_fleet(
    id: &NodeId,
    config: CoreConfig,
    logs: &LogQueue,
    reports: mpsc::UnboundedSender<Report>,
) -> Result<Fleet, SpawnError> {
    let folder = config.dyno_folder.clone();
    let fleet = Fleet::new(FleetConfig {
        id: id.clone(),
        engines: start_engines(InstanceAllocation::for_this_machine())?,
        compiler: Compiler::new(&config.compiled_folder, config.compile_command)?,
        slugs: dyno::from_store(config.slugs),
        work: config.dyno_folder,
        egress: config.egress,
        logs: logs.dyno_sink(),
        // The receiver is gone only when the node ends.
        reports: Arc::new(move |report| drop(reports.send(report))),
    });
    fleet.map_err(|source| SpawnError::DynoFolder { folder, source })
}

async fn forward_reports(
    mut reports: mpsc::UnboundedReceiver<Report>,
    control: Control,
    meter: DynoMeter,
) {
    while let Some(report) = reports.recv().await {
        meter.record_report(&report);
        if control.send_report(report).await.is_err() {
            return;
        }
    }
}

async fn forward_log_events(mut events: mpsc::Receiver<control::LogEvent>, logs: LogQueue) {
    while let Some(event) = events.recv().await {
        logs.send_control_event(event);
    }
}
