//! Log lines on standard output, each dyno in a colour of its own.
//!
//! Owns the look of a line. Must not know where lines come from.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anstyle::Style;
use node::{AppLogSource, NodeLogLine, NodeLogWriter, format_timestamp};

use super::{colours, sgr};

/// Bytes that are gathered before they are written.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Standard output, with lines that are not written yet.
pub(crate) struct TerminalLog {
    has_colours: bool,
    timestamps: TimestampCache,
    batch: String,
}

impl TerminalLog {
    /// A log on standard output, in colour if that is a terminal.
    pub(crate) fn stdout() -> TerminalLog {
        let choice = anstream::AutoStream::choice(&io::stdout());
        TerminalLog::new(choice != anstream::ColorChoice::Never)
    }

    fn new(has_colours: bool) -> TerminalLog {
        TerminalLog {
            has_colours,
            timestamps: TimestampCache::default(),
            batch: String::with_capacity(BATCH_BYTES_MAX),
        }
    }

    fn write_batch(&mut self) {
        // A closed output is no reason to stop the app.
        let _ = io::stdout().write_all(self.batch.as_bytes());
        self.batch.clear();
    }

    /// `TIMESTAMP SOURCE[DYNO]: TEXT`, the part before the text in the dyno's colour.
    fn render(&mut self, line: &NodeLogLine) {
        let out = &mut self.batch;
        let (at, source) = (self.timestamps.text(line.at), &line.source);
        let head = if self.has_colours {
            let style = style(source);
            write!(out, "{style}{at} {source}:{style:#} ")
        } else {
            out.push_str(at);
            write!(out, " {source}: ")
        };
        head.expect("a String takes all");
        match (source, self.has_colours) {
            (AppLogSource::App(_), true) => out.push_str(&sgr::with_colours(&line.text)),
            (AppLogSource::App(_), false) => out.push_str(&sgr::without_colours(&line.text)),
            // The lines of other sources quote what clients sent, and are shown as they are.
            _ => out.push_str(&line.text),
        }
        out.push('\n');
    }
}

impl NodeLogWriter for TerminalLog {
    fn write_line(&mut self, line: NodeLogLine) {
        self.render(&line);
        if self.batch.len() >= BATCH_BYTES_MAX {
            self.write_batch();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_batch();
        Ok(())
    }
}

/// The last timestamp as text. Most lines are of the same second as the line before, so that only digits change.
#[derive(Default)]
struct TimestampCache {
    second: Option<u64>,
    text: String,
}

/// The place of the microseconds in a timestamp.
const MICROS: std::ops::Range<usize> = 20..26;

impl TimestampCache {
    fn text(&mut self, at: SystemTime) -> &str {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second == Some(since.as_secs()) {
            let mut digits = [b'0'; 6];
            let mut rest = since.subsec_micros();
            for digit in digits.iter_mut().rev() {
                *digit += u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
            let digits = std::str::from_utf8(&digits).unwrap_or_default();
            self.text.replace_range(MICROS, digits);
        } else {
            self.second = Some(since.as_secs());
            self.text = format_timestamp(at);
        }
        &self.text
    }
}

fn style(source: &AppLogSource) -> Style {
    match source.dyno() {
        Some(dyno) => colours::of_dyno(dyno.process.as_str(), dyno.index),
        None => colours::of_the_rest(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECONDS: u64 = 1_795_000_000;

    fn rendered(micros: &[u64]) -> String {
        let mut terminal = TerminalLog::new(false);
        for micros in micros {
            terminal.render(&NodeLogLine {
                at: UNIX_EPOCH + Duration::from_micros(*micros),
                app: None,
                source: AppLogSource::App("web.1".parse().expect("an id")),
                text: "hello".into(),
            });
        }
        terminal.batch
    }

    #[test]
    fn a_line_has_the_documented_form() {
        let text = rendered(&[SECONDS * 1_000_000 + 123_456]);
        assert_eq!(text, "2026-11-18T11:06:40.123456+00:00 app[web.1]: hello\n");
    }

    #[test]
    fn times_do_not_depend_on_earlier_lines() {
        let at =
            [0, 7, 999_999, 1_000_000, 1_000_010, 61_000_000, 2].map(|t| SECONDS * 1_000_000 + t);
        let alone: String = at.iter().map(|at| rendered(&[*at])).collect();
        assert_eq!(rendered(&at), alone);
    }
}
