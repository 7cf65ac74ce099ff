//! A dyno whose program runs by itself: a server, a worker, a clock.
//!
//! Owns the task that runs it, and how it is asked to end. Must not know requests, nor the node's list.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use grid::desired::ProcessKind;
use tokio::io::DuplexStream;
use tokio::task::AbortHandle;

use crate::engine::Flavor;
use crate::fleet::dyno::boot_crash;
use crate::fleet::node::Shared;
use crate::fleet::replacement::{Core, OnOneCore};
use crate::guest::network::port::Port;
use crate::guest::stdio::pipes::{Output, Stdio};
use crate::instance::Form;
use crate::life::Life;
use crate::program::process::{Setup, boot, ended};
use crate::program::server::Server;
use crate::release::Ready;

/// How long a server that has no request any more may take to end when its port is closed. Most never end by
/// themselves, and a deploy need not wait for them.
const SERVER_END_GRACE: Duration = Duration::from_secs(2);

/// The running program of a dyno.
pub(crate) struct Background {
    task: AbortHandle,
    /// Held open until the dyno is to end.
    stdin: Option<DuplexStream>,
    port: Option<Arc<Port>>,
    /// It takes requests.
    pub(crate) serves: bool,
    /// The end of its idle connection tells it of its own end, since those of WASI 0.3 come as a stream that ends. A server
    /// around `accept` would take it for a client that sent nothing, and most likely panic: it keeps the connection.
    pub(crate) hears_of_end: bool,
}

impl Background {
    /// Starts the program of a dyno. Its task tells the node when it is up, and when it has ended.
    ///
    /// A server that has a `core` boots on it.
    pub(crate) fn begin(
        node: &Arc<Shared>,
        ready: Arc<Ready>,
        life: &Arc<Life>,
        core: Option<Core>,
    ) -> Background {
        let serves = ready.kind == ProcessKind::Server;
        let port = serves.then(|| node.ports.take());
        let (stdin, reads) = tokio::io::duplex(1);
        let setup = Setup {
            home: node.home(&life.key),
            stdio: Stdio {
                stdin: Some(Box::new(reads)),
                stdout: Output::Log,
                stderr: Output::Log,
            },
            folders: Vec::new(),
            port: port.clone(),
        };
        let hears_of_end = ready.code.flavor() == Flavor::P3;
        let leaves = Leaves(Arc::clone(node), Arc::clone(life));
        let task = tokio::spawn(async move {
            // Dropped last, whichever way this ends.
            let Leaves(node, life) = &leaves;
            run(node, ready, life, setup, core).await;
        });
        let task = task.abort_handle();
        life.runs(task.clone());
        Background {
            task,
            stdin: Some(stdin),
            port,
            serves,
            hears_of_end,
        }
    }

    /// Asks the program to end: its stdin closes, and nothing is accepted any more. A server has a moment for that.
    pub(crate) fn wind_down(&mut self) {
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

/// Tells the node of the end, also of one that comes in the middle.
struct Leaves(Arc<Shared>, Arc<Life>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.left(&self.1);
    }
}

async fn run(
    node: &Arc<Shared>,
    ready: Arc<Ready>,
    life: &Arc<Life>,
    setup: Setup,
    core: Option<Core>,
) {
    let port = setup.port.clone();
    let place = Core::enter(core.as_ref()).await;
    let boot = Box::pin(boot(node, ready, Arc::clone(life), setup));
    let process = match OnOneCore::new(core.clone(), boot).await {
        Ok(process) => process,
        Err(error) => return life.judge(boot_crash(&error, &life.voice)),
    };
    let judge = |how| life.judge(ended(how, life));
    let mut running = pin!(process.run(&node.engines, judge));
    let Some(port) = port else {
        drop(place);
        node.up(life, None);
        return running.await;
    };
    tokio::select! {
        biased;
        () = OnOneCore::new(core, &mut running) => return,
        server = Server::up(port) => node.up(life, Some(Form::Serving(Box::new(server)))),
    }
    drop(place);
    running.await;
}
