//! The composition root: reconciler, node and router of one machine, connected.
//!
//! The only file that names control, dyno and router together. Steps that the reconciler plans are
//! carried out here; what the node reports goes back.
//!
//! | task | ends |
//! |---|---|
//! | reconciler | with its shutdown, or when another one has taken over its ledger |
//! | steps and one-offs: reconciler → node, router; it has those that run once as tasks of its own | when the reconciler is gone |
//! | reports: node → meter, reconciler | when the reconciler or the node is gone |
//! | log events: reconciler → log | when the reconciler is gone |
//!
//! The channel of reports has no bound, since a dyno's end is reported from places that cannot
//! wait; it holds a few reports a dyno at most, and dynos are bounded.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use control::ledger::Ledger;
use control::once::OneOffStart;
use control::usage::UsageRecorder;
use control::{Control, PublishedReleases, ReconcilerOptions, ReconcilerOutputs};
use dyno::compile::Compiler;
use dyno::engine::{Engines, InstanceAllocation};
use dyno::{EgressPolicy, Fleet, FleetConfig, LocalDyno, LogSink, SlugSource};
use grid::name::{AppName, Generation, Hostname, NodeId};
use grid::plan::Policy;
use grid::protocol::{Inventory, Report, Route, RouteTarget, Step};
use grid::routing::backlog_max;
use router::{Hosts, Router, RouterConfig, TrustedProxies};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::logs::Logs;
use crate::meter::Meter;
use crate::once::Once;

/// Memory that a node offers, in bytes: what its dynos may grow to, not what they use. Nothing is
/// set aside on a machine of one's own, so that this only keeps sums finite.
const NODE_MEMORY_BYTES: u64 = 1 << 46;

/// Dynos that a node has at most, nearly all of them asleep: one that sleeps takes 2.3 KiB, and how many are awake
/// is bounded by `dyno::engine::AWAKE_MAX`.
const NODE_DYNOS_MAX: u32 = 200_000;

/// What differs between a developer's machine and a server.
pub(crate) struct Config<'a> {
    /// What was asked for, and what is written down of it.
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) policy: Policy,
    pub(crate) slugs: Arc<slugs::store::Store>,
    /// Compiled code, kept between runs.
    pub(crate) compiled: &'a Path,
    /// The dynos' own folders.
    pub(crate) work: &'a Path,
    /// For what slow readers leave of responses, in files that have no name.
    pub(crate) spill: &'a Path,
    pub(crate) egress: EgressPolicy,
    pub(crate) hosts: Hosts,
    /// Proxies whose forwarding headers are believed.
    pub(crate) trusted: TrustedProxies,
    /// Takes dyno time, where it is to be paid for.
    pub(crate) usage: Option<UsageRecorder>,
}

/// Reconciler, node and router of this process.
pub(crate) struct Platform {
    pub(crate) control: Control,
    pub(crate) router: Router<LocalDyno>,
    reconciler: JoinHandle<Result<(), control::ReconcilerRunError>>,
    log: JoinHandle<()>,
    tasks: JoinSet<()>,
}

impl Platform {
    /// Starts all of it; nothing listens yet.
    pub(crate) async fn start(config: Config<'_>, logs: &Logs) -> Result<Platform> {
        let id: NodeId = "local".parse().context("the node's name")?;
        let options = ReconcilerOptions {
            seed: seed(),
            policy: config.policy,
        };
        let (reconciler, control, outputs) = control::start(Arc::clone(&config.ledger), options)
            .await
            .context("the reconciler does not start")?;
        let (report, reports) = mpsc::unbounded_channel();
        let node = node(&id, &config, logs, report.clone())?;
        let meter = Meter::new(config.usage);
        let router = RouterConfig {
            hosts: config.hosts,
            trusted: config.trusted,
            spill: Some(config.spill.to_owned()),
            ..RouterConfig::default()
        };
        let router = Router::with_config(router, logs.of_router());
        let mut tasks = JoinSet::new();
        let ReconcilerOutputs {
            steps,
            one_offs,
            logs: events,
            published,
        } = outputs;
        let reconciler = tokio::spawn(reconciler.run());
        let hands = Hands {
            once: Once::new(node.clone(), report),
            node,
            router: router.clone(),
            published,
            meter: meter.clone(),
        };
        tasks.spawn(hands.carry_out(steps, one_offs));
        tasks.spawn(pass_on(reports, control.clone(), meter));
        let log = tokio::spawn(log(events, logs.clone()));
        let inventory = Inventory::new_local(id, NODE_MEMORY_BYTES, NODE_DYNOS_MAX);
        control.report(Report::Node(inventory)).await?;
        Ok(Platform {
            control,
            router,
            reconciler,
            log,
            tasks,
        })
    }

    /// Has requests of an app wait that is about to be deployed for the first time, or to come up again.
    pub(crate) fn expect(&self, app: &AppName, hostnames: Vec<Hostname>) {
        let route = Route {
            app: app.clone(),
            // Below every one of the reconciler's.
            generation: Generation(0),
            hostnames,
            version: None,
            backlog_max: backlog_max(1),
            request_timeout: None,
            idle_after: None,
            target: RouteTarget::Booting,
        };
        // Stale would mean that there is a better one already.
        let _ = self.router.publish(route, Vec::new());
    }

    /// A future that says `true` when every one of `apps` is published, or after `most` without them.
    pub(crate) fn all_published(
        &self,
        apps: Vec<AppName>,
        most: Duration,
        ready: watch::Sender<bool>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let mut published = self.control.published();
        async move {
            let there = |published: &PublishedReleases| {
                let up = |app| published.get(app).is_some_and(Option::is_some);
                apps.iter().all(up)
            };
            let all = tokio::time::timeout(most, published.wait_for(there));
            let _ = all.await;
            ready.send_replace(true);
        }
    }

