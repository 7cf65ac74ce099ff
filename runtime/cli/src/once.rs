//! What runs once on this machine: one-off dynos, and release processes.
//!
//! Owns them from the wish to the last report, and that each ends: by itself, when it is told to, or when nobody wants
//! it any more. Must not decide: whether one may start is the reconciler's.
//!
//! Each is one task, in a set that ends them all when it is dropped.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use control::once::{OneOffPipes, OneOffProgram, OneOffRequest};
use dyno::{Fleet, OneOffCommand, ProgramOutput, ProgramStdio};
use grid::desired::Release;
use grid::name::{AppName, DynoKey, NodeId, ProcessType, Version};
use grid::protocol::{ProcessExit, Report, Step};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What runs once on this machine.
pub(crate) struct Once {
    node: Fleet,
    reports: mpsc::UnboundedSender<Report>,
    /// Releases that have a release process, while the node has them.
    releases: HashMap<(AppName, Version), Arc<Release>>,
    leashes: HashMap<DynoKey, Leash>,
    tasks: JoinSet<DynoKey>,
}

/// How one that runs is told to end.
struct Leash {
    /// Its input ends.
    drain: CancellationToken,
    /// It ends.
    stop: CancellationToken,
}

/// One that is to start.
struct Start {
    node: NodeId,
    key: DynoKey,
    release: Arc<Release>,
    command: OneOffCommand,
    env: BTreeMap<String, String>,
    pipes: Option<OneOffPipes>,
}

impl Once {
    pub(crate) fn new(node: Fleet, reports: mpsc::UnboundedSender<Report>) -> Once {
        Once {
            node,
            reports,
            releases: HashMap::new(),
            leashes: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Starts a one-off dyno.
    pub(crate) fn begin(&mut self, one_off: control::once::OneOffStart) {
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
        let release = sized(release, &program, memory_bytes);
        let command = command(program);
        self.start(Start {
            node,
            key,
            release,
            command,
            env,
            pipes,
        });
    }

    /// Takes a step that is about what runs once; gives back any other one.
    pub(crate) fn step(&mut self, step: Step) -> Option<Step> {
        match step {
            Step::Run {
                node,
                dyno,
                version,
            } => self.run(node, dyno, version),
            Step::Drain { node, dyno, .. } if dyno.dyno.process.runs_once() => {
                match self.leashes.get(&dyno) {
                    Some(leash) => leash.drain.cancel(),
                    None => self.report(Report::Down { node, dyno }),
                }
            }
            Step::Stop { node, dyno, .. } if dyno.dyno.process.runs_once() => {
                match self.leashes.get(&dyno) {
                    Some(leash) => leash.stop.cancel(),
                    None => self.report(Report::Down { node, dyno }),
                }
            }
            step => {
                self.note(&step);
                return Some(step);
            }
        }
        None
    }

    fn note(&mut self, step: &Step) {
        match step {
            Step::Fetch { app, release, .. } if release.release_process().is_some() => {
                let key = (app.clone(), release.version);
                self.releases.insert(key, Arc::clone(release));
            }
            Step::Forget { app, version, .. } => {
                self.releases.remove(&(app.clone(), *version));
            }
            _ => {}
        }
    }

    /// Runs a release process.
    fn run(&mut self, node: NodeId, key: DynoKey, version: Version) {
        let release = self.releases.get(&(key.app.clone(), version)).cloned();
        let Some(release) = release else {
            let exit = ProcessExit::Failed(format!("{version} is not on this node"));
            let dyno = key;
            return self.report(Report::Exited { node, dyno, exit });
        };
        let command = OneOffCommand::Type {
            process: ProcessType::release(),
            args: Vec::new(),
        };
        self.start(Start {
            node,
            key,
            release,
            command,
            env: BTreeMap::new(),
            pipes: None,
        });
    }

    fn start(&mut self, start: Start) {
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        let leash = Leash {
            drain: drain.clone(),
            stop: stop.clone(),
        };
        self.leashes.insert(start.key.clone(), leash);
        let (node, reports) = (self.node.clone(), self.reports.clone());
        self.tasks.spawn(one(node, start, reports, (drain, stop)));
    }

    /// Forgets one that ended; never ready while there is none.
    pub(crate) async fn ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(key)) => drop(self.leashes.remove(&key)),
            // It panicked, or was aborted, which nobody does.
            Some(Err(_)) => {}
            None => std::future::pending().await,
        }
    }

    fn report(&self, report: Report) {
        // The receiver is gone only when all is over.
        let _ = self.reports.send(report);
    }
}

