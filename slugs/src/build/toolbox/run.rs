//! Owns the run of a tool: its lines go to the progress callback while it runs, and its exit status is checked.
//! Must not know what the tool does.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::error::BuilderError;
use super::progress::BuildProgress;
use super::tools::Tools;

/// Longest line that is passed on in one piece (1 MiB). A longer line is cut into several.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Lines that wait for the callback. When there are more, the tool has to wait.
const LINES_WAITING_MAX: usize = 256;
/// Most output that [`run_for_output`] returns (64 MiB): `cargo metadata` of a large workspace prints megabytes.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;

/// The pipe that a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputStream {
    Stdout,
    Stderr,
}

/// Runs `[build] command` in a shell, in the app's folder.
pub(crate) fn run_shell(
    folder: &Path,
    command: &str,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    let mut run_shell = Command::new("sh");
    run_shell.args(["-c", command]).current_dir(folder);
    run_streaming(run_shell, command, tools, &mut |_, line| {
        progress(BuildProgress::Line(line))
    })
}

/// Runs a tool and passes on its lines, of stdout and stderr, as they come. Fails if the tool does not end with success.
pub(crate) fn run_streaming(
    command: Command,
    shown: &str,
    tools: &Tools,
    each: &mut dyn FnMut(OutputStream, String),
) -> Result<(), BuilderError> {
    run_with_input(command, Stdio::null(), shown, tools, each)
}

/// As [`run_streaming`], with a standard input.
pub(crate) fn run_with_input(
    mut command: Command,
    stdin: Stdio,
    shown: &str,
    tools: &Tools,
    each: &mut dyn FnMut(OutputStream, String),
) -> Result<(), BuilderError> {
    let failed = |source| BuilderError::Run {
        tool: shown.to_owned(),
        source,
    };
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = tools.spawn(command).map_err(failed)?;
    forward_lines(&mut child, each);
    // After `wait` its process id may belong to another process.
    tools.clear_running();
    let status = child.wait().map_err(failed)?;
    check_status(status, shown)
}

/// Reads both pipes in threads, and calls back from this thread, since the callback need not be `Send`.
fn forward_lines(child: &mut Child, each: &mut dyn FnMut(OutputStream, String)) {
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    thread::scope(|scope| {
        let stderr_sender = sender.clone();
        scope.spawn(move || stdout.map(|pipe| send_lines(pipe, OutputStream::Stdout, &sender)));
        scope.spawn(move || {
            stderr.map(|pipe| send_lines(pipe, OutputStream::Stderr, &stderr_sender))
        });
        for (from, line) in receiver {
            each(from, line);
        }
    });
}

fn send_lines(pipe: impl Read, from: OutputStream, to: &SyncSender<(OutputStream, String)>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        // After a read error, the tool's exit status tells whether it failed.
        let read = pipe
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line);
        if read.is_err() || line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        if to
            .send((from, text.trim_end_matches(['\n', '\r']).to_owned()))
            .is_err()
        {
            return;
        }
    }
}

/// Runs a tool and returns its stdout; its stderr goes to the callback if the tool fails.
pub(crate) fn run_for_output(
    mut command: Command,
    shown: &'static str,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<String, BuilderError> {
    let mut text = String::new();
    let mut errors = Vec::new();
    command.env("CARGO_TERM_COLOR", "never");
    let outcome = run_streaming(command, shown, tools, &mut |from, line| match from {
        OutputStream::Stdout if (text.len() + line.len()) as u64 <= OUTPUT_BYTES_MAX => {
            text.push_str(&line);
            text.push('\n');
        }
        OutputStream::Stdout => {}
        OutputStream::Stderr => errors.push(line),
    });
    if outcome.is_err() {
        errors
            .into_iter()
            .for_each(|line| progress(BuildProgress::Line(line)));
    }
    outcome.map(|()| text)
}

/// Whether an error means that the program is not installed.
pub(crate) fn is_absent(error: &BuilderError) -> bool {
    matches!(error, BuilderError::Run { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

fn check_status(status: ExitStatus, shown: &str) -> Result<(), BuilderError> {
    if status.success() {
        return Ok(());
    }
    Err(BuilderError::Failed {
        tool: shown.to_owned(),
        status,
    })
}
