//! The data of one guest's store: its WASI context, and everything that bounds what the guest can do.
//!
//! Owns what a guest can see and use. Each module below owns one part and is given a function that finds this part in
//! the store's data, so no module knows [`Guest`]. Must not know requests, routing or releases: the call of a guest for
//! a request is in `instance::call`.

mod clocks;
pub(crate) mod filesystem;
pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod network;
pub(crate) mod preview1;
pub(crate) mod stdio;

use std::collections::BTreeSet;
use std::sync::Arc;

use grid::desired::Limits;
use grid::name::Endpoint;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::sockets::WasiSocketsView;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtxView, WasiHttpView};

use crate::engine::Flavor;
use filesystem::folders::DynoFolders;
use filesystem::view::{FilesystemView, GuestFilesystem};
use http::outgoing::OutgoingRequests;
use http::state::{HttpState, HttpView};
use limits::handles::{HandlesAudit, RESOURCES_MAX};
use limits::memory::MemoryLimiter;
use network::gate::EgressGate;
use network::lookup::{BoundedLookup, LookupView};
use network::port::ServerPort;
use network::resolver::NameResolver;
use network::shared::AppNetwork;
use network::sockets::{CountedSockets, CountedSocketsView};
use network::tcp_p2::{GuestTcp, GuestTcpView, ServedPort};
use network::tcp_p3::{ServedPortP3, ServedPortView};
use preview1::network::ModuleNetwork;
use preview1::state::Preview1;
use stdio::logs::{DynoLog, LogWriter};
use stdio::pipes::{InputPipe, OutputPipe, ProgramOutput, ProgramStdio};

/// The most bytes that a guest gets from one call for random bytes.
const RANDOM_BYTES_MAX: u64 = 1024 * 1024;

/// The rights and limits with which a guest is created.
pub(crate) struct GuestConfig<'a> {
    /// All environment variables of the guest. No variable of the host is added.
    pub(crate) env: &'a [(String, String)],
    /// The arguments, with the program's name first.
    pub(crate) args: &'a [String],
    pub(crate) limits: &'a Limits,
    /// The network state that the app's dynos share.
    pub(crate) network: Arc<AppNetwork>,
    /// The endpoints that the release may reach, beside public addresses.
    pub(crate) reach: Arc<BTreeSet<Endpoint>>,
    pub(crate) files: DynoFolders,
    pub(crate) dyno_log: Arc<DynoLog>,
    /// The guest's stdin, stdout and stderr. `None`: stdin is empty, and output goes to the log.
    pub(crate) stdio: Option<ProgramStdio>,
    /// The WASI version of the program.
    pub(crate) flavor: Flavor,
    /// The port on which a server dyno may listen.
    pub(crate) port: Option<Arc<ServerPort>>,
}

/// The destination of a guest's stdout or stderr.
enum GuestOutput {
    Log(LogWriter),
    Pipe(OutputPipe),
}

/// The data of one guest's store.
pub(crate) struct Guest {
    wasi: WasiCtx,
    http: HttpState,
    table: ResourceTable,
    resolver: NameResolver,
    handles: HandlesAudit,
    files: DynoFolders,
    pub(crate) limiter: MemoryLimiter,
    sockets_max: usize,
    printers: [GuestOutput; 2],
    /// The WASI state of a core module, which uses preview 1 alone.
    preview1: Option<Box<Preview1>>,
    served: Option<Box<ServedPort>>,
    served3: Option<Box<ServedPortP3>>,
}

impl Guest {
    /// Creates the store data of a guest.
    ///
    /// # Errors
    /// If the folders of a core module cannot be created. A component learns of such an error when it asks for its
    /// folders.
    pub(crate) fn new(mut config: GuestConfig<'_>) -> wasmtime::Result<Guest> {
        let (network, reach) = (Arc::clone(&config.network), Arc::clone(&config.reach));
        let port = config.port.as_ref().map(|port| port.number);
        let gate = EgressGate::new(network, reach, Arc::clone(&config.dyno_log), port);
        let (stdin, printers) = open_stdio(config.stdio.take(), &config.dyno_log);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let mut builder = build_context(&config, gate.clone(), stdin, &printers);
        let (wasi, preview1) = match config.flavor {
            Flavor::P1 => {
                let tree = config.files.open_tree()?;
                for folder in tree.folders() {
                    builder.preopened_dir(&folder.host, &folder.guest, folder.perms())?;
                }
                let quota = Arc::clone(&config.files.quota);
                let port = config.port.as_ref();
                let connections = config.limits.connections as usize;
                let network = ModuleNetwork::new(gate.clone(), connections);
                let preview1 = Preview1::new(builder.build_p1(), tree, quota, port, network);
                (WasiCtx::builder().build(), Some(Box::new(preview1)))
            }
            Flavor::P2 | Flavor::P3 => (builder.build(), None),
        };
        Ok(Guest {
            wasi,
            table,
            resolver: gate.resolver.clone(),
            http: HttpState::new(OutgoingRequests::new(
                gate,
                config.limits.connections as usize,
            )),
            handles: HandlesAudit::default(),
            files: config.files,
            limiter: MemoryLimiter::new(config.limits, config.dyno_log),
            sockets_max: config.limits.connections as usize,
            printers,
            preview1,
            served3: (config.port.clone()).map(|port| Box::new(ServedPortP3::new(port))),
            served: config.port.map(|port| Box::new(ServedPort::new(port))),
        })
    }

