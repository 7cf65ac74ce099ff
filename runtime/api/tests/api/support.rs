//! A real API on a real port, with a real reconciler and slug store; only the node is a script.
//!
//! Owns the server under test. Every answer that a test gets is checked against the document.

pub(crate) mod client;
pub(crate) mod slug;

use api::{ApiHost, ApiParts, ApiSettings, ApiState};
use control::access::{Role, mint_token};
use control::addons::{AddonServers, AddonsHandle};
use control::ledger::MemoryLedger;
use control::logs::{AppLogLine, AppLogs};
use control::once::OneOffStart;
use control::usage::UsageRecorder;
use control::{Actor, Control, ReconcilerOptions, ReconcilerOutputs};
use grid::name::{AppName, DynoKey, NodeId};
use grid::protocol::{CrashCause, Inventory, ProcessExit, Report, Step};
use grid::usage::DynoPrices;
use prometheus_client::metrics::gauge::ConstGauge;
use slugs::store::Store;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Memory for all dynos of the scripted node, in bytes.
const NODE_MEMORY_BYTES: u64 = 1 << 40;
const DYNOS_MAX: u32 = 10_000;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) admin: String,
    pub(crate) control: Control,
    pub(crate) logs: AppLogs,
    pub(crate) ready: watch::Sender<bool>,
    /// Apps whose releases fail to boot from now on.
    pub(crate) broken: Arc<Mutex<BTreeSet<AppName>>>,
    pub(crate) store: std::path::PathBuf,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
    _folder: tempfile::TempDir,
}

pub(crate) fn me() -> Actor {
    Actor::new("test")
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::start_at("127.0.0.1:0").await
    }

    /// Starts a server with these servers for add-ons.
    pub(crate) async fn start_with(servers: AddonServers) -> Server {
        Server::start_all("127.0.0.1:0", servers, Vec::new()).await
    }

    /// Starts a server that also answers at `hosts`.
    pub(crate) async fn start_behind(hosts: &[&str]) -> Server {
        let hosts = hosts.iter().map(|host| host.parse().expect("a host"));
        Server::start_all("127.0.0.1:0", AddonServers::default(), hosts.collect()).await
    }

    pub(crate) async fn start_at(address: &str) -> Server {
        Server::start_all(address, AddonServers::default(), Vec::new()).await
    }

    async fn start_all(address: &str, servers: AddonServers, api_hosts: Vec<ApiHost>) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("slugs");
        let slugs = Arc::new(Store::open(&store).expect("a store"));
        let ledger = Arc::new(MemoryLedger::new());
        let (reconciler, control, outputs) = control::start(ledger, ReconcilerOptions::default())
            .await
            .expect("a reconciler");
        tokio::spawn(reconciler.run());
        let logs = AppLogs::new();
        let usage = Arc::new(control::usage::MemoryUsageStore::new());
        let usage = UsageRecorder::open(usage, SystemTime::now()).expect("a store");
        let broken: Arc<Mutex<BTreeSet<AppName>>> = Arc::default();
        run_node(&control, outputs, &logs, &usage, &broken).await;
        let (addons, keeper) = AddonsHandle::new(control.clone(), servers);
        tokio::spawn(keeper.run(|_| ()));
        let (ready, is_ready) = watch::channel(true);
        let parts = ApiParts {
            control: control.clone(),
            slugs,
            addons,
            logs: logs.clone(),
            usage: usage.clone(),
            settings: ApiSettings {
                domain: "localhost".parse().expect("a domain"),
                public_https: false,
                public_port: 8080,
                prices: DynoPrices::default(),
                api_hosts,
            },
            ready: is_ready,
            metrics: Arc::new(|registry| registry.register("more", "More", ConstGauge::new(1_i64))),
        };
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let served = tokio::spawn(api::serve(listener, ApiState::new(parts), stopped));
        let mut server = Server {
            address,
            admin: String::new(),
            control,
            logs,
            ready,
            broken,
            store,
            stop: Some(stop),
            served: Some(served),
            _folder: folder,
        };
        server.admin = server.token("admin", Role::Admin, None).await;
        server
    }

    /// Creates a token and returns its secret.
    pub(crate) async fn token(&self, name: &str, role: Role, app: Option<&str>) -> String {
        let app = app.map(|app| app.parse().expect("a name"));
        let (token, secret) = mint_token(name, role, app);
        let made = self.control.create_token(token, me(), None).await;
        made.expect("a token");
        secret.reveal().to_owned()
    }

    /// Stops the server, and waits until it has stopped.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        let served = self.served.take().expect("it is stopped once");
        served.await.expect("no panic").expect("it served");
    }
}