    /// Returns when the reconciler has ended, which it does not do by itself as long as all is well.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match (&mut self.reconciler).await {
            Ok(Ok(())) => anyhow::anyhow!("the reconciler has ended"),
            Ok(Err(why)) => anyhow::Error::new(why).context("the reconciler has ended"),
            Err(panic) => anyhow::Error::new(panic).context("the reconciler has ended"),
        }
    }

    /// Drains every dyno for `grace`, then ends everything.
    pub(crate) async fn stop(mut self, grace: Duration) {
        let shutdown = self.control.shutdown(grace);
        let _ = tokio::time::timeout(grace * 2, shutdown).await;
        // The reconciler has ended: what it said last is still on its way to the log.
        let _ = tokio::time::timeout(grace, &mut self.log).await;
        self.log.abort();
        self.tasks.shutdown().await;
    }
}

/// Chance for the reconciler's jitter: different in every run.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

fn node(
    id: &NodeId,
    config: &Config<'_>,
    logs: &Logs,
    reports: mpsc::UnboundedSender<Report>,
) -> Result<Fleet> {
    let node = Fleet::new(FleetConfig {
        id: id.clone(),
        engines: engines(InstanceAllocation::for_this_machine())?,
        compiler: Compiler::new(config.compiled, compile_child()?)?,
        slugs: dyno::from_store(Arc::clone(&config.slugs)),
        work: config.work.to_owned(),
        egress: config.egress.clone(),
        logs: logs.of_dynos(),
        // The receiver is gone only when all is over.
        reports: Arc::new(move |report| drop(reports.send(report))),
    });
    node.with_context(|| format!("cannot use {}", config.work.display()))
}

fn engines(allocation: InstanceAllocation) -> Result<Arc<Engines>> {
    Engines::new(allocation)
        .map_err(|e| anyhow::anyhow!("{e:#}"))
        .context("the engine does not start")
}

/// A node for one program that runs once: nobody takes its reports, and no room is set aside for further programs.
pub(crate) fn lone_node(
    compiled: &Path,
    work: &Path,
    slugs: SlugSource,
    egress: EgressPolicy,
    logs: LogSink,
) -> Result<Fleet> {
    let node = Fleet::new(FleetConfig {
        id: "local".parse().context("the node's name")?,
        engines: engines(InstanceAllocation::OnDemand)?,
        compiler: Compiler::new(compiled, compile_child()?)?,
        slugs,
        work: work.to_owned(),
        egress,
        logs,
        reports: Arc::new(drop),
    });
    node.with_context(|| format!("cannot use {}", work.display()))
}

/// This very program, also when another one was put in its place since: an upgrade must not have a server
/// compile with another engine than it runs.
const OURSELVES: &str = "/proc/self/exe";

/// How this program compiles in a child: itself, with other arguments.
fn compile_child() -> Result<Vec<OsString>> {
    let program = match Path::new(OURSELVES).exists() {
        true => PathBuf::from(OURSELVES),
        false => std::env::current_exe().context("cannot tell where this program is")?,
    };
    Ok(vec![program.into_os_string(), crate::args::COMPILE.into()])
}

/// What the reconciler's steps are done with.
struct Hands {
    node: Fleet,
    once: Once,
    router: Router<LocalDyno>,
    published: watch::Sender<PublishedReleases>,
    meter: Meter,
}

impl Hands {
    async fn carry_out(
        mut self,
        mut steps: mpsc::Receiver<Step>,
        mut one_offs: mpsc::Receiver<OneOffStart>,
    ) {
        loop {
            tokio::select! {
                // A step may be about a one-off that was sent before it.
                biased;
                Some(one_off) = one_offs.recv() => {
                    self.meter.one_off(&one_off.dyno, one_off.wanted.memory_bytes);
                    self.once.begin(one_off);
                }
                step = steps.recv() => match step {
                    Some(step) => self.step(step),
                    None => return,
                },
                () = self.once.ended() => {}
            }
        }
    }

    fn step(&mut self, step: Step) {
        self.meter.step(&step);
        let Some(step) = self.once.step(step) else {
            return;
        };
        match step {
            Step::Publish { route } => self.publish(route),
            Step::Withdraw { app } => {
                self.router.withdraw(&app);
                self.published.send_modify(|published| {
                    published.remove(&app);
                });
            }
            step => self.node.step(step),
        }
    }

    fn publish(&self, route: Route) {
        let app = route.app.clone();
        let version = route
            .version
            .filter(|_| route.target != RouteTarget::Booting);
        let fresh = match &route.target {
            RouteTarget::Dynos(keys) => keys.iter().filter_map(|key| self.node.take(key)).collect(),
            RouteTarget::Booting | RouteTarget::Refuse(_) => Vec::new(),
        };
        // A stale route was overtaken by a newer one: nothing is lost.
        let _ = self.router.publish(route, fresh);
        self.published.send_modify(|published| {
            published.insert(app, version);
        });
    }
}

async fn pass_on(mut reports: mpsc::UnboundedReceiver<Report>, control: Control, meter: Meter) {
    while let Some(report) = reports.recv().await {
        meter.report(&report);
        if control.report(report).await.is_err() {
            return;
        }
    }
}

async fn log(mut events: mpsc::Receiver<control::LogEvent>, logs: Logs) {
    while let Some(event) = events.recv().await {
        logs.control(event);
    }
}