    /// Writes unfinished lines of the guest to the log.
    pub(crate) fn flush_logs(&self) {
        for printer in &self.printers {
            if let GuestOutput::Log(log) = printer {
                log.flush_partial();
            }
        }
    }

    /// The number of handles that the guest has left open after a request, if it is so large that the instance should
    /// be replaced. `None` otherwise.
    pub(crate) fn handles_in_excess(&mut self) -> Option<usize> {
        self.handles.count_excess(&mut self.table)
    }

    /// The number of outbound requests still open after a request, if it is more than half of the guest's limit.
    /// `None` otherwise.
    pub(crate) fn requests_in_excess(&self) -> Option<usize> {
        Some(self.http.outgoing.open_count()).filter(|open| *open > self.sockets_max / 2)
    }

    /// Waits until the readers have taken everything that the guest wrote to its pipes, then closes the pipes.
    pub(crate) fn end_pipes(&self) -> impl Future<Output = ()> + Send + use<> {
        let pipes = self.printers.iter().filter_map(|printer| match printer {
            GuestOutput::Pipe(pipe) => Some(pipe.clone()),
            GuestOutput::Log(_) => None,
        });
        let pipes: Vec<OutputPipe> = pipes.collect();
        async move {
            for pipe in pipes {
                pipe.finish().await;
            }
        }
    }

    fn preview1(&mut self) -> &mut Preview1 {
        let preview1 = self.preview1.as_deref_mut();
        preview1.expect("only core modules are linked with preview 1, and they are given it")
    }

    pub(crate) fn http_view(&mut self) -> HttpView<'_> {
        HttpView {
            state: &mut self.http,
            table: &mut self.table,
        }
    }

    /// See [`DynoFolders::missing_reason`].
    pub(crate) fn missing_folders(&self) -> Option<&str> {
        self.files.missing_reason()
    }

    fn filesystem_view(&mut self) -> FilesystemView<'_> {
        let WasiCtxView { ctx, table } = WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        };
        FilesystemView {
            files: &mut self.files,
            wasi: wasmtime_wasi::filesystem::WasiFilesystemCtxView {
                ctx: ctx.filesystem(),
                table,
            },
        }
    }

    fn counted_sockets_view(&mut self) -> CountedSocketsView<'_> {
        // Open outbound requests count towards the same limit.
        let max = self
            .sockets_max
            .saturating_sub(self.http.outgoing.open_count());
        CountedSocketsView {
            wasi: self.sockets(),
            max,
        }
    }

    fn tcp_view(&mut self) -> GuestTcpView<'_> {
        let WasiCtxView { ctx, table } = WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        };
        GuestTcpView {
            wasi: wasmtime_wasi::sockets::WasiSocketsCtxView {
                ctx: ctx.sockets(),
                table,
            },
            served: self.served.as_deref_mut(),
        }
    }

    fn served_port_view(&mut self) -> ServedPortView<'_> {
        let WasiCtxView { ctx, table } = WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        };
        ServedPortView {
            served: self.served3.as_deref_mut(),
            wasi: wasmtime_wasi::sockets::WasiSocketsCtxView {
                ctx: ctx.sockets(),
                table,
            },
        }
    }

    /// Like [`WasiHttpView::http`], for sending a request: counts the open sockets first, which share the limit.
    fn sending_http_view(&mut self) -> WasiHttpCtxView<'_> {
        self.http.outgoing.sockets = network::sockets::count_sockets(&mut self.table);
        self.http()
    }

    fn lookup_view(&mut self) -> LookupView<'_> {
        LookupView {
            resolver: &self.resolver,
            table: &mut self.table,
        }
    }
}

