//! Lines on standard output, each dyno in a colour of its own.
//!
//! Owns the look of a line. Must not know where lines come from.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anstyle::Style;
use control::logs::{AppLogSource, timestamp};

use super::Line;
use crate::term::{colours, sgr};

/// Bytes that are gathered before they are written.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Standard output, with what is not yet written.
pub(super) struct Terminal {
    colours: bool,
    clock: Clock,
    batch: String,
}

impl Terminal {
    pub(super) fn stdout() -> Terminal {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Terminal::new(choice != anstream::ColorChoice::Never)
    }

    fn new(colours: bool) -> Terminal {
        Terminal {
            colours,
            clock: Clock::default(),
            batch: String::with_capacity(BATCH_BYTES_MAX),
        }
    }

    pub(super) fn line(&mut self, line: &Line) {
        self.render(line);
        if self.batch.len() >= BATCH_BYTES_MAX {
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        // Nobody to read it is no reason to stop the app.
        let _ = std::io::stdout().write_all(self.batch.as_bytes());
        self.batch.clear();
    }

    /// `TIMESTAMP SOURCE[DYNO]: TEXT`, the part before the text in the dyno's colour.
    fn render(&mut self, line: &Line) {
        let out = &mut self.batch;
        let (at, source) = (self.clock.text(line.at), &line.source);
        let head = if self.colours {
            let style = style(source);
            write!(out, "{style}{at} {source}:{style:#} ")
        } else {
            out.push_str(at);
            write!(out, " {source}: ")
        };
        head.expect("a String takes all");
        match (source, self.colours) {
            (AppLogSource::App(_), true) => out.push_str(&sgr::with_colours(&line.text)),
            (AppLogSource::App(_), false) => out.push_str(&sgr::without_colours(&line.text)),
            // Others quote what strangers sent.
            _ => out.push_str(&line.text),
        }
        out.push('\n');
    }
}

/// The last timestamp as text: most lines are of the same second as the one before.
#[derive(Default)]
struct Clock {
    second: Option<u64>,
    text: String,
}

/// Where the microseconds are in a timestamp.
const MICROS: std::ops::Range<usize> = 20..26;

impl Clock {
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
            self.text = timestamp(at);
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
        let mut terminal = Terminal::new(false);
        for micros in micros {
            terminal.render(&Line {
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
    fn times_are_the_same_however_many_lines_came_before() {
        let at =
            [0, 7, 999_999, 1_000_000, 1_000_010, 61_000_000, 2].map(|t| SECONDS * 1_000_000 + t);
        let alone: String = at.iter().map(|at| rendered(&[*at])).collect();
        assert_eq!(rendered(&at), alone);
    }
}
