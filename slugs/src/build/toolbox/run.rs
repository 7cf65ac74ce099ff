//! Owns the running of a tool: its lines go to the progress callback while it runs, its exit status is checked.
//! Must not know what the tool does.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::tools::Tools;
use crate::build::{BuildError, Progress};

/// Longest line that is passed on in one piece (1 MiB); longer ones are cut into several.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Lines that wait for the callback before the tool has to.
const LINES_WAITING_MAX: usize = 256;
/// Most output that is taken whole (64 MiB), as `cargo metadata` prints.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Stdout,
    Stderr,
}

/// Runs `[build] command` by the shell, in the app's folder.
pub(crate) fn shell(
    folder: &Path,
    command: &str,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder);
    stream(shell, command, tools, &mut |_, line| {
        progress(Progress::Line(line))
    })
}

/// Runs a tool and hands on its lines, of stdout and stderr, as they come.
pub(crate) fn stream(
    command: Command,
    shown: &str,
    tools: &Tools,
    each: &mut dyn FnMut(From, String),
) -> Result<(), BuildError> {
    stream_with(command, Stdio::null(), shown, tools, each)
}

/// The same, with something to read.
pub(crate) fn stream_with(
    mut command: Command,
    stdin: Stdio,
    shown: &str,
    tools: &Tools,
    each: &mut dyn FnMut(From, String),
) -> Result<(), BuildError> {
    let failed = |source| BuildError::Run {
        tool: shown.to_owned(),
        source,
    };
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = tools.spawn(command).map_err(failed)?;
    pump(&mut child, each);
    // Its number can be another process's once it was waited for.
    tools.forget();
    let status = child.wait().map_err(failed)?;
    check(status, shown)
}

/// Two threads read, this one calls back: the callback need not be `Send`.
fn pump(child: &mut Child, each: &mut dyn FnMut(From, String)) {
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    thread::scope(|scope| {
        let other = sender.clone();
        scope.spawn(move || stdout.map(|pipe| send_lines(pipe, From::Stdout, &sender)));
        scope.spawn(move || stderr.map(|pipe| send_lines(pipe, From::Stderr, &other)));
        for (from, line) in receiver {
            each(from, line);
        }
    });
}

fn send_lines(pipe: impl Read, from: From, to: &SyncSender<(From, String)>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A tool that breaks off its output is seen by its exit status.
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

/// Runs a tool and takes its stdout whole; stderr goes to the callback if it fails.
pub(crate) fn output(
    mut command: Command,
    shown: &'static str,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, BuildError> {
    let mut text = String::new();
    let mut complaints = Vec::new();
    command.env("CARGO_TERM_COLOR", "never");
    let outcome = stream(command, shown, tools, &mut |from, line| match from {
        From::Stdout if (text.len() + line.len()) as u64 <= OUTPUT_BYTES_MAX => {
            text.push_str(&line);
            text.push('\n');
        }
        From::Stdout => {}
        From::Stderr => complaints.push(line),
    });
    if outcome.is_err() {
        complaints
            .into_iter()
            .for_each(|line| progress(Progress::Line(line)));
    }
    outcome.map(|()| text)
}

/// Whether an error says that the program is not there.
pub(crate) fn is_absent(error: &BuildError) -> bool {
    matches!(error, BuildError::Run { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

fn check(status: ExitStatus, shown: &str) -> Result<(), BuildError> {
    if status.success() {
        return Ok(());
    }
    Err(BuildError::Failed {
        tool: shown.to_owned(),
        status,
    })
}
