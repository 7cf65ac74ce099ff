//! The parts of a server that a node of one app does not have: persistent stores, the API, tokens, add-ons, and upkeep.
//!
//! Owns the order in which these parts start and end. Must not know the routes of the API.
//!
//! | task | ends |
//! |---|---|
//! | API; one task more for each connection | when the node is drained, after the dynos |
//! | dyno time: writes what was measured | when the node is drained, after the dynos |
//! | readiness: waits for the apps that served before | once they serve, or after a time |
//! | token socket, slug pruner, keeper of add-ons (one task more for each that is made or destroyed), ledger watch | when the node is drained, first |

mod first_token;
mod local_token_socket;
mod slug_pruner;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use control::addons::AddonsHandle;
use control::ledger::{Ledger, LedgerCause, SqliteLedger};
use control::logs::{AppLogs, LogFiles};
use control::usage::{self, UsageRecorder};
use grid::name::{AppName, ProcessType};
use slugs::store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::ServerConfig;
use crate::core::{NodeCore, register_router_metrics};
use crate::data_folder::DataFolder;
use crate::error::SpawnError;
use crate::local_token::take_notes;
use crate::observer::{NodeEvent, SharedObserver};
use local_token_socket::LocalTokenSocket;

pub use local_token_socket::LocalTokenSocketError;

/// How long a starting server waits for the apps that served before, until it calls itself ready without them.
const READY_TIMEOUT: Duration = Duration::from_secs(75);

/// The stores that outlive a run of the server.
pub(crate) struct ServerStores {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) usage: UsageRecorder,
    pub(crate) slugs: Arc<Store>,
}

impl ServerStores {
    pub(crate) fn open(data: &DataFolder) -> Result<ServerStores, SpawnError> {
        let ledger = SqliteLedger::open(&data.ledger(), &data.key())?;
        let usage = usage::SqliteUsageStore::open(&data.usage()).map_err(SpawnError::UsageOpen)?;
        let usage = UsageRecorder::open(Arc::new(usage), SystemTime::now());
        Ok(ServerStores {
            ledger: Arc::new(ledger),
            usage: usage.map_err(SpawnError::UsageRead)?,
            slugs: Arc::new(Store::open(&data.slugs())?),
        })
    }
}

/// Opens the apps' logs. On a full disk they are kept in memory, and apps are served.
pub(crate) fn open_logs(
    config: &ServerConfig,
    data: &DataFolder,
    observer: &SharedObserver,
) -> Result<AppLogs, SpawnError> {
    let folder = config.log_folder.clone().unwrap_or_else(|| data.logs());
    match LogFiles::open(&folder) {
        Ok(files) => Ok(AppLogs::with_files(files)),
        Err(error) if error.is_full() => {
            observer.on_event(NodeEvent::LogsNotKept(error));
            Ok(AppLogs::new())
        }
        Err(error) => Err(SpawnError::LogFolder(error)),
    }
}

/// The parameters with which the server's part of a node is started.
pub(crate) struct ServerStartParts<'a> {
    pub(crate) config: &'a ServerConfig,
    pub(crate) data: &'a DataFolder,
    pub(crate) stores: ServerStores,
    pub(crate) logs: AppLogs,
    pub(crate) api: TcpListener,
    pub(crate) api_address: SocketAddr,
    pub(crate) app_address: SocketAddr,
    pub(crate) observer: SharedObserver,
}

/// The server's part of a running node.
pub(crate) struct RunningServer {
    pub(crate) api_address: SocketAddr,
    ready: watch::Sender<bool>,
    /// Ends the API and the dyno time.
    end: watch::Sender<bool>,
    api: JoinHandle<std::io::Result<()>>,
    usage: JoinHandle<()>,
    tasks: JoinSet<()>,
}

