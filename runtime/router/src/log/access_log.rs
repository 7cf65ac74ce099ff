//! The access log: one line for each request.
//!
//! Owns the fields of a line and their form, so that nothing a client sends can forge a field or a line. Must not know
//! where lines go, nor when a line is written: `shared::access_entry` does.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use grid::name::{AppName, DynoId};
use grid::protocol::Refusal;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version};

/// Takes each record when its request ends.
///
/// It runs on the request path, so it must not wait. The record shares memory with what was read from the client: keep
/// the line, not the record.
pub type AccessLogSink = Arc<dyn Fn(&AccessRecord) + Send + Sync>;

/// The data about a request when its last byte has left.
///
/// `Display` writes the message of the log line, from `at=` on. The time and the source are not part of the message:
/// these are `at` and `dyno[router]`.
#[derive(Clone, Debug)]
pub struct AccessRecord {
    /// When the last byte left.
    pub at: SystemTime,
    /// The app whose log has the line. `None`: no app has the host, or the request could not be read.
    pub app: Option<AppName>,
    /// Why the app did not answer.
    pub code: Option<Refusal>,
    /// Detail of `code`, for some codes.
    pub cause: Option<&'static str>,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Option<PathAndQuery>,
    /// The host as the client wrote it.
    pub host: Option<HeaderValue>,
    /// The id.
    pub request_id: HeaderValue,
    /// The addresses that the request came through.
    pub fwd: HeaderValue,
    /// The dyno that served the request.
    pub dyno: Option<DynoId>,
    /// How many requests were waiting when this one arrived.
    pub queue: u32,
    /// How long the request waited for a dyno.
    pub wait: Duration,
    /// How long connecting to a server dyno took; zero if a connection was kept.
    pub connect: Duration,
    /// How long a dyno had the request.
    pub service: Duration,
    /// The status of the response, or of the failure that cut it short.
    pub status: u16,
    /// Bytes of the response's body.
    pub bytes: u64,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// Whether the client's connection was encrypted.
    pub tls: bool,
}

/// Written values are cut to this length (bytes), so that a line stays within the 10,000 bytes of the log stream.
const VALUE_MAX: usize = 2_000;

/// Memory for a new line (bytes): a line with a short path and no code takes about 200.
const LINE_TYPICAL: usize = 256;

impl AccessRecord {
    /// The message of the log line.
    pub fn line(&self) -> String {
        let mut line = String::with_capacity(LINE_TYPICAL);
        self.append_to(&mut line);
        line
    }

    /// Appends the message of the log line. It does not use `format!`, since one line is written for every request.
    pub fn append_to(&self, out: &mut String) {
        out.push_str("at=");
        out.push_str(self.code.map_or("info", Refusal::level));
        if let Some(code) = self.code {
            out.push_str(" code=");
            out.push_str(code.code());
            out.push_str(" desc=\"");
            out.push_str(code.desc());
            out.push('"');
        }
        if let Some(cause) = self.cause {
            out.push_str(" cause=");
            out.push_str(cause);
        }
        out.push_str(" method=");
        append_bare(out, self.method.as_str().as_bytes());
        out.push_str(" path=");
        let path = self.path.as_ref().map_or("/", |path| path.as_str());
        append_quoted(out, path.as_bytes());
        out.push_str(" host=");
        let host = self.host.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        append_bare(out, host);
        out.push_str(" request_id=");
        append_bare(out, self.request_id.as_bytes());
        out.push_str(" fwd=");
        append_quoted(out, self.fwd.as_bytes());
        out.push_str(" dyno=");
        if let Some(dyno) = &self.dyno {
            out.push_str(dyno.process.as_str());
            out.push('.');
            append_number(out, dyno.index.into());
        }
        self.append_figures(out);
    }

    fn append_figures(&self, out: &mut String) {
        out.push_str(" queue=");
        append_number(out, self.queue.into());
        out.push_str(" wait=");
        append_number(out, millis(self.wait));
        out.push_str("ms connect=");
        append_number(out, millis(self.connect));
        out.push_str("ms service=");
        append_number(out, millis(self.service));
        out.push_str("ms status=");
        append_number(out, self.status.into());
        out.push_str(" bytes=");
        append_number(out, self.bytes);
        out.push_str(match self.version {
            Version::HTTP_2 => " protocol=http2",
            Version::HTTP_10 => " protocol=http1.0",
            _ => " protocol=http1.1",
        });
        out.push_str(if self.tls { " tls=true" } else { " tls=false" });
    }
}

impl fmt::Display for AccessRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

/// The method of a request whose head could not be read.
pub(crate) fn unread_method() -> Method {
    Method::from_bytes(b"-").expect("a dash is a token")
}

fn append_number(out: &mut String, number: u64) {
    out.push_str(itoa::Buffer::new().format(number));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The bytes that need no quotes.
const BARE_BYTES: [bool; 256] = {
    let mut bare = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        bare[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-_.:[]+/~@";
    let mut at = 0;
    while at < others.len() {
        bare[others[at] as usize] = true;
        at += 1;
    }
    bare
};

/// Appends a value, without quotes if it needs none.
fn append_bare(out: &mut String, value: &[u8]) {
    let is_bare = |byte: &u8| BARE_BYTES[usize::from(*byte)];
    match std::str::from_utf8(value) {
        Ok(text) if text.len() <= VALUE_MAX && value.iter().all(is_bare) => out.push_str(text),
        _ => append_quoted(out, value),
    }
}

/// Appends a value in quotes. `"` and `\` are escaped, and every byte that is not printable ASCII is written as `\xNN`:
/// other scripts and escape sequences can change how the rest of a line is shown.
fn append_quoted(out: &mut String, value: &[u8]) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    out.push('"');
    match std::str::from_utf8(value) {
        Ok(text) if text.len() < VALUE_MAX && value.iter().all(is_plain) => out.push_str(text),
        _ => append_escaped(out, value),
    }
    out.push('"');
}

fn append_escaped(out: &mut String, value: &[u8]) {
    let mut room = VALUE_MAX;
    for &byte in value {
        room = room.saturating_sub(if matches!(byte, b' '..=b'~') { 1 } else { 4 });
        if room == 0 {
            return out.push_str("...");
        }
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('?');
                out.extend(['\\', 'x', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}
