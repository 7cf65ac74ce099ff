//! One log line a request.
//!
//! Owns the line's fields and how they are written, so that nothing a client sends can forge a field or a line.
//! Must not know where lines go.

use grid::name::{AppName, DynoId};
use grid::routing::Refusal;
use http::{HeaderValue, Method, Uri, Version};
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Takes each record as its request ends. It runs on the request path: hand the record on, format it elsewhere.
pub type Sink = Arc<dyn Fn(Record) + Send + Sync>;

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
    pub path: Uri,
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

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at={}", self.code.map_or("info", Refusal::level))?;
        if let Some(code) = self.code {
            write!(f, " code={} desc=\"{}\"", code.code(), code.desc())?;
        }
        if let Some(cause) = self.cause {
            write!(f, " cause={cause}")?;
        }
        write!(f, " method={}", Bare(self.method.as_str().as_bytes()))?;
        let path = self.path.path_and_query().map_or("", |path| path.as_str());
        write!(f, " path={}", Quoted(path.as_bytes()))?;
        let host = self.host.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        write!(f, " host={}", Bare(host))?;
        write!(f, " request_id={}", Bare(self.request_id.as_bytes()))?;
        write!(f, " fwd={} dyno=", Quoted(self.fwd.as_bytes()))?;
        if let Some(dyno) = &self.dyno {
            write!(f, "{dyno}")?;
        }
        write!(f, " queue={} wait={}ms", self.queue, self.wait.as_millis())?;
        write!(f, " connect=0ms service={}ms", self.service.as_millis())?;
        write!(f, " status={} bytes={}", self.status, self.bytes)?;
        let protocol = match self.version {
            Version::HTTP_2 => "http2",
            Version::HTTP_10 => "http1.0",
            _ => "http1.1",
        };
        write!(f, " protocol={protocol} tls={}", self.tls)
    }
}

/// A value without quotes if it needs none.
struct Bare<'a>(&'a [u8]);

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:[]+/~@".contains(b);
        let text = std::str::from_utf8(self.0).ok();
        match text.filter(|t| t.len() <= VALUE_MAX && t.bytes().all(|b| plain(&b))) {
            Some(text) => f.write_str(text),
            None => Quoted(self.0).fmt(f),
        }
    }
}

/// A value in quotes: `"` and `\` escaped, and every byte that is not printable ASCII written as `\xNN`, since
/// other scripts and escape sequences can change how the rest of a line is shown.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut room = VALUE_MAX;
        for &byte in self.0 {
            room = room.saturating_sub(if matches!(byte, b' '..=b'~') { 1 } else { 4 });
            if room == 0 {
                f.write_str("...")?;
                break;
            }
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_char('"')
    }
}