/// Creates the guest's stdin, and the targets of its stdout and stderr.
fn open_stdio(
    stdio: Option<ProgramStdio>,
    dyno_log: &Arc<DynoLog>,
) -> (Option<InputPipe>, [GuestOutput; 2]) {
    let log = || GuestOutput::Log(LogWriter::new(DynoLog::clone(dyno_log)));
    let Some(stdio) = stdio else {
        return (None, [log(), log()]);
    };
    let printers = [stdio.stdout, stdio.stderr].map(|output| match output {
        ProgramOutput::Log => log(),
        ProgramOutput::Pipe(to) => GuestOutput::Pipe(OutputPipe::new(to)),
    });
    (Some(InputPipe::new(stdio.stdin)), printers)
}

fn build_context(
    config: &GuestConfig<'_>,
    gate: EgressGate,
    stdin: Option<InputPipe>,
    [stdout, stderr]: &[GuestOutput; 2],
) -> WasiCtxBuilder {
    let mut wasi = WasiCtx::builder();
    wasi.envs(config.env)
        .args(config.args)
        .initial_cwd("/")
        .wall_clock(clocks::WallClock)
        .monotonic_clock(clocks::MonotonicClock::new())
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_ip_name_lookup(true)
        .allow_tcp(true)
        .allow_udp(true)
        // A dyno's own folders are in the page cache, so passing a call to another thread costs more than the call
        // itself.
        .allow_blocking_current_thread(true)
        .socket_addr_check(move |addr, reason| gate.check_socket(addr, reason));
    match stdout {
        GuestOutput::Log(log) => wasi.stdout(log.clone()),
        GuestOutput::Pipe(pipe) => wasi.stdout(pipe.clone()),
    };
    match stderr {
        GuestOutput::Log(log) => wasi.stderr(log.clone()),
        GuestOutput::Pipe(pipe) => wasi.stderr(pipe.clone()),
    };
    if let Some(stdin) = stdin {
        wasi.stdin(stdin);
    }
    wasi
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.http_view().into_engine_view()
    }
}

/// Creates a linker with all of WASI preview 1, for core modules.
pub(crate) fn build_module_linker(
    engine: &wasmtime::Engine,
) -> wasmtime::Result<wasmtime::Linker<Guest>> {
    preview1::host::build_linker(engine, Guest::preview1)
}

/// Creates a linker with everything that a component may import: WASI 0.2, and also 0.3 on that engine.
pub(crate) fn build_component_linker(
    engine: &wasmtime::Engine,
    flavor: Flavor,
) -> wasmtime::Result<Linker<Guest>> {
    use wasmtime_wasi::p2::bindings::filesystem as filesystem_p2;
    use wasmtime_wasi::p2::bindings::sockets;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if flavor == Flavor::P3 {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    // Our implementations replace those of the engine that have no bounds.
    linker.allow_shadowing(true);
    filesystem_p2::preopens::add_to_linker::<_, GuestFilesystem>(
        &mut linker,
        Guest::filesystem_view,
    )?;
    filesystem_p2::types::add_to_linker::<_, GuestFilesystem>(&mut linker, Guest::filesystem_view)?;
    sockets::tcp::add_to_linker::<_, GuestTcp>(&mut linker, Guest::tcp_view)?;
    sockets::tcp_create_socket::add_to_linker::<_, CountedSockets>(
        &mut linker,
        Guest::counted_sockets_view,
    )?;
    sockets::udp_create_socket::add_to_linker::<_, CountedSockets>(
        &mut linker,
        Guest::counted_sockets_view,
    )?;
    network::lookup::add_p2_to_linker(&mut linker, Guest::lookup_view)?;
    http::fields::add_to_linker(&mut linker, Guest::http_view)?;
    http::handling::add_to_linker(&mut linker, Guest::http_view)?;
    http::writing::add_to_linker(&mut linker, Guest::http_view)?;
    wasmtime_wasi_http::p2::bindings::http::outgoing_handler::add_to_linker::<_, WasiHttp>(
        &mut linker,
        Guest::sending_http_view,
    )?;
    if flavor == Flavor::P3 {
        use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup;
        use wasmtime_wasi_http::p3::bindings::http::client;
        ip_name_lookup::add_to_linker::<_, BoundedLookup>(&mut linker, Guest::lookup_view)?;
        client::add_to_linker::<_, WasiHttp>(&mut linker, Guest::sending_http_view)?;
        filesystem::p3::add_to_linker(&mut linker, Guest::filesystem_view)?;
        network::sockets::add_p3_to_linker(&mut linker, Guest::counted_sockets_view)?;
        network::tcp_p3::add_to_linker(&mut linker, Guest::served_port_view)?;
    }
    linker.allow_shadowing(false);
    Ok(linker)
}
