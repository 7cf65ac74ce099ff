//! A node that runs: from its configuration to its drained end.
//!
//! Owns the order in which the parts start and end. Must not decide anything, nor know the command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;

use control::ledger::MemoryLedger;
use control::usage::UsageRecorder;
use dyno::EgressPolicy;
use grid::plan::Policy;
use router::{Hosts, TrustedProxies};
use tokio::net::TcpListener;

use crate::config::{DrainGrace, ListenOn, LocalConfig, NodeConfig, NodeKind, ServerConfig};
use crate::core::{CoreConfig, NodeCore};
use crate::data_folder::DataFolder;
use crate::error::{NodeFailure, SocketPurpose, SpawnError};
use crate::log_queue::{AppLogWriter, LogQueue, LogThread, NodeLogWriter, start_log_thread};
use crate::observer::{NodeEvent, NodeObserver, SharedObserver};
use crate::server::{Readiness, RunningServer, ServerStartParts, ServerStores, open_logs};

/// A node of this process. Several nodes may run side by side, each with folders and ports of its own.
///
/// Dropping it ends everything at once; [`drain`](RunningNode::drain) lets requests finish first.
pub struct RunningNode {
    pub(crate) core: NodeCore,
    router: Option<router::RouterServer>,
    app_address: SocketAddr,
    server: Option<RunningServer>,
    drain_grace: DrainGrace,
    log_thread: LogThread,
    /// Locked until the last part of the node is gone.
    _data: Option<DataFolder>,
}

impl RunningNode {
    /// Starts a node on the runtime of the caller, which should come from [`new_runtime`](crate::new_runtime).
    ///
    /// `compile_command` is a program with its first arguments. With the further arguments `FLAVOR INPUT OUTPUT` it
    /// calls [`compile_component`](crate::compile_component): components are compiled in a child process.
    ///
    /// # Errors
    /// A folder, a port or a store cannot be used; nothing of the node is left running then.
    pub async fn spawn(
        config: NodeConfig,
        compile_command: Vec<OsString>,
        observer: Arc<dyn NodeObserver>,
    ) -> Result<RunningNode, SpawnError> {
        let drain_grace = config.drain_grace();
        let common = CommonParts {
            listen: config.listen,
            egress_allow: config.egress_allow.into(),
            compile_command,
            drain_grace,
            observer,
        };
        match config.kind {
            NodeKind::Local(local) => spawn_local(common, local).await,
            NodeKind::Server(server) => spawn_server(common, *server).await,
        }
    }

    /// The address on which the router accepts requests to apps.
    pub fn app_address(&self) -> SocketAddr {
        self.app_address
    }

    /// The address of the API, if the node has an API.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|server| server.api_address)
    }

    /// Returns when the node cannot go on. A sound node never returns.
    pub async fn wait_for_failure(&mut self) -> NodeFailure {
        self.core.wait_for_failure().await
    }

    /// Accepts no new requests, lets running ones finish within the grace of the configuration, and ends everything.
    pub async fn drain(&mut self) {
        if let Some(server) = &mut self.server {
            server.begin_drain().await;
        }
        if let Some(router) = self.router.take() {
            router.close(self.drain_grace.requests).await;
        }
        self.core.stop(self.drain_grace.dynos).await;
        if let Some(server) = &mut self.server {
            server.finish_drain().await;
        }
    }

    /// Writes the last log lines, and unlocks the data folder. Blocks; best called when the runtime has ended, so that no
    /// task is left that could log.
    pub fn finish(self) {
        let RunningNode {
            core,
            router,
            server,
            log_thread,
            ..
        } = self;
        drop((router, server, core));
        log_thread.finish();
    }
}

/// The parts with which both kinds of nodes start.
struct CommonParts {
    listen: ListenOn,
    egress_allow: Arc<[dyno::EgressOpening]>,
    compile_command: Vec<OsString>,
    drain_grace: DrainGrace,
    observer: SharedObserver,
}

async fn spawn_local(common: CommonParts, config: LocalConfig) -> Result<RunningNode, SpawnError> {
    let (listener, app_address) = open_socket(common.listen, SocketPurpose::Apps)?;
    let (logs, log_thread) = start_logs(config.log, &common.observer)?;
    let core = CoreConfig {
        ledger: Arc::new(MemoryLedger::new()),
        policy: Policy::default(),
        slugs: config.slugs,
        compiled_folder: config.compiled_folder,
        dyno_folder: config.run_folder.join("dynos"),
        spill_folder: config.run_folder,
        egress: EgressPolicy {
            allowed: common.egress_allow,
            command: "dyno local",
            ..EgressPolicy::default()
        },
        hosts: Hosts::AllTo(config.app.clone()),
        trusted_proxies: TrustedProxies::default(),
        usage: None,
        compile_command: common.compile_command,
    };
    let core = NodeCore::start(core, &logs).await?;
    core.await_release(&config.app, Vec::new());
    let router = core.router.listen(listener).map_err(SpawnError::Router)?;
    let observer = &common.observer;
    observer.on_event(NodeEvent::Listening {
        apps: app_address,
        api: None,
    });
    Ok(RunningNode {
        core,
        router: Some(router),
        app_address,
        server: None,
        drain_grace: common.drain_grace,
        log_thread,
        _data: None,
    })
}

