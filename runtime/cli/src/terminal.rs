//! What people see: results on stdout; errors, warnings, notes and progress on stderr.
//!
//! The only place that prints, logs apart. A reader of stdout that has gone away is [`Closed`], which ends the
//! command quietly; one of stderr is no reason to stop.

pub(crate) mod colours;
mod log_lines;
pub(crate) mod sgr;
mod table;
mod text;

use std::io::{Read, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use grid::text::error_texts;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use slugs::build::Progress;

pub(crate) use log_lines::TerminalLog;
pub(crate) use table::{details, table};
pub(crate) use text::{ago, clean, count, moment, short_slug_id, size, span};

/// How often the progress line moves.
const TICK: Duration = Duration::from_millis(100);

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();

/// Nobody reads stdout any more: `dyno … | head`.
#[derive(Debug)]
pub(crate) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the output was closed")
    }
}

impl std::error::Error for Closed {}

/// Whether an error comes from a reader of stdout that has gone away.
pub(crate) fn is_closed_output(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Closed>())
}

/// A program ended with this exit code, which is this command's own then. All is said already.
#[derive(Debug)]
pub(crate) struct Code(pub(crate) u8);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it ended with exit code {}", self.0)
    }
}

impl std::error::Error for Code {}

/// Prints a result: one or more lines, without the last line's end.
pub(crate) fn print(text: &str) -> Result<()> {
    print_bytes(format!("{text}\n").as_bytes())
}

/// Prints a result as it is.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(closed)
}

/// Prints a result for programs.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

fn closed(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Closed.into(),
        _ => anyhow::Error::new(error).context("cannot write the output"),
    }
}

/// Prints an error and its causes, in one go.
pub(crate) fn error(error: &anyhow::Error) {
    let texts = error_texts(error.as_ref());
    let texts = texts.join("\n  because: ");
    say(&format!("{RED}error{RED:#}: {texts}"));
}

/// Prints an error for programs: one line of JSON, to stderr, since stdout has results alone.
pub(crate) fn json_error(error: &serde_json::Value) {
    say(&error.to_string());
}

/// Prints something that deserves a look.
pub(crate) fn warning(text: &str) {
    say(&format!("{YELLOW}warning{YELLOW:#}: {text}"));
}

/// Prints what was done.
pub(crate) fn note(verb: &str, text: &str) {
    say(&format!("{GREEN}{verb:>12}{GREEN:#} {text}"));
}

/// Prints lines that help to understand what comes after them.
pub(crate) fn aside(lines: &str) {
    if !lines.is_empty() {
        say(lines);
    }
}

/// Asks at the terminal for what nobody is to see.
pub(crate) fn prompt(text: &str) -> Result<String> {
    let terminal = console::Term::stderr();
    terminal.write_str(text)?;
    Ok(terminal.read_secure_line()?)
}

/// Prints a line to stderr, whether or not somebody reads it.
fn say(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// One line that says what goes on; plain lines where there is no terminal.
pub(crate) struct Working(ProgressBar);

impl Working {
    pub(crate) fn start(text: &str) -> Working {
        let working = Working::quiet();
        if working.0.is_hidden() {
            note("", text);
        }
        working.0.set_message(text.to_owned());
        working
    }

    /// Says nothing yet.
    pub(crate) fn quiet() -> Working {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
        bar.set_style(style.expect("the template is sound"));
        bar.enable_steady_tick(TICK);
        Working(bar)
    }

    /// Says what goes on now.
    pub(crate) fn step(&self, verb: &str, text: &str) {
        if self.0.is_hidden() {
            note(verb, text);
        }
        self.0.set_message(format!("{verb} {text}"));
    }

    /// Says what was done; the progress line goes on below.
    pub(crate) fn done(&self, verb: &str, text: &str) {
        self.0.suspend(|| note(verb, text));
    }

    /// Says what deserves a look; the progress line goes on below.
    pub(crate) fn warning(&self, text: &str) {
        self.0.suspend(|| warning(text));
    }

    /// Says what others print, from any thread; the progress line goes on below.
    pub(crate) fn teller(&self) -> impl Fn(&str) + Send + 'static {
        let bar = self.0.clone();
        move |line: &str| bar.suspend(|| say(line))
    }

    /// Shows a build's progress.
    pub(crate) fn build(&self, progress: Progress) {
        match progress {
            Progress::Step(step) => {
                if self.0.is_hidden() {
                    note("Building", &step);
                }
                self.0.set_message(step);
            }
            Progress::Line(line) => self.0.suspend(|| say(&line)),
        }
    }

    /// Shows how far `read` has been read, of so many bytes.
    pub(crate) fn bytes<R: Read>(&self, verb: &'static str, read: R, total: u64) -> Counted<R> {
        let bar = self.0.clone();
        let of = size(total);
        let seen = 0;
        Counted {
            read,
            bar,
            verb,
            seen,
            of,
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A reader that shows how far it is.
pub(crate) struct Counted<R> {
    read: R,
    bar: ProgressBar,
    verb: &'static str,
    seen: u64,
    of: String,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.read.read(buffer)?;
        self.seen += count as u64;
        self.bar
            .set_message(format!("{} {} of {}", self.verb, size(self.seen), self.of));
        Ok(count)
    }
}
