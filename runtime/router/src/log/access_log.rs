//! One log line a request.
//!
//! Owns the line's fields and how they are written, so that nothing a client sends can forge a field or a line.
//! Must not know where lines go.

use grid::name::{AppName, DynoId};
use grid::protocol::Refusal;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Takes each record as its request ends. It runs on the request path, so it must not wait. The record shares memory
/// with what was read from the client: keep the line, not the record.
pub type Sink = Arc<dyn Fn(&Record) + Send + Sync>;

/// What is known of a request when its last byte has left.
///
/// `Display` writes the message of the log line, from `at=` on, without time and source: these are `at` and
/// `dyno[router]`.
#[derive(Clone, Debug)]
pub struct Record {
    /// When the last byte left.
    pub at: SystemTime,
    /// Whose log stream it is in; none for a host that no app has, or a request that could not be read.
    pub app: Option<AppName>,
    /// Why there was no answer from the app.
    pub code: Option<Refusal>,
    /// More of the why, for some codes.
    pub cause: Option<&'static str>,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Option<PathAndQuery>,
    /// As the client wrote it.
    pub host: Option<HeaderValue>,
    /// The id.
    pub request_id: HeaderValue,
    /// The addresses it came through.
    pub fwd: HeaderValue,
    /// Who served it.
    pub dyno: Option<DynoId>,
    /// How many requests were waiting when it came.
    pub queue: u32,
    /// How long it waited for a dyno.
    pub wait: Duration,
    /// How long the connection to a server dyno took to make; nothing, if one was kept.
    pub connect: Duration,
    /// How long a dyno had it.
    pub service: Duration,
    /// The status of the answer, or of the failure that cut it short.
    pub status: u16,
    /// Bytes of the response's body.
    pub bytes: u64,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// Whether the client's connection was encrypted.
    pub tls: bool,
}

/// A value is cut after this many bytes as written, so that a line stays within the 10,000 of the log stream.
const VALUE_MAX: usize = 2_000;

/// Bytes that a line has room for before it grows: a short path and no code take some 200.
const LINE_TYPICAL: usize = 256;

impl Record {
    /// The message, in memory of its own.
    pub fn line(&self) -> String {
        let mut line = String::with_capacity(LINE_TYPICAL);
        self.write(&mut line);
        line
    }

    /// Appends the message. One is written for every request, so that nothing here goes through `format!`.
    pub fn write(&self, out: &mut String) {
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
        bare(out, self.method.as_str().as_bytes());
        out.push_str(" path=");
        let path = self.path.as_ref().map_or("/", |path| path.as_str());
        quoted(out, path.as_bytes());
        out.push_str(" host=");
        let host = self.host.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        bare(out, host);
        out.push_str(" request_id=");
        bare(out, self.request_id.as_bytes());
        out.push_str(" fwd=");
        quoted(out, self.fwd.as_bytes());
        out.push_str(" dyno=");
        if let Some(dyno) = &self.dyno {
            out.push_str(dyno.process.as_str());
            out.push('.');
            number(out, dyno.index.into());
        }
        self.write_figures(out);
    }

    fn write_figures(&self, out: &mut String) {
        out.push_str(" queue=");
        number(out, self.queue.into());
        out.push_str(" wait=");
        number(out, millis(self.wait));
        out.push_str("ms connect=");
        number(out, millis(self.connect));
        out.push_str("ms service=");
        number(out, millis(self.service));
        out.push_str("ms status=");
        number(out, self.status.into());
        out.push_str(" bytes=");
        number(out, self.bytes);
        out.push_str(match self.version {
            Version::HTTP_2 => " protocol=http2",
            Version::HTTP_10 => " protocol=http1.0",
            _ => " protocol=http1.1",
        });
        out.push_str(if self.tls { " tls=true" } else { " tls=false" });
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

fn number(out: &mut String, number: u64) {
    out.push_str(itoa::Buffer::new().format(number));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The bytes of a value that needs no quotes.
const BARE: [bool; 256] = {
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

/// A value without quotes if it needs none.
fn bare(out: &mut String, value: &[u8]) {
    let plain = |b: &u8| BARE[usize::from(*b)];
    match std::str::from_utf8(value) {
        Ok(text) if text.len() <= VALUE_MAX && value.iter().all(plain) => out.push_str(text),
        _ => quoted(out, value),
    }
}

/// A value in quotes: `"` and `\` escaped, and every byte that is not printable ASCII written as `\xNN`, since
/// other scripts and escape sequences can change how the rest of a line is shown.
fn quoted(out: &mut String, value: &[u8]) {
    let harmless = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
    out.push('"');
    match std::str::from_utf8(value) {
        Ok(text) if text.len() < VALUE_MAX && value.iter().all(harmless) => out.push_str(text),
        _ => escaped(out, value),
    }
    out.push('"');
}

fn escaped(out: &mut String, value: &[u8]) {
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
