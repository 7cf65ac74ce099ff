//! A program that runs by itself: `wasi:cli/run` of WASI 0.2 and 0.3, and `_start` of a core module.
//!
//! Owns how a program is booted and entered, and what its end means. Must not know why it runs, nor who waits for its
//! end.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use grid::protocol::CrashCause;
use wasmtime::component::Accessor;
use wasmtime::{Store, TypedFunc};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::p3::bindings::Command as Command3;

use crate::code::{CodeLease, LinkedProgram};
use crate::crash::{DynoCrash, describe_failure};
use crate::engine::{AwakePermit, Engines};
use crate::guest::filesystem::folders::MountedFolder;
use crate::guest::network::port::ServerPort;
use crate::guest::stdio::pipes::ProgramStdio;
use crate::guest::{Guest, GuestConfig};
use crate::instance::store::{BootContext, dyno_folders, new_store, wait_to_be_awake};
use crate::life::DynoLife;
use crate::release::PreparedProcess;

/// The function that a core module exports as its entry.
const START: &str = "_start";

/// A program that was instantiated and not entered yet.
pub(crate) struct ProgramInstance {
    store: Store<Guest>,
    entry: ProgramEntry,
    /// Declared after the store, so that the code outlives the store.
    _code: CodeLease,
    /// Declared last: when another dyno gets the permit, the slot of this store is free.
    _room: AwakePermit,
}

enum ProgramEntry {
    Run1(TypedFunc<(), ()>),
    Run2(Command),
    Run3(Command3),
}

/// The parts of one run of a program that no other run shares.
pub(crate) struct ProgramSetup {
    /// The folder in which its own folders are created.
    pub(crate) home: PathBuf,
    pub(crate) stdio: ProgramStdio,
    /// Folders of this machine, beside its own.
    pub(crate) folders: Vec<MountedFolder>,
    /// The port on which it may listen, if it is a server.
    pub(crate) port: Option<Arc<ServerPort>>,
}

/// How a program ended by itself: with an exit code, or with a trap.
pub(crate) type ProgramResult = Result<u8, wasmtime::Error>;

/// Instantiates a program.
pub(crate) async fn boot_program(
    context: &BootContext,
    ready: Arc<PreparedProcess>,
    life: Arc<DynoLife>,
    setup: ProgramSetup,
) -> wasmtime::Result<ProgramInstance> {
    let permit = wait_to_be_awake(context, &ready, &life).await;
    let code = CodeLease::take(Arc::clone(&ready.code), &context.engines).await?;
    let port = setup.port.as_ref().map(|port| port.number);
    let (env, args) = ready.start_for(&life.key.dyno, port)?;
    let guest = Guest::new(GuestConfig {
        env: &env,
        args: &args,
        limits: &ready.limits,
        network: context.network.for_app(&life.key.app),
        reach: ready.reachable_endpoints(),
        files: dyno_folders(&ready, &life, setup.home).with_mounts(setup.folders),
        dyno_log: Arc::clone(&life.dyno_log),
        stdio: Some(setup.stdio),
        flavor: ready.code.flavor(),
        port: setup.port.clone(),
    })?;
    let mut store = new_store(context, &ready, guest);
    let entry = find_entry(code.program(), &mut store);
    let entry = TickedWhilePolled::new(entry, &context.engines).await?;
    store.data().flush_logs();
    Ok(ProgramInstance {
        store,
        entry,
        _code: code,
        _room: permit,
    })
}

async fn find_entry(
    pre: &LinkedProgram,
    store: &mut Store<Guest>,
) -> wasmtime::Result<ProgramEntry> {
    Ok(match pre {
        LinkedProgram::Run1(pre) => {
            let instance = pre.instantiate_async(&mut *store).await?;
            ProgramEntry::Run1(instance.get_typed_func(&mut *store, START)?)
        }
        LinkedProgram::Run2(pre) => ProgramEntry::Run2(pre.instantiate_async(store).await?),
        LinkedProgram::Run3(pre) => {
            let instance = pre.instance_pre().instantiate_async(&mut *store).await?;
            ProgramEntry::Run3(Command3::new(store, &instance)?)
        }
        LinkedProgram::P2(..) | LinkedProgram::P3(..) => {
            wasmtime::bail!("it answers requests and does nothing by itself")
        }
    })
}

impl ProgramInstance {
    /// Enters the program and waits for its end.
    ///
    /// Returns when everything that the program printed was delivered and nothing of it is left. `judge` is called
    /// with the result before that.
    pub(crate) async fn run<T>(
        mut self,
        engines: &Engines,
        judge: impl FnOnce(ProgramResult) -> T,
    ) -> T {
        let result = TickedWhilePolled::new(self.entry.run(&mut self.store), engines).await;
        self.store.data().flush_logs();
        let result = judge(result);
        let pipes = self.store.data().end_pipes();
        // The memory and the permit are released now; the last output is delivered when the reader takes it.
        drop(self);
        pipes.await;
        result
    }
}

impl ProgramEntry {
    async fn run(&self, store: &mut Store<Guest>) -> ProgramResult {
        let ended = match self {
            ProgramEntry::Run1(start) => start.call_async(store, ()).await.map(Ok),
            ProgramEntry::Run2(command) => command.wasi_cli_run().call_run(store).await,
            ProgramEntry::Run3(command) => {
                let run =
                    async |guest: &Accessor<Guest>| command.wasi_cli_run().call_run(guest).await;
                store.run_concurrent(run).await.and_then(|ended| ended)
            }
        };
        match ended {
            Ok(Ok(())) => Ok(0),
            Ok(Err(())) => Ok(1),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                // All ways to exit report eight bits.
                Some(I32Exit(code)) => Ok((code & 0xff) as u8),
                None => Err(error),
            },
        }
    }
}

/// Describes the end of a program that should have kept running.
pub(crate) fn describe_end(ended: ProgramResult, life: &DynoLife) -> DynoCrash {
    match ended {
        Ok(code) => DynoCrash {
            reason: format!("exited with code {code}"),
            cause: CrashCause::Exit,
            in_request: false,
        },
        Err(error) => describe_failure(&error, &life.dyno_log),
    }
}

/// Ticks the epochs while a guest computes, and not while it waits: a program may wait for days.
struct TickedWhilePolled<'a, F> {
    guest: Pin<Box<F>>,
    engines: &'a Engines,
}

impl<'a, F: Future> TickedWhilePolled<'a, F> {
    fn new(guest: F, engines: &'a Engines) -> TickedWhilePolled<'a, F> {
        let guest = Box::pin(guest);
        TickedWhilePolled { guest, engines }
    }
}

impl<F: Future> Future for TickedWhilePolled<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _running = self.engines.mark_guest_running();
        self.guest.as_mut().poll(cx)
    }
}
