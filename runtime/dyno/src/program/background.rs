//! A dyno whose program runs by itself: a server, a worker, a clock.
//!
//! Owns the task that runs the program, and how the program is asked to end. Must not know requests, nor the list of
//! dynos.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use grid::desired::ProcessKind;
use tokio::io::DuplexStream;
use tokio::task::AbortHandle;

use crate::crash::describe_boot_failure;
use crate::engine::Flavor;
use crate::engine::shared_core::{OnSharedCore, SharedCore};
use crate::guest::network::port::ServerPort;
use crate::guest::stdio::pipes::{ProgramOutput, ProgramStdio};
use crate::instance::store::BootContext;
use crate::life::DynoLife;
use crate::program::process::{ProgramSetup, boot_program, describe_end};
use crate::program::server::ServerProgram;
use crate::release::PreparedProcess;

/// The time that an idle server gets to end after its port was closed. Most servers never end by themselves, and a
/// deploy should not wait for them.
const SERVER_END_GRACE: Duration = Duration::from_secs(2);

/// The running program of a dyno.
pub(crate) struct BackgroundProgram {
    task: AbortHandle,
    /// Kept open until the dyno is to end.
    stdin: Option<DuplexStream>,
    port: Option<Arc<ServerPort>>,
    /// Whether the program takes requests.
    pub(crate) serves: bool,
    /// Whether the end of its idle connection tells the server that it is to end. True for WASI 0.3, where
    /// connections come as a stream, which ends. A server around `accept` would see a client that sent nothing, and
    /// most likely panic, so its connection is kept open.
    pub(crate) hears_of_end: bool,
}

impl BackgroundProgram {
    /// Starts the program of a dyno in a task of its own.
    ///
    /// The task calls `on_up` when the program is up, with the server if it is one, and `on_end` when nothing of the
    /// program is left. A server with a `core` boots on this core.
    pub(crate) fn start(
        context: &Arc<BootContext>,
        ready: Arc<PreparedProcess>,
        life: &Arc<DynoLife>,
        (port, core): (Option<Arc<ServerPort>>, Option<SharedCore>),
        on_up: impl FnOnce(Option<ServerProgram>) + Send + 'static,
        on_end: impl FnOnce() + Send + 'static,
    ) -> BackgroundProgram {
        let serves = ready.kind == ProcessKind::Server;
        let (stdin, reads) = tokio::io::duplex(1);
        let setup = ProgramSetup {
            home: context.home_of(&life.key),
            stdio: ProgramStdio {
                stdin: Some(Box::new(reads)),
                stdout: ProgramOutput::Log,
                stderr: ProgramOutput::Log,
            },
            folders: Vec::new(),
            port: port.clone(),
        };
        let hears_of_end = ready.code.flavor() == Flavor::P3;
        let (context, own) = (Arc::clone(context), Arc::clone(life));
        let at_end = CallAtEnd(Some(on_end));
        let task = tokio::spawn(async move {
            // Dropped last, however the task ends.
            let _at_end = at_end;
            run_program(&context, ready, &own, setup, core, on_up).await;
        });
        let task = task.abort_handle();
        life.set_program_task(task.clone());
        BackgroundProgram {
            task,
            stdin: Some(stdin),
            port,
            serves,
            hears_of_end,
        }
    }

    /// Asks the program to end: its stdin is closed, and a server accepts nothing more and gets a short time to end.
    pub(crate) fn ask_to_end(&mut self) {
        self.stdin = None;
        if let Some(port) = self.port.take() {
            port.close();
            let task = self.task.clone();
            tokio::spawn(async move {
                tokio::time::sleep(SERVER_END_GRACE).await;
                task.abort();
            });
        }
    }
}

/// Calls a function when dropped: at the end of a task, even if the task is aborted.
struct CallAtEnd<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for CallAtEnd<F> {
    fn drop(&mut self) {
        if let Some(on_end) = self.0.take() {
            on_end();
        }
    }
}

async fn run_program(
    context: &BootContext,
    ready: Arc<PreparedProcess>,
    life: &Arc<DynoLife>,
    setup: ProgramSetup,
    core: Option<SharedCore>,
    on_up: impl FnOnce(Option<ServerProgram>),
) {
    let port = setup.port.clone();
    let place = SharedCore::wait_for_permit(core.as_ref()).await;
    let boot = Box::pin(boot_program(context, ready, Arc::clone(life), setup));
    let process = match OnSharedCore::new(core.clone(), boot).await {
        Ok(process) => process,
        Err(error) => return life.set_crash(describe_boot_failure(&error, &life.dyno_log)),
    };
    let judge = |how| life.set_crash(describe_end(how, life));
    let mut running = pin!(process.run(&context.engines, judge));
    let Some(port) = port else {
        drop(place);
        on_up(None);
        return running.await;
    };
    tokio::select! {
        biased;
        () = OnSharedCore::new(core, &mut running) => return,
        server = ServerProgram::wait_until_up(port) => on_up(Some(server)),
    }
    drop(place);
    running.await;
}