fn command(program: OneOffProgram) -> OneOffCommand {
    match program {
        OneOffProgram::Type { process, args } => OneOffCommand::Type { process, args },
        OneOffProgram::Component { path, args, .. } => {
            let path = PathBuf::from(path);
            OneOffCommand::Component { path, args }
        }
    }
}

/// The release with this much memory for the process type that is run.
fn sized(release: Arc<Release>, program: &OneOffProgram, memory_bytes: u64) -> Arc<Release> {
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

/// Runs one to its end, and says how it ended.
async fn one(
    node: Fleet,
    start: Start,
    reports: mpsc::UnboundedSender<Report>,
    (drain, stop): (CancellationToken, CancellationToken),
) -> DynoKey {
    let (on, key) = (start.node, start.key);
    let (stdio, gone, ended) = stdio(start.pipes, drain);
    let one_off = dyno::OneOffProgram {
        key: key.clone(),
        app: key.app.clone(),
        release: start.release,
        command: start.command,
        env: start.env,
        platform_vars: dyno::PlatformVars::Added,
        stdio,
        folders: Vec::new(),
    };
    let begun = || {
        let (node, dyno) = (on.clone(), key.clone());
        let _ = reports.send(Report::Up { node, dyno });
    };
    let (exit, asked) = tokio::select! {
        exit = run(&node, one_off, begun) => (exit, false),
        () = stop.cancelled() => (ProcessExit::Failed("it was stopped".into()), true),
        () = gone => (ProcessExit::Failed("its client left".into()), false),
    };
    if let Some(ended) = ended {
        let _ = ended.send(exit.clone());
    }
    let (node, dyno) = (on, key.clone());
    let _ = reports.send(match asked {
        true => Report::Down { node, dyno },
        false => Report::Exited { node, dyno, exit },
    });
    key
}

/// Runs a process; `begun` is called when it does.
pub(crate) async fn run(
    node: &Fleet,
    one_off: dyno::OneOffProgram,
    begun: impl FnOnce(),
) -> ProcessExit {
    let running = match node.run(one_off).await {
        Ok(running) => running,
        Err(error) => {
            let error = anyhow::Error::new(error);
            return ProcessExit::Failed(format!("{error:#}"));
        }
    };
    begun();
    match running.await {
        dyno::OneOffExit::Code(code) => ProcessExit::Code(code),
        dyno::OneOffExit::Trap { reason } => ProcessExit::Failed(reason),
        dyno::OneOffExit::Boot { reason } => {
            ProcessExit::Failed(format!("it did not start: {reason}"))
        }
        dyno::OneOffExit::Killed => ProcessExit::Failed("it was stopped".into()),
    }
}

type Told = Option<tokio::sync::oneshot::Sender<ProcessExit>>;

/// What it reads and where it prints; what says that nobody wants it; and who wants to know how it ended.
fn stdio(
    pipes: Option<OneOffPipes>,
    drain: CancellationToken,
) -> (ProgramStdio, Pin<Box<dyn Future<Output = ()> + Send>>, Told) {
    let Some(pipes) = pipes else {
        let stdio = ProgramStdio {
            stdin: None,
            stdout: ProgramOutput::Log,
            stderr: ProgramOutput::Log,
        };
        return (stdio, Box::pin(std::future::pending()), None);
    };
    let stdin = Closing {
        from: pipes.stdin,
        closed: Box::pin(drain.cancelled_owned()),
    };
    let stdio = ProgramStdio {
        stdin: Some(Box::new(stdin)),
        stdout: ProgramOutput::Pipe(pipes.stdout),
        stderr: ProgramOutput::Pipe(pipes.stderr),
    };
    (stdio, pipes.gone, Some(pipes.ended))
}

/// Input that comes to an early end when the dyno is drained.
struct Closing {
    from: Box<dyn AsyncRead + Send + Unpin>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AsyncRead for Closing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.from).poll_read(cx, buffer)
    }
}
