//! What people see beside logs: errors, warnings, notes, progress. All of it goes to stderr.

use std::time::Duration;

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use slugs::build::Progress;

/// How often the progress line moves.
const TICK: Duration = Duration::from_millis(100);

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();

/// Prints an error and its causes, in one go.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("{RED}error{RED:#}: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Some errors pass their cause's text on as their own.
        if text != last {
            eprintln!("  because: {text}");
        }
        last = text;
    }
}

/// Prints something that deserves a look.
pub(crate) fn warning(text: &str) {
    eprintln!("{YELLOW}warning{YELLOW:#}: {text}");
}

/// Prints what was done.
pub(crate) fn note(verb: &str, text: &str) {
    eprintln!("{GREEN}{verb:>12}{GREEN:#} {text}");
}

/// One line that says what goes on; plain lines where there is no terminal.
pub(crate) struct Working(ProgressBar);

impl Working {
    pub(crate) fn start(text: &str) -> Working {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
        bar.set_style(style.expect("the template is sound"));
        if bar.is_hidden() {
            note("", text);
        }
        bar.set_message(text.to_owned());
        bar.enable_steady_tick(TICK);
        Working(bar)
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
            Progress::Line(line) => self.0.suspend(|| eprintln!("{line}")),
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A size in bytes for people: `1.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1_000.0, next);
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1_000, 135_433, 1_400_000, 2_000_000_000];
        let texts = sizes.map(super::size);
        assert_eq!(
            texts,
            ["0 B", "999 B", "1.0 kB", "135.4 kB", "1.4 MB", "2.0 GB"]
        );
    }
}
