//! Lines on standard output, each dyno in a colour of its own.
//!
//! Owns the look of a line. Must not know where lines come from.

use std::io::Write;
use std::time::SystemTime;

use anstyle::Style;
use control::logs::Source;

use super::{Line, Text};
use crate::term::colours;

/// Bytes that are gathered before they are written.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Standard output, with what is not yet written.
pub(super) struct Terminal {
    colours: bool,
    batch: Vec<u8>,
}

impl Terminal {
    pub(super) fn stdout() -> Terminal {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Terminal {
            colours: choice != anstream::ColorChoice::Never,
            batch: Vec::with_capacity(BATCH_BYTES_MAX),
        }
    }

    pub(super) fn line(&mut self, line: &Line) {
        render(&mut self.batch, line, self.colours);
        if self.batch.len() >= BATCH_BYTES_MAX {
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        // Nobody to read it is no reason to stop the app.
        let _ = std::io::stdout().write_all(&self.batch);
        self.batch.clear();
    }
}

/// `TIMESTAMP SOURCE[DYNO]: TEXT`, the part before the text in the dyno's colour.
fn render(out: &mut Vec<u8>, line: &Line, colours: bool) {
    let style = if colours {
        style(&line.source)
    } else {
        Style::new()
    };
    let (at, source) = (timestamp(line.at), &line.source);
    let done = write!(out, "{style}{at} {source}:{style:#} ");
    let done = done.and_then(|()| match &line.text {
        Text::Plain(text) => writeln!(out, "{text}"),
        Text::Request(record) => writeln!(out, "{record}"),
    });
    done.expect("a Vec takes all");
}

/// RFC 3339 with microseconds and offset.
fn timestamp(at: SystemTime) -> String {
    let mut text = humantime::format_rfc3339_micros(at).to_string();
    text.truncate(text.len() - 1);
    text + "+00:00"
}

fn style(source: &Source) -> Style {
    match source.dyno() {
        Some(dyno) => colours::of_dyno(dyno.process.as_str(), dyno.index),
        None => colours::of_the_rest(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_has_the_documented_form() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_000_000_123_456);
        let line = Line {
            at,
            app: None,
            source: Source::App("web.1".parse().expect("an id")),
            text: Text::Plain("hello".into()),
        };
        let mut out = Vec::new();
        render(&mut out, &line, false);
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "2026-11-18T11:06:40.123456+00:00 app[web.1]: hello\n");
    }
}
