//! `dyno run`: a program that runs once on a dyno of its own, with this command's input, output and exit code.
//!
//! Two connections lead to the program. One carries its output and signs of life; the other carries its input. The end of
//! this command closes the first connection, which ends the program.

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
use crate::client::{Client, RemoteApp};
use crate::exit_code::{ABORTED, INTERRUPTED, TERMINATED};
use crate::terminal::{self, OutputClosed, ProgramExit, clean};

/// Longest silence of the server until the connection counts as lost: the server sends a sign of life every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Pause between two checks for silence.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long the exit code of a program may take to arrive after the program has stopped reading input.
const EXIT_DELAY: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &args::RunArgs) -> Result<()> {
    let env = args::parse_env_flags(&args.env)?;
    let app = RemoteApp::find(&args.on)?;
    let request = RunDynoRequest {
        command: args.command.clone(),
        env,
        attach: !args.detached,
        size: args.size.clone(),
    };
    // Before the program starts: from now on a signal ends the program too.
    let (events, received) = mpsc::channel();
    if !args.detached {
        watch_signals(events.clone())?;
    }
    let answer = app.client().post(&app.path("/dynos"), &request)?;
    let dyno: DynoResource = answer.read()?;
    let id = clean(&dyno.id);
    if args.detached {
        return app.server.show(&answer, || {
            terminal::print_note("Started", &format!("{id} of {}", app.name));
            let next = format!("dyno logs -t --dyno {id} -a {}", app.name);
            terminal::print_note("Next", &next);
            Ok(())
        });
    }
    let place = app.path(&format!("/dynos/{}", dyno.id));
    let waiting = attach_pipes(app.client(), &place, &events)?;
    match wait_for_end(&received, &waiting) {
        RunEvent::Ended(ProcessExit::Code(0)) => Ok(()),
        RunEvent::Ended(ProcessExit::Code(code)) => Err(ProgramExit(code).into()),
        RunEvent::Ended(ProcessExit::Failed(reason)) => {
            terminal::print_error(&anyhow::anyhow!(
                "{id} of {} failed: {}",
                app.name,
                clean(&reason)
            ));
            Err(ProgramExit(ABORTED).into())
        }
        RunEvent::Signal(code) => {
            // If the server does not answer, the lost connection ends the program.
            let _ = app.client().post(&format!("{place}/stop"), &json!({}));
            Err(ProgramExit(code).into())
        }
        RunEvent::Unread => Err(OutputClosed.into()),
        RunEvent::Lost(why) => Err(why.context(format!(
            "the connection to {id} of {} was lost; the program ends",
            app.name
        ))),
    }
}

/// The events that end the wait for a program.
enum RunEvent {
    /// The program ended.
    Ended(ProcessExit),
    /// A signal came; the exit code for it.
    Signal(u8),
    /// The reader of this command's output has gone away.
    Unread,
    /// The connection to the program broke.
    Lost(anyhow::Error),
}

/// Since when this command waits for the server. None while it writes output, which may block.
type WaitingSince = Arc<Mutex<Option<Instant>>>;

fn wait_for_end(received: &mpsc::Receiver<RunEvent>, waiting: &WaitingSince) -> RunEvent {
    loop {
        match received.recv_timeout(CHECK_EVERY) {
            Ok(received) => return received,
            Err(RecvTimeoutError::Disconnected) => {
                return RunEvent::Lost(anyhow::anyhow!("all connections have ended"));
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

/// Forwards input and output, each on a thread of its own that ends with this process.
fn attach_pipes(
    client: &Client,
    place: &str,
    events: &mpsc::Sender<RunEvent>,
) -> Result<WaitingSince> {
    let output = client.open_stream(&format!("{place}/output"))?;
    let waiting: WaitingSince = Arc::new(Mutex::new(Some(Instant::now())));
    let events = events.clone();
    let (printed, is_waiting) = (events.clone(), Arc::clone(&waiting));
    std::thread::Builder::new()
        .name("output".into())
        .spawn(move || drop(printed.send(print_output(BufReader::new(output), &is_waiting))))
        .context("a thread does not start")?;
    let (client, path) = (client.clone(), format!("{place}/input"));
    std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            if let Err(why) = client.send_stream(&path, Stdin) {
                // The program may have ended: then its exit code arrives with the output.
                std::thread::sleep(EXIT_DELAY);
                let why = why.context("the server did not take its input");
                drop(events.send(RunEvent::Lost(why)));
            }
        })
        .context("a thread does not start")?;
    Ok(waiting)
}

/// This command's input. A read error counts as the end of the input.
struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        io::stdin().lock().read(buffer).or(Ok(0))
    }
}

/// Prints the program's output until the program ends.
fn print_output(mut from: impl Read, waiting: &WaitingSince) -> RunEvent {
    let wait = |since| *waiting.lock() = since;
    loop {
        wait(Some(Instant::now()));
        let frame = match frame::read_frame(&mut from) {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                return RunEvent::Lost(anyhow::anyhow!("the server has closed the connection"));
            }
            Err(error) => return RunEvent::Lost(error.into()),
        };
        wait(None);
        let written = match frame {
            OutputFrame::Alive => Ok(()),
            OutputFrame::Stdout(bytes) => write_flushed(io::stdout().lock(), &bytes),
            OutputFrame::Stderr(bytes) => write_flushed(io::stderr().lock(), &bytes),
            OutputFrame::Exit(exit) => return RunEvent::Ended(exit),
        };
        if written.is_err() {
            return RunEvent::Unread;
        }
    }
}

fn write_flushed(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Reports Ctrl-C and SIGTERM. A second signal ends this process at once.
fn watch_signals(events: mpsc::Sender<RunEvent>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        let interrupt = signal(SignalKind::interrupt()).context("Ctrl-C cannot be handled")?;
        let terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
        (interrupt, terminate)
    };
    let wait = async move {
        let mut first = true;
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => INTERRUPTED,
                _ = terminate.recv() => TERMINATED,
            };
            let is_received = events.send(RunEvent::Signal(code)).is_ok();
            if !is_received || !std::mem::take(&mut first) {
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
