//! One line of an app's log.
//!
//! Owns the documented form, `TIMESTAMP SOURCE[DYNO]: TEXT`. Must not know where lines are stored.

use crate::log_event::{EventSource, LogEvent};
use grid::name::DynoId;
use std::fmt;
use std::time::SystemTime;

/// Maximum length of a text in bytes: enough for a guest's line of 10,000 bytes after escaping.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The source of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppLogSource {
    /// The app itself: `app[web.1]`.
    App(DynoId),
    /// The platform, about a dyno: `dyno[web.1]`.
    Dyno(DynoId),
    /// The router, one line a request: `dyno[router]`.
    Router,
    /// A user's command, or its result: `dyno[api]`.
    Api,
}

impl AppLogSource {
    /// The dyno that the line is from or about.
    pub fn dyno(&self) -> Option<&DynoId> {
        match self {
            AppLogSource::App(dyno) | AppLogSource::Dyno(dyno) => Some(dyno),
            AppLogSource::Router | AppLogSource::Api => None,
        }
    }
}

impl fmt::Display for AppLogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppLogSource::App(dyno) => write!(f, "app[{dyno}]"),
            AppLogSource::Dyno(dyno) => write!(f, "dyno[{dyno}]"),
            AppLogSource::Router => f.write_str("dyno[router]"),
            AppLogSource::Api => f.write_str("dyno[api]"),
        }
    }
}

/// One line of an app's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppLogLine {
    /// Time of the line, by the wall clock.
    pub at: SystemTime,
    /// The source.
    pub source: AppLogSource,
    /// The text: printable, without a line end.
    pub text: String,
}

impl AppLogLine {
    /// The line for an event of the control plane.
    pub fn from_event(event: LogEvent, at: SystemTime) -> Self {
        let source = match event.source {
            EventSource::Api => AppLogSource::Api,
            EventSource::Dyno(dyno) => AppLogSource::Dyno(dyno),
        };
        AppLogLine {
            at,
            source,
            text: event.text,
        }
    }

    /// Cuts a text that is too long, and escapes characters that could imitate another line or control a terminal.
    pub(super) fn escape_controls(mut self) -> Self {
        if self.text.len() > LINE_BYTES_MAX {
            self.text
                .truncate(self.text.floor_char_boundary(LINE_BYTES_MAX));
        }
        let hostile = |c: char| c != '\t' && grid::text::is_control(c);
        // A quick check by bytes first, since nearly all lines are harmless: C0 controls, DEL, and the first bytes
        // of C1 and bidirectional controls in UTF-8.
        let suspect =
            |byte: u8| (byte < b' ' && byte != b'\t') || matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2);
        if self.text.bytes().any(suspect) {
            let mut clean = String::with_capacity(self.text.len() + 16);
            for c in self.text.chars() {
                if hostile(c) {
                    clean.extend(c.escape_default());
                } else {
                    clean.push(c);
                }
            }
            self.text = clean;
        }
        self
    }
}

/// RFC 3339 in UTC, with microseconds and offset: `2026-11-21T19:09:12.345678+00:00`.
pub fn timestamp(at: SystemTime) -> String {
    let mut text = humantime::format_rfc3339_micros(at).to_string();
    text.truncate(text.len() - 1);
    text + "+00:00"
}

/// `2026-11-21T19:09:12.345678+00:00 app[web.1]: hello`
impl fmt::Display for AppLogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = timestamp(self.at);
        write!(f, "{at} {}: {}", self.source, self.text)
    }
}