async fn spawn_server(
    common: CommonParts,
    config: ServerConfig,
) -> Result<RunningNode, SpawnError> {
    let data = DataFolder::open(&config.data_folder)?;
    let app_logs = open_logs(&config, &data, &common.observer)?;
    let writer = Box::new(AppLogWriter(app_logs.clone()));
    let (logs, log_thread) = start_logs(writer, &common.observer)?;
    let started = start_server(common, config, &data, &logs, app_logs).await;
    drop(logs);
    match started {
        Ok(ServerParts {
            core,
            router,
            server,
            app_address,
            drain_grace,
        }) => Ok(RunningNode {
            core,
            router: Some(router),
            app_address,
            server: Some(server),
            drain_grace,
            log_thread,
            _data: Some(data),
        }),
        Err(error) => {
            // Lines that were logged so far are written before the caller ends the process.
            let _ = tokio::task::spawn_blocking(move || log_thread.finish()).await;
            Err(error)
        }
    }
}

/// The parts of a server that has started.
struct ServerParts {
    core: NodeCore,
    router: router::RouterServer,
    server: RunningServer,
    app_address: SocketAddr,
    drain_grace: DrainGrace,
}

async fn start_server(
    common: CommonParts,
    mut config: ServerConfig,
    data: &DataFolder,
    logs: &LogQueue,
    app_logs: control::logs::AppLogs,
) -> Result<ServerParts, SpawnError> {
    // Before anything is written: a server whose port is taken leaves nothing behind.
    let (listener, app_address) = open_socket(common.listen, SocketPurpose::Apps)?;
    let api = std::mem::replace(&mut config.api, ListenOn::Address(app_address));
    let (api, api_address) = open_socket(api, SocketPurpose::Api)?;
    let stores = ServerStores::open(data)?;
    let egress = EgressPolicy {
        allowed: common.egress_allow,
        listening: [app_address.port(), api_address.port()].into(),
        ..EgressPolicy::default()
    };
    let usage = stores.usage.clone();
    let core = server_core(
        &config,
        data,
        &stores,
        egress,
        usage,
        common.compile_command,
    );
    let core = NodeCore::start(core, logs).await?;
    // Removes the logs of apps that were destroyed just before the server was killed.
    let view = core.control.view();
    app_logs.retain_files(|app| view.desired.apps.contains_key(app));
    let readiness = Readiness::await_known_apps(&core);
    let router = core.router.listen(listener).map_err(SpawnError::Router)?;
    common.observer.on_event(NodeEvent::Listening {
        apps: app_address,
        api: Some(api_address),
    });
    let start = ServerStartParts {
        config: &config,
        data,
        stores,
        logs: app_logs,
        api,
        api_address,
        app_address,
        observer: common.observer,
    };
    let server = RunningServer::start(start, &core, readiness).await?;
    Ok(ServerParts {
        core,
        router,
        server,
        app_address,
        drain_grace: common.drain_grace,
    })
}

fn server_core(
    config: &ServerConfig,
    data: &DataFolder,
    stores: &ServerStores,
    egress: EgressPolicy,
    usage: UsageRecorder,
    compile_command: Vec<OsString>,
) -> CoreConfig {
    CoreConfig {
        ledger: Arc::clone(&stores.ledger),
        policy: config.policy,
        slugs: Arc::clone(&stores.slugs),
        compiled_folder: data.compiled(),
        dyno_folder: data.dynos(),
        spill_folder: data.nameless_files().to_owned(),
        egress,
        hosts: Hosts::Named,
        trusted_proxies: config.trusted_proxies.clone(),
        usage: Some(usage),
        compile_command,
    }
}

fn start_logs(
    writer: Box<dyn NodeLogWriter>,
    observer: &SharedObserver,
) -> Result<(LogQueue, LogThread), SpawnError> {
    start_log_thread(writer, Arc::clone(observer)).map_err(SpawnError::LogThread)
}

/// Opens a socket, or takes the one that was passed on; with its address.
fn open_socket(
    listen: ListenOn,
    purpose: SocketPurpose,
) -> Result<(TcpListener, SocketAddr), SpawnError> {
    let listener = match listen {
        ListenOn::Address(address) => {
            router::bind(address).map_err(|source| SpawnError::Listen {
                purpose,
                address,
                source,
            })?
        }
        ListenOn::Socket(socket) => adopt_socket(socket).map_err(SpawnError::PassedSocket)?,
    };
    let address = listener.local_addr().map_err(SpawnError::PassedSocket)?;
    Ok((listener, address))
}

fn adopt_socket(socket: std::net::TcpListener) -> std::io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}
