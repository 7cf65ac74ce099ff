//! Programs that run once on this machine: one-off dynos and release processes.
//!
//! Owns each from its start to its last report, and makes sure that each ends: by itself, by a step, or when its client
//! has left. Must not decide whether a program may start: the reconciler does.
//!
//! Each program is one task, in a set that ends all of them when it is dropped.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use control::once::{OneOffPipes, OneOffProgram, OneOffRequest};
use dyno::{Fleet, OneOffCommand, ProgramOutput, ProgramStdio};
use grid::desired::Release;
use grid::name::{AppName, DynoKey, NodeId, ProcessType, ReleaseId};
use grid::protocol::{ProcessExit, Report, Step};
use grid::text::error_chain;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Runs programs once.
pub(super) struct OneOffRunner {
    fleet: Fleet,
    reports: mpsc::UnboundedSender<Report>,
    /// Releases with a release process, from their `Fetch` to their `Forget`.
    releases: HashMap<(AppName, ReleaseId), Arc<Release>>,
    running: HashMap<DynoKey, OneOffSignals>,
    tasks: JoinSet<DynoKey>,
}

/// Signals to a running program.
#[derive(Clone)]
struct OneOffSignals {
    /// Ends the program's input.
    drain: CancellationToken,
    /// Ends the program.
    stop: CancellationToken,
}

/// A program that is about to start.
struct PreparedOneOff {
    node: NodeId,
    key: DynoKey,
    release: Arc<Release>,
    command: OneOffCommand,
    env: BTreeMap<String, String>,
    pipes: Option<OneOffPipes>,
}

impl OneOffRunner {
    pub(super) fn new(fleet: Fleet, reports: mpsc::UnboundedSender<Report>) -> OneOffRunner {
        OneOffRunner {
            fleet,
            reports,
            releases: HashMap::new(),
            running: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Starts a one-off dyno.
    pub(super) fn start_one_off(&mut self, one_off: control::once::OneOffStart) {
        let control::once::OneOffStart {
            node,
            dyno: key,
            release,
            wanted,
        } = one_off;
        let OneOffRequest {
            program,
            env,
            memory_bytes,
            pipes,
            ..
        } = wanted;
        let release = with_memory(release, &program, memory_bytes);
        let command = dyno_command(program);
        self.start(PreparedOneOff {
            node,
            key,
            release,
            command,
            env,
            pipes,
        });
    }

    /// Carries out a step about a program that runs once; gives back any other step.
    pub(super) fn execute_step(&mut self, step: Step) -> Option<Step> {
        match step {
            Step::Run {
                node,
                dyno,
                release,
            } => self.start_release_process(node, dyno, release),
            Step::Drain { node, dyno, .. } if dyno.dyno.process.runs_once() => {
                match self.running.get(&dyno) {
                    Some(signals) => signals.drain.cancel(),
                    None => self.report(Report::Down { node, dyno }),
                }
            }
            Step::Stop { node, dyno, .. } if dyno.dyno.process.runs_once() => {
                match self.running.get(&dyno) {
                    Some(signals) => signals.stop.cancel(),
                    None => self.report(Report::Down { node, dyno }),
                }
            }
            step => {
                self.track_release(&step);
                return Some(step);
            }
        }
        None
    }

    /// Keeps releases that may need their release process run.
    fn track_release(&mut self, step: &Step) {
        match step {
            Step::Fetch {
                app,
                release,
                contents,
                ..
            } if contents.release_process().is_some() => {
                let key = (app.clone(), *release);
                self.releases.insert(key, Arc::clone(contents));
            }
            Step::Forget { app, release, .. } => {
                self.releases.remove(&(app.clone(), *release));
            }
            _ => {}
        }
    }

    fn start_release_process(&mut self, node: NodeId, key: DynoKey, id: ReleaseId) {
        let release = self.releases.get(&(key.app.clone(), id)).cloned();
        let Some(release) = release else {
            let exit = ProcessExit::Failed(format!("{id} is not on this node"));
            let dyno = key;
            return self.report(Report::Exited { node, dyno, exit });
        };
        let command = OneOffCommand::Type {
            process: ProcessType::release(),
            args: Vec::new(),
        };
        self.start(PreparedOneOff {
            node,
            key,
            release,
            command,
            env: BTreeMap::new(),
            pipes: None,
        });
    }

    fn start(&mut self, start: PreparedOneOff) {
        let signals = OneOffSignals {
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
        };
        self.running.insert(start.key.clone(), signals.clone());
        let (fleet, reports) = (self.fleet.clone(), self.reports.clone());
        self.tasks
            .spawn(run_and_report(fleet, start, reports, signals));
    }

    /// Waits for a program to end and forgets it. Waits for ever while no program runs.
    pub(super) async fn forget_next_ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(key)) => drop(self.running.remove(&key)),
            // The task panicked. No task of this set is ever aborted.
            Some(Err(_)) => {}
            None => std::future::pending().await,
        }
    }

    fn report(&self, report: Report) {
        // The receiver is gone only when the node ends.
        let _ = self.reports.send(report);
    }
}

