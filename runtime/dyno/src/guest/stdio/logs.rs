//! The log of one dyno: what the guest prints, and what the platform reports about the dyno.
//!
//! Lines are split, cleaned and attributed here, so that no guest can write a line that looks like the line of
//! another source. Where lines go, and how many are kept, is up to the sink.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use grid::fault::Fault;
use grid::name::{AppName, DynoId};
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest line of a log, in bytes. Longer lines are split, as on Heroku.
pub const LINE_BYTES_MAX: usize = 10_000;

/// The most bytes that a guest's stdout takes in one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// The source of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// The app itself: `app[web.1]`.
    App(DynoId),
    /// The platform, about a dyno: `dyno[web.1]`.
    Dyno(DynoId),
}

/// One line of an app's log, without its time and its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The app whose log gets the line.
    pub app: AppName,
    /// The source of the line.
    pub source: LogSource,
    /// Printable text: control characters are escaped. At most [`LINE_BYTES_MAX`] bytes before escaping.
    pub text: String,
}

/// Takes lines. A sink must neither block nor fail: it drops and counts lines for which it has no room.
pub type LogSink = Arc<dyn Fn(LogLine) + Send + Sync>;

/// Writes log lines for one dyno.
#[derive(Clone)]
pub(crate) struct DynoLog {
    pub(crate) app: AppName,
    pub(crate) dyno: DynoId,
    pub(crate) sink: LogSink,
}

impl DynoLog {
    fn write_line(&self, source: LogSource, text: String) {
        (self.sink)(LogLine {
            app: self.app.clone(),
            source,
            text,
        });
    }

    /// Writes a line of the app.
    fn write_app_line(&self, line: &[u8]) {
        self.write_line(LogSource::App(self.dyno.clone()), escape_unprintable(line));
    }

    /// Writes a line of the platform about this dyno.
    pub(crate) fn write_platform_line(&self, text: &str) {
        self.write_line(
            LogSource::Dyno(self.dyno.clone()),
            escape_unprintable(text.as_bytes()),
        );
    }

    /// Writes a platform error, such as `Error R14 (Memory quota exceeded) -> detail`.
    pub(crate) fn write_fault(&self, fault: Fault, detail: &str) {
        self.write_platform_line(&format!(
            "Error {} ({}) -> {detail}",
            fault.code(),
            fault.desc()
        ));
    }
}

/// Makes text safe to show: characters that could move a terminal's cursor, end a line or hide text are escaped.
pub(crate) fn escape_unprintable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let plain = |c: char| c == '\t' || !(c.is_control() || is_invisible_format(c));
    if text.chars().all(plain) {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if plain(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// Whether a character is invisible and reorders or breaks lines in a terminal or a browser.
fn is_invisible_format(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}') || grid::text::is_bidi_control(c)
}

/// Stdout or stderr of a guest, written to the log line by line.
#[derive(Clone)]
pub(crate) struct LogWriter {
    dyno_log: DynoLog,
    partial: Arc<Mutex<Vec<u8>>>,
}

impl LogWriter {
    pub(crate) fn new(dyno_log: DynoLog) -> LogWriter {
        LogWriter {
            dyno_log,
            partial: Arc::default(),
        }
    }

    fn write_bytes(&self, mut bytes: &[u8]) {
        let mut partial = self.partial.lock();
        while !bytes.is_empty() {
            let room = LINE_BYTES_MAX - partial.len();
            let newline = bytes.iter().take(room + 1).position(|byte| *byte == b'\n');
            let (text, skip, ends) = match newline {
                Some(at) => (at, at + 1, true),
                None if bytes.len() >= room => (room, room, true),
                None => (bytes.len(), bytes.len(), false),
            };
            if partial.is_empty() && ends {
                self.dyno_log
                    .write_app_line(trim_carriage_return(&bytes[..text]));
            } else {
                partial.extend_from_slice(&bytes[..text]);
            }
            if ends && !partial.is_empty() {
                self.dyno_log.write_app_line(trim_carriage_return(&partial));
                partial.clear();
            }
            bytes = &bytes[skip..];
        }
    }

    /// Writes out text that was printed without a newline at its end.
    pub(crate) fn flush_partial(&self) {
        let mut partial = self.partial.lock();
        if !partial.is_empty() {
            self.dyno_log.write_app_line(trim_carriage_return(&partial));
            partial.clear();
        }
    }
}

fn trim_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl IsTerminal for LogWriter {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogWriter {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_bytes(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogWriter {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LogWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.write_bytes(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(writes: &[&[u8]]) -> Vec<String> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let pipe = LogWriter::new(DynoLog {
            app: "demo".parse().expect("a name"),
            dyno: "web.1".parse().expect("an id"),
            sink: Arc::new(move |line| sink.lock().push(line.text)),
        });
        for write in writes {
            pipe.write_bytes(write);
        }
        pipe.flush_partial();
        drop(pipe);
        Arc::into_inner(seen)
            .map(|lines| lines.into_inner())
            .expect("the pipe is gone")
    }

    #[test]
    fn writes_become_lines() {
        assert_eq!(lines(&[b"a\nb", b"c\r\n\nd"]), ["a", "bc", "", "d"]);
        assert_eq!(lines(&[b"\n"]), [""]);
    }

    #[test]
    fn long_lines_are_split() {
        let long = [b'x'; LINE_BYTES_MAX * 2 + 5];
        let lens: Vec<usize> = lines(&[&long, b"\n"]).iter().map(String::len).collect();
        assert_eq!(lens, [LINE_BYTES_MAX, LINE_BYTES_MAX, 5]);
        let exact = [&[b'y'; LINE_BYTES_MAX][..], b"\nz\n"].concat();
        assert_eq!(lines(&[&exact])[1], "z");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            lines(&[b"\x1b[2Jred\x07\tok\n"]),
            ["\\u{1b}[2Jred\\u{7}\tok"]
        );
        assert_eq!(
            lines(&["a\u{202e}b\u{2028}c\u{61c}d\u{2069}é\n".as_bytes()]),
            ["a\\u{202e}b\\u{2028}c\\u{61c}d\\u{2069}é"]
        );
        assert_eq!(
            lines(&[b"2026 dyno[router]: at=info\rX\n"]),
            ["2026 dyno[router]: at=info\\rX"]
        );
    }
}
