//! Output for people: results on stdout; errors, warnings, notes and progress on stderr.
//!
//! The only place that prints, apart from the output of programs. If the reader of stdout goes away, printing returns
//! [`OutputClosed`], which ends the command without a message. If the reader of stderr goes away, the command goes on.

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
use slugs::build::BuildProgress;

pub(crate) use log_lines::TerminalLog;
pub(crate) use table::{details, table};
pub(crate) use text::{
    clean, format_age, format_count, format_moment, format_size, format_span, short_slug_id,
};

/// How often the progress line moves.
const TICK: Duration = Duration::from_millis(100);

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();

/// The reader of stdout has gone away, as after `dyno … | head`.
#[derive(Debug)]
pub(crate) struct OutputClosed;

impl std::fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the output was closed")
    }
}

impl std::error::Error for OutputClosed {}

/// Whether an error comes from a reader of stdout that has gone away.
pub(crate) fn is_closed_output(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<OutputClosed>())
}

/// A program ended with this exit code, which becomes the command's own. Its message is printed already.
#[derive(Debug)]
pub(crate) struct ProgramExit(pub(crate) u8);

impl std::fmt::Display for ProgramExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the program ended with exit code {}", self.0)
    }
}

impl std::error::Error for ProgramExit {}

/// Prints a result, and ends its last line.
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

/// Prints a result as JSON, for programs.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

fn closed(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => OutputClosed.into(),
        _ => anyhow::Error::new(error).context("cannot write the output"),
    }
}

/// Prints an error and its causes, in one write.
pub(crate) fn print_error(error: &anyhow::Error) {
    let texts = error_texts(error.as_ref());
    let texts = texts.join("\n  because: ");
    say(&format!("{RED}error{RED:#}: {texts}"));
}

/// Prints an error as JSON, for programs: one line on stderr, since stdout is for results.
pub(crate) fn print_json_error(error: &serde_json::Value) {
    say(&error.to_string());
}

/// Prints a warning.
pub(crate) fn print_warning(text: &str) {
    say(&format!("{YELLOW}warning{YELLOW:#}: {text}"));
}

/// Prints what was done: a verb and its object.
pub(crate) fn print_note(verb: &str, text: &str) {
    say(&format!("{GREEN}{verb:>12}{GREEN:#} {text}"));
}

/// Prints lines as they are, such as those of a log that explain the next message.
pub(crate) fn print_lines(lines: &str) {
    if !lines.is_empty() {
        say(lines);
    }
}

/// Asks for a secret at the terminal, without showing it.
pub(crate) fn prompt(text: &str) -> Result<String> {
    let terminal = console::Term::stderr();
    terminal.write_str(text)?;
    Ok(terminal.read_secure_line()?)
}

/// Prints a line to stderr. A failure is ignored.
fn say(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// A progress line on a terminal; plain lines elsewhere.
pub(crate) struct ProgressLine(ProgressBar);

impl ProgressLine {
    pub(crate) fn start(text: &str) -> ProgressLine {
        let progress = ProgressLine::new();
        if progress.0.is_hidden() {
            print_note("", text);
        }
        progress.0.set_message(text.to_owned());
        progress
    }

    /// A progress line without a text.
    pub(crate) fn new() -> ProgressLine {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
        bar.set_style(style.expect("the template is sound"));
        bar.enable_steady_tick(TICK);
        ProgressLine(bar)
    }

    /// Shows the step that has begun.
    pub(crate) fn show_step(&self, verb: &str, text: &str) {
        if self.0.is_hidden() {
            print_note(verb, text);
        }
        self.0.set_message(format!("{verb} {text}"));
    }

    /// Prints what was done, above the progress line.
    pub(crate) fn print_done(&self, verb: &str, text: &str) {
        self.0.suspend(|| print_note(verb, text));
    }

    /// Prints a warning, above the progress line.
    pub(crate) fn print_warning(&self, text: &str) {
        self.0.suspend(|| print_warning(text));
    }

    /// A function that prints lines above the progress line, from any thread.
    pub(crate) fn line_printer(&self) -> impl Fn(&str) + Send + 'static {
        let bar = self.0.clone();
        move |line: &str| bar.suspend(|| say(line))
    }

    /// Shows an event of a build.
    pub(crate) fn show_build_event(&self, progress: BuildProgress) {
        match progress {
            BuildProgress::Step(step) => {
                if self.0.is_hidden() {
                    print_note("Building", &step);
                }
                self.0.set_message(step);
            }
            BuildProgress::Line(line) => self.0.suspend(|| say(&line)),
        }
    }

    /// A reader that shows how many of its `total` bytes were read.
    pub(crate) fn count_bytes<R: Read>(
        &self,
        verb: &'static str,
        read: R,
        total: u64,
    ) -> CountedReader<R> {
        let bar = self.0.clone();
        let of = format_size(total);
        let seen = 0;
        CountedReader {
            read,
            bar,
            verb,
            seen,
            of,
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A reader that shows how many bytes were read.
pub(crate) struct CountedReader<R> {
    read: R,
    bar: ProgressBar,
    verb: &'static str,
    seen: u64,
    of: String,
}

impl<R: Read> Read for CountedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.read.read(buffer)?;
        self.seen += count as u64;
        self.bar.set_message(format!(
            "{} {} of {}",
            self.verb,
            format_size(self.seen),
            self.of
        ));
        Ok(count)
    }
}
