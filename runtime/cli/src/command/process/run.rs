//! `dyno run`: something that runs once on a dyno of its own, with this command's input, output and exit code.
//!
//! Two connections lead to it: its output comes over one, which also says that it lives; its input goes over the other.
//! Whatever ends this command ends the first, and with it the program.

use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use api::resource::{DynoResource, RunDynoRequest};
use grid::protocol::ProcessExit;
use node::attach_frame::{self as frame, OutputFrame};
use parking_lot::Mutex;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::args;
use crate::client::{Client, TargetApp};
use crate::exit_code::{ABORTED, INTERRUPTED, TERMINATED};
use crate::terminal::{self, OutputClosed, ProgramExit, clean};

/// A server that says nothing for so long, not even that it is there, is lost: it says so every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the end of a program that reads no more input may be on its way.
const ENDED_WITHIN: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &args::RunArgs) -> Result<()> {
    let env = args::parse_env_flags(&args.env)?;
    let app = TargetApp::find(&args.on)?;
    let request = RunDynoRequest {
        command: args.command.clone(),
        env: env.into_iter().collect(),
        attach: !args.detached,
        size: args.size.clone(),
    };
    // From here on a signal ends the program as well.
    let (tell, news) = mpsc::channel();
    if !args.detached {
        watch_signals(tell.clone())?;
    }
    let answer = app.client().post(&app.path("/dynos"), &request)?;
    let dyno: DynoResource = answer.read()?;
    let id = clean(&dyno.id);
    if args.detached {
        return app.server.show(&answer, || {
            terminal::note("Started", &format!("{id} of {}", app.name));
            let next = format!("dyno logs -t --dyno {id} -a {}", app.name);
            terminal::note("Next", &next);
            Ok(())
        });
    }
    let place = app.path(&format!("/dynos/{}", dyno.id));
    let waiting = attach(app.client(), &place, &tell)?;
    match follow(&news, &waiting) {
        RunEvent::Ended(ProcessExit::Code(0)) => Ok(()),
        RunEvent::Ended(ProcessExit::Code(code)) => Err(ProgramExit(code).into()),
        RunEvent::Ended(ProcessExit::Failed(reason)) => {
            terminal::error(&anyhow::anyhow!(
                "{id} of {} failed: {}",
                app.name,
                clean(&reason)
            ));
            Err(ProgramExit(ABORTED).into())
        }
        RunEvent::Signal(code) => {
            // Without an answer the lost connection does it.
            let _ = app.client().post(&format!("{place}/stop"), &json!({}));
            Err(ProgramExit(code).into())
        }
        RunEvent::Unread => Err(OutputClosed.into()),
        RunEvent::Lost(why) => Err(why.context(format!(
            "the connection to {id} of {} was lost, which ends it",
            app.name
        ))),
    }
}

/// What ends the wait.
enum RunEvent {
    Ended(ProcessExit),
    /// A signal came; the exit code for it.
    Signal(u8),
    /// Nobody reads our output.
    Unread,
    Lost(anyhow::Error),
}

/// Since when the server is waited for; none while its output is written down.
type WaitingSince = Arc<Mutex<Option<Instant>>>;

fn follow(news: &mpsc::Receiver<RunEvent>, waiting: &WaitingSince) -> RunEvent {
    loop {
        match news.recv_timeout(LOOK_EVERY) {
            Ok(news) => return news,
            Err(RecvTimeoutError::Disconnected) => {
                return RunEvent::Lost(anyhow::anyhow!("nobody is left who could tell"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let since = *waiting.lock();
        if since.is_some_and(|since| since.elapsed() > SILENCE_MAX) {
            let secs = SILENCE_MAX.as_secs();
            return RunEvent::Lost(anyhow::anyhow!("nothing came for {secs} seconds"));
        }
    }
}

/// Passes input and output on, each on a thread of its own, which ends with this program.
fn attach(client: &Client, place: &str, tell: &mpsc::Sender<RunEvent>) -> Result<WaitingSince> {
    let output = client.open_stream(&format!("{place}/output"))?;
    let waiting: WaitingSince = Arc::new(Mutex::new(Some(Instant::now())));
    let tell = tell.clone();
    let (printed, is_waiting) = (tell.clone(), Arc::clone(&waiting));
    std::thread::Builder::new()
        .name("output".into())
        .spawn(move || drop(printed.send(print(BufReader::new(output), &is_waiting))))
        .context("a thread does not start")?;
    let (client, path) = (client.clone(), format!("{place}/input"));
    std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            if let Err(why) = client.send_stream(&path, Stdin) {
                // The program may have ended; that comes with its output.
                std::thread::sleep(ENDED_WITHIN);
                let why = why.context("its input was not taken");
                drop(tell.send(RunEvent::Lost(why)));
            }
        })
        .context("a thread does not start")?;
    Ok(waiting)
}

/// This command's input. What cannot be read has come to its end.
struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        io::stdin().lock().read(buffer).or(Ok(0))
    }
}

/// Prints what comes until it ends.
fn print(mut from: impl Read, waiting: &WaitingSince) -> RunEvent {
    let wait = |since| *waiting.lock() = since;
    loop {
        wait(Some(Instant::now()));
        let frame = match frame::read_frame(&mut from) {
            Ok(Some(frame)) => frame,
            Ok(None) => return RunEvent::Lost(anyhow::anyhow!("the server has ended it")),
            Err(error) => return RunEvent::Lost(error.into()),
        };
        wait(None);
        let written = match frame {
            OutputFrame::Alive => Ok(()),
            OutputFrame::Stdout(bytes) => write(io::stdout().lock(), &bytes),
            OutputFrame::Stderr(bytes) => write(io::stderr().lock(), &bytes),
            OutputFrame::Exit(exit) => return RunEvent::Ended(exit),
        };
        if written.is_err() {
            return RunEvent::Unread;
        }
    }
}

fn write(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Tells of Ctrl-C and SIGTERM; a second one ends this program at once.
fn watch_signals(tell: mpsc::Sender<RunEvent>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        let interrupt = signal(SignalKind::interrupt()).context("Ctrl-C cannot be heard")?;
        let terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
        (interrupt, terminate)
    };
    let wait = async move {
        let mut first = true;
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => INTERRUPTED,
                _ = terminate.recv() => TERMINATED,
            };
            let heard = tell.send(RunEvent::Signal(code)).is_ok();
            if !heard || !std::mem::take(&mut first) {
                std::process::exit(i32::from(code));
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(wait))
        .context("a thread does not start")?;
    Ok(())
}