impl RunningServer {
    /// Starts all of it on a node whose router accepts connections.
    pub(crate) async fn start(
        start: ServerStartParts<'_>,
        core: &NodeCore,
        ready: Readiness,
    ) -> Result<RunningServer, SpawnError> {
        let ServerStartParts {
            config,
            data,
            stores,
            logs,
            api,
            api_address,
            app_address,
            observer,
        } = start;
        let Readiness {
            sender: ready,
            receiver: is_ready,
            mut tasks,
        } = ready;
        let control = &core.control;
        first_token::create_first_token(control, &*observer, api_address).await?;
        start_token_socket(data, core, &observer, &mut tasks);
        let (addons, keeper) = AddonsHandle::new(control.clone(), config.addon_servers.clone());
        let trouble = Arc::clone(&observer);
        tasks.spawn(keeper.run(move |text| trouble.on_event(NodeEvent::AddonTrouble(text))));
        let state = api::ApiState::new(api::ApiParts {
            control: control.clone(),
            slugs: Arc::clone(&stores.slugs),
            addons,
            logs,
            usage: stores.usage.clone(),
            settings: api_settings(config, app_address.port()),
            ready: is_ready,
            metrics: router_metrics(core),
        });
        let (end, has_ended) = watch::channel(false);
        let api_end = wait_for_end(has_ended.clone());
        let api = tokio::spawn(async move { api::serve(api, state, api_end).await });
        let trouble = Arc::clone(&observer);
        let usage = stores.usage.run(wait_for_end(has_ended), move |error| {
            trouble.on_event(NodeEvent::UsageWriteFailed(error));
        });
        let usage = tokio::spawn(usage);
        let pruner = slug_pruner::prune_slugs(stores.slugs, control.clone(), Arc::clone(&observer));
        tasks.spawn(pruner);
        tasks.spawn(watch_ledger(control.watch_ledger_trouble(), observer));
        Ok(RunningServer {
            api_address,
            ready,
            end,
            api,
            usage,
            tasks,
        })
    }

    /// Makes `/readyz` answer that the server is not ready, and ends the tasks that no request needs.
    pub(crate) async fn begin_drain(&mut self) {
        // Before `ready` changes: the readiness task would set it again.
        self.tasks.shutdown().await;
        self.ready.send_replace(false);
    }

    /// Ends the API, and writes dyno time down.
    pub(crate) async fn finish_drain(&mut self) {
        let _ = self.end.send(true);
        let _ = tokio::join!(&mut self.api, &mut self.usage);
    }
}

/// Whether the apps that served before the start serve again.
pub(crate) struct Readiness {
    sender: watch::Sender<bool>,
    receiver: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

impl Readiness {
    /// Makes requests for the apps that served before wait. Must be called before the router accepts connections.
    pub(crate) fn await_known_apps(core: &NodeCore) -> Readiness {
        let (sender, receiver) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let apps = await_serving_apps(core);
        tasks.spawn(core.set_ready_when_published(apps, READY_TIMEOUT, sender.clone()));
        Readiness {
            sender,
            receiver,
            tasks,
        }
    }
}

/// Makes requests for the apps that served before wait. Returns these apps.
fn await_serving_apps(core: &NodeCore) -> Vec<AppName> {
    let view = core.control.view();
    let apps = view.desired.apps.values();
    let serving =
        apps.filter(|app| app.serving.is_some() && app.requested_count(&ProcessType::web()) > 0);
    serving
        .map(|app| {
            core.await_release(&app.name, app.hostnames.iter().cloned().collect());
            app.name.clone()
        })
        .collect()
}

/// Reports tokens that were made while the server was stopped, and answers requests for tokens from now on.
fn start_token_socket(
    data: &DataFolder,
    core: &NodeCore,
    observer: &SharedObserver,
    tasks: &mut JoinSet<()>,
) {
    for description in take_notes(data.root()) {
        observer.on_event(NodeEvent::LocalTokenCreated {
            description,
            while_stopped: true,
        });
    }
    match LocalTokenSocket::bind(data.root()) {
        Ok(socket) => {
            tasks.spawn(socket.serve(core.control.clone(), Arc::clone(observer)));
        }
        Err(error) => observer.on_event(NodeEvent::LocalTokenSocketFailed(error)),
    }
}

fn api_settings(config: &ServerConfig, public_port: u16) -> api::ApiSettings {
    api::ApiSettings {
        domain: config.domain.clone(),
        public_https: false,
        public_port,
        prices: config.prices,
        api_hosts: config.api_hosts.clone(),
    }
}

fn router_metrics(core: &NodeCore) -> api::RegisterMetrics {
    let router = core.router.clone();
    Arc::new(move |registry| register_router_metrics(&router, registry))
}

async fn wait_for_end(mut end: watch::Receiver<bool>) {
    // An error means that the node is gone.
    let _ = end.wait_for(|end| *end).await;
}

/// Reports when the ledger begins to refuse changes, and when it takes them again.
async fn watch_ledger(mut trouble: watch::Receiver<Option<LedgerCause>>, observer: SharedObserver) {
    let mut is_failing = false;
    while trouble.changed().await.is_ok() {
        let cause = trouble.borrow_and_update().clone();
        let was_failing = std::mem::replace(&mut is_failing, cause.is_some());
        match cause {
            Some(cause) if !was_failing => {
                observer.on_event(NodeEvent::LedgerWriteFailed(cause));
            }
            None if was_failing => observer.on_event(NodeEvent::LedgerWriteRecovered),
            _ => {}
        }
    }
}