/// A node that carries out every step at once.
async fn run_node(
    control: &Control,
    outputs: ReconcilerOutputs,
    logs: &AppLogs,
    usage: &UsageRecorder,
    broken: &Arc<Mutex<BTreeSet<AppName>>>,
) {
    let node: NodeId = "local".parse().expect("a name");
    let inventory = Inventory::new_local(node, NODE_MEMORY_BYTES, DYNOS_MAX);
    control
        .send_report(Report::Node(inventory))
        .await
        .expect("a reconciler");
    let ReconcilerOutputs {
        mut steps,
        mut one_offs,
        logs: mut events,
        ..
    } = outputs;
    let reporter = control.clone();
    tokio::spawn(async move {
        while let Some(one_off) = one_offs.recv().await {
            tokio::spawn(once(one_off, reporter.clone()));
        }
    });
    let (reporter, usage, broken) = (control.clone(), usage.clone(), Arc::clone(broken));
    tokio::spawn(async move {
        while let Some(step) = steps.recv().await {
            let Some(report) = answer(step, &usage, &broken) else {
                continue;
            };
            let reporter = reporter.clone();
            tokio::spawn(async move { reporter.send_report(report).await });
        }
    });
    let logs = logs.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            let app = event.app.clone();
            logs.append_line(&app, AppLogLine::from_event(event, SystemTime::now()));
        }
    });
}

/// A one-off program that copies stdin to stdout, writes `done` to stderr, and exits with 7. Without pipes it exits
/// with 0.
async fn once(one_off: OneOffStart, reporter: Control) {
    let OneOffStart {
        node, dyno, wanted, ..
    } = one_off;
    let up = Report::Up {
        node: node.clone(),
        dyno: dyno.clone(),
    };
    let _ = reporter.send_report(up).await;
    let (exit, told) = match wanted.pipes {
        None => (ProcessExit::Code(0), None),
        Some(mut pipes) => {
            let talk = async {
                let _ = tokio::io::copy(&mut pipes.stdin, &mut pipes.stdout).await;
                let _ = pipes.stderr.write_all(b"done").await;
                ProcessExit::Code(7)
            };
            let exit = tokio::select! {
                exit = talk => exit,
                () = pipes.gone => ProcessExit::Failed("its client left".into()),
            };
            (exit, Some(pipes.ended))
        }
    };
    let told_exit = exit.clone();
    let _ = reporter
        .send_report(Report::Exited { node, dyno, exit })
        .await;
    if let Some(told) = told {
        let _ = told.send(told_exit);
    }
}

fn answer(step: Step, usage: &UsageRecorder, broken: &Mutex<BTreeSet<AppName>>) -> Option<Report> {
    let is_broken = |dyno: &DynoKey| broken.lock().expect("no panic").contains(&dyno.app);
    match step {
        Step::Fetch {
            node, app, release, ..
        } => Some(Report::Fetched {
            node,
            app,
            release,
            result: Ok(()),
        }),
        Step::Start { node, dyno, .. } if is_broken(&dyno) => Some(Report::Crashed {
            node,
            dyno,
            reason: "it fell over".to_owned(),
            cause: CrashCause::Boot,
            served: false,
            in_request: false,
        }),
        Step::Start { node, dyno, .. } => {
            usage.record_change(&dyno, 128 << 20, true);
            Some(Report::Up { node, dyno })
        }
        Step::Drain { node, dyno, .. } | Step::Stop { node, dyno, .. } => {
            usage.record_change(&dyno, 128 << 20, false);
            Some(Report::Down { node, dyno })
        }
        _ => None,
    }
}

/// Time limit for everything that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