fn dyno_command(program: OneOffProgram) -> OneOffCommand {
    match program {
        OneOffProgram::Type { process, args } => OneOffCommand::Type { process, args },
        OneOffProgram::Component { path, args, .. } => {
            let path = PathBuf::from(path);
            OneOffCommand::Component { path, args }
        }
    }
}

/// The release, with this much memory for the process type of the program.
fn with_memory(release: Arc<Release>, program: &OneOffProgram, memory_bytes: u64) -> Arc<Release> {
    let OneOffProgram::Type { process, .. } = program else {
        return release;
    };
    let spec = release.processes.get(process);
    if spec.is_none_or(|spec| spec.limits.memory_bytes == memory_bytes) {
        return release;
    }
    let mut release = Release::clone(&release);
    if let Some(spec) = release.processes.get_mut(process) {
        Arc::make_mut(&mut spec.limits).memory_bytes = memory_bytes;
    }
    Arc::new(release)
}

/// Runs a program to its end, and reports its start and its end.
async fn run_and_report(
    fleet: Fleet,
    start: PreparedOneOff,
    reports: mpsc::UnboundedSender<Report>,
    signals: OneOffSignals,
) -> DynoKey {
    let (on, key) = (start.node, start.key);
    let connection = connect_stdio(start.pipes, signals.drain);
    let one_off = dyno::OneOffGuest {
        key: key.clone(),
        app: key.app.clone(),
        release: start.release,
        command: start.command,
        env: start.env,
        platform_vars: dyno::PlatformVars::Added,
        stdio: connection.stdio,
        folders: Vec::new(),
    };
    let report_up = || {
        let (node, dyno) = (on.clone(), key.clone());
        let _ = reports.send(Report::Up { node, dyno });
    };
    let (exit, by_step) = tokio::select! {
        exit = run_to_exit(&fleet, one_off, report_up) => (exit, false),
        () = signals.stop.cancelled() => (ProcessExit::Failed("it was stopped".into()), true),
        () = connection.client_left => (ProcessExit::Failed("its client left".into()), false),
    };
    if let Some(exit_sender) = connection.exit {
        let _ = exit_sender.send(exit.clone());
    }
    let (node, dyno) = (on, key.clone());
    let _ = reports.send(match by_step {
        true => Report::Down { node, dyno },
        false => Report::Exited { node, dyno, exit },
    });
    key
}

/// Runs a program to its end; `on_start` is called when it has started.
pub(crate) async fn run_to_exit(
    fleet: &Fleet,
    one_off: dyno::OneOffGuest,
    on_start: impl FnOnce(),
) -> ProcessExit {
    let running = match fleet.run(one_off).await {
        Ok(running) => running,
        Err(error) => return ProcessExit::Failed(error_chain(&error)),
    };
    on_start();
    match running.await {
        dyno::OneOffExit::Code(code) => ProcessExit::Code(code),
        dyno::OneOffExit::Trap { reason } => ProcessExit::Failed(reason),
        dyno::OneOffExit::Boot { reason } => {
            ProcessExit::Failed(format!("it did not start: {reason}"))
        }
        dyno::OneOffExit::Killed => ProcessExit::Failed("it was stopped".into()),
    }
}

/// How a program is connected to its client, if it has one.
struct OneOffConnection {
    stdio: ProgramStdio,
    /// Ready when the client has left.
    client_left: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Tells the client how the program ended.
    exit: Option<oneshot::Sender<ProcessExit>>,
}

/// Connects a program to its client, or to the app's log without one.
fn connect_stdio(pipes: Option<OneOffPipes>, drain: CancellationToken) -> OneOffConnection {
    let Some(pipes) = pipes else {
        let stdio = ProgramStdio {
            stdin: None,
            stdout: ProgramOutput::Log,
            stderr: ProgramOutput::Log,
        };
        return OneOffConnection {
            stdio,
            client_left: Box::pin(std::future::pending()),
            exit: None,
        };
    };
    let stdin = DrainableInput {
        input: pipes.stdin,
        drained: Box::pin(drain.cancelled_owned()),
    };
    let stdio = ProgramStdio {
        stdin: Some(Box::new(stdin)),
        stdout: ProgramOutput::Pipe(pipes.stdout),
        stderr: ProgramOutput::Pipe(pipes.stderr),
    };
    OneOffConnection {
        stdio,
        client_left: pipes.gone,
        exit: Some(pipes.ended),
    }
}

/// Input that ends early when the dyno is drained.
struct DrainableInput {
    input: Box<dyn AsyncRead + Send + Unpin>,
    drained: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AsyncRead for DrainableInput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.drained.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.input).poll_read(cx, buffer)
    }
}
