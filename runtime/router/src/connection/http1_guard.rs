//! Checks the raw bytes of HTTP/1 requests as they arrive.
//!
//! Owns the checks that the HTTP layer does not make, or whose cause it hides: hyper accepts a bare LF as a line end, and
//! silently drops a Content-Length beside a Transfer-Encoding, so that later code cannot reject the request. Owns the
//! limits for lines and heads as well. Must not know what a request means.
//!
//! To find the heads, the guard follows the framing of the bodies, by rules stricter than hyper's: bytes that pass have
//! one reading only, so the guard and hyper cannot disagree on where a request begins. Nothing after a violation passes.

use http::StatusCode;

use crate::connection::chunk_extension::is_valid_extension_list;
use crate::limits::{HEADER_BLOCK_MAX, HEADER_LINE_MAX, REQUEST_LINE_MAX, RouterLimits};
use crate::shared::rejection::Rejection;

/// The longest line with a chunk's size, extensions included (bytes). No client in use sends extensions.
const CHUNK_LINE_MAX: usize = 256;
/// Hexadecimal digits of a chunk's size: the most that cannot overflow.
const CHUNK_DIGITS_MAX: usize = 15;
/// Digits of a Content-Length: the most that cannot overflow.
const LENGTH_DIGITS_MAX: usize = 18;

/// The part of a request to which the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Http1Position {
    /// Before a request line.
    Between,
    /// In a head, at the start of a line or within one.
    Head,
    /// In a body of known length, with the bytes to come.
    SizedBody(u64),
    /// In the line with a chunk's size.
    ChunkLine,
    /// In a chunk, with the bytes to come, line end included.
    Chunk(u64),
    /// In the trailers.
    Trailers,
    /// After a violation.
    Ended,
}

/// A violation of HTTP/1 or of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http1Violation {
    /// In a head: the client gets this rejection.
    Head(Rejection),
    /// In a body: the body must end as broken.
    Body(&'static str),
}

/// The framing of the body, according to the current head.
#[derive(Clone, Copy, Debug, Default)]
struct BodyFraming {
    length: Option<u64>,
    is_chunked: bool,
    /// The request is HTTP/1.0, which has no transfer codings (RFC 9112, 6.1).
    is_http10: bool,
    /// The request asks to switch protocols.
    is_upgrade: bool,
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub(crate) struct Http1Guard {
    position: Http1Position,
    headers_max: usize,
    /// The part of the current line that came in earlier reads.
    line_start: Vec<u8>,
    /// Bytes of the current head or trailers.
    size: usize,
    /// Lines of the current head or trailers.
    line_count: usize,
    framing: BodyFraming,
    /// How many heads were complete.
    head_count: u64,
    /// The number, from 0, of the last head that asked to switch protocols.
    last_upgrade: Option<u64>,
}

impl Http1Guard {
    pub(crate) fn new(limits: &RouterLimits) -> Self {
        Http1Guard {
            position: Http1Position::Between,
            headers_max: limits.headers_max,
            line_start: Vec::new(),
            size: 0,
            line_count: 0,
            framing: BodyFraming::default(),
            head_count: 0,
            last_upgrade: None,
        }
    }

    /// How many heads were complete, which is the number, from 0, of the next request.
    pub(crate) fn head_count(&self) -> u64 {
        self.head_count
    }

    /// The number, from 0, of the last request that asked to switch protocols: the bytes after it may be no request.
    pub(crate) fn last_upgrade(&self) -> Option<u64> {
        self.last_upgrade
    }

    /// Whether a head has begun and is not complete.
    pub(crate) fn in_head(&self) -> bool {
        self.position == Http1Position::Head
    }

    /// Whether the client has begun a message and not sent all of it.
    pub(crate) fn is_mid_message(&self) -> bool {
        self.position != Http1Position::Between
    }

    /// Checks `bytes`, and returns how many of them come before a head that is not complete.
    ///
    /// # Errors
    /// The violation, and how many bytes come before the head or the line with the violation.
    pub(crate) fn check(&mut self, bytes: &[u8]) -> Result<usize, (usize, Http1Violation)> {
        let (mut at, mut before_head) = (0, 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            let step = match self.position {
                Http1Position::SizedBody(left) => self.skip_body(rest, left),
                Http1Position::Chunk(left) => self.read_chunk(rest, left),
                Http1Position::Ended => return Err((at, Http1Violation::Body("after-violation"))),
                _ => self.read_line_part(rest),
            };
            match step {
                Ok(used) => {
                    at += used;
                    if self.position != Http1Position::Head {
                        before_head = at;
                    }
                }
                Err(cause) => {
                    let in_body = matches!(
                        self.position,
                        Http1Position::ChunkLine
                            | Http1Position::Chunk(_)
                            | Http1Position::Trailers
                    );
                    self.position = Http1Position::Ended;
                    return Err(match in_body {
                        true => (at, Http1Violation::Body(cause)),
                        false => (before_head, Http1Violation::Head(rejection_of(cause))),
                    });
                }
            }
        }
        Ok(before_head)
    }

    fn skip_body(&mut self, rest: &[u8], left: u64) -> Result<usize, &'static str> {
        let used = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.position = match left - used as u64 {
            0 => Http1Position::Between,
            left => Http1Position::SizedBody(left),
        };
        Ok(used)
    }

    /// Reads a chunk's data and the CR LF after it.
    fn read_chunk(&mut self, rest: &[u8], left: u64) -> Result<usize, &'static str> {
        match left {
            0 => unreachable!("a position in a chunk has bytes to come"),
            1 if rest[0] != b'\n' => Err("chunk-end"),
            2 if rest[0] != b'\r' => Err("chunk-end"),
            1 => {
                self.position = Http1Position::ChunkLine;
                Ok(1)
            }
            2 => {
                self.position = Http1Position::Chunk(1);
                Ok(1)
            }
            _ => {
                let data = left - 2;
                let used = rest.len().min(usize::try_from(data).unwrap_or(usize::MAX));
                self.position = Http1Position::Chunk(left - used as u64);
                Ok(used)
            }
        }
    }

    /// Reads one line, or the part of it that has arrived.
    fn read_line_part(&mut self, rest: &[u8]) -> Result<usize, &'static str> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(rest.len(), |end| end + 1);
        self.check_limits(used)?;
        if end.is_none() {
            if self.position == Http1Position::Between {
                self.position = Http1Position::Head;
            }
            self.line_start.extend_from_slice(&rest[..used]);
            return Ok(used);
        }
        if self.line_start.is_empty() {
            self.check_line(&rest[..used])?;
        } else {
            let mut line = std::mem::take(&mut self.line_start);
            line.extend_from_slice(&rest[..used]);
            self.check_line(&line)?;
        }
        Ok(used)
    }

    fn check_limits(&mut self, more_bytes: usize) -> Result<(), &'static str> {
        let line = self.line_start.len() + more_bytes;
        self.size += more_bytes;
        let max = match self.position {
            Http1Position::ChunkLine => CHUNK_LINE_MAX,
            Http1Position::Between => REQUEST_LINE_MAX,
            Http1Position::Head if self.line_count == 0 => REQUEST_LINE_MAX,
            _ => HEADER_LINE_MAX,
        };
        if line > max + 2 {
            let in_request_line =
                matches!(self.position, Http1Position::Between | Http1Position::Head);
            return Err(match in_request_line && self.line_count == 0 {
                true => REQUEST_LINE_TOO_LONG,
                false => HEADER_LINE_TOO_LONG,
            });
        }
        if self.size > HEADER_BLOCK_MAX && self.position != Http1Position::ChunkLine {
            return Err(HEAD_TOO_LARGE);
        }
        Ok(())
    }

    fn check_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err("bare-lf");
        };
        if line.contains(&b'\r') || line.contains(&0) {
            return Err("control-character");
        }
        match self.position {
            Http1Position::ChunkLine => self.check_chunk_line(line),
            Http1Position::Trailers if line.is_empty() => {
                self.begin_next();
                Ok(())
            }
            Http1Position::Trailers => self.check_header(line, false),
            _ if self.line_count == 0 => {
                // RFC 9112, 2.2: empty lines before a request are skipped.
                if line.is_empty() {
                    self.position = Http1Position::Between;
                    return Ok(());
                }
                self.line_count = 1;
                self.position = Http1Position::Head;
                self.check_request_line(line)
            }
            _ if line.is_empty() => self.end_head(),
            _ => self.check_header(line, true),
        }
    }

    /// A fragment is no part of a request target (RFC 9112, 3.2), and the HTTP layer would cut it off silently.
    fn check_request_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.framing.is_http10 = line.ends_with(b" HTTP/1.0");
        let target = line.iter().position(|byte| *byte == b' ');
        match target.is_some_and(|at| line[at..].contains(&b'#')) {
            true => Err("fragment"),
            false => Ok(()),
        }
    }

    fn check_header(&mut self, line: &[u8], is_in_head: bool) -> Result<(), &'static str> {
        self.line_count += 1;
        // The request line counts as one.
        if self.line_count > self.headers_max + 1 {
            return Err(TOO_MANY_HEADERS);
        }
        if matches!(line[0], b' ' | b'\t') {
            return Err("folded-header");
        }
        if !is_in_head {
            return Ok(());
        }
        // The first letter excludes most headers.
        match line[0] {
            b'c' | b'C' => {
                if let Some(value) = value_of(line, b"content-length") {
                    self.read_content_length(value)?;
                }
            }
            b't' | b'T' => {
                if let Some(value) = value_of(line, b"transfer-encoding") {
                    if self.framing.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err("transfer-encoding");
                    }
                    self.framing.is_chunked = true;
                }
            }
            b'u' | b'U' => self.framing.is_upgrade |= value_of(line, b"upgrade").is_some(),
            _ => {}
        }
        Ok(())
    }

    fn read_content_length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        let is_number = (1..=LENGTH_DIGITS_MAX).contains(&value.len())
            && value.iter().all(|byte| byte.is_ascii_digit());
        if !is_number || self.framing.length.is_some() {
            return Err("content-length");
        }
        let digit = |sum: u64, byte: &u8| sum * 10 + u64::from(byte - b'0');
        self.framing.length = Some(value.iter().fold(0, digit));
        Ok(())
    }

    fn end_head(&mut self) -> Result<(), &'static str> {
        let framing = self.framing;
        if framing.is_chunked && framing.length.is_some() {
            return Err("content-length-with-transfer-encoding");
        }
        if framing.is_chunked && framing.is_http10 {
            return Err("transfer-encoding-in-http1.0");
        }
        if framing.is_upgrade {
            self.last_upgrade = Some(self.head_count);
        }
        self.head_count += 1;
        self.begin_next();
        if framing.is_chunked {
            self.position = Http1Position::ChunkLine;
        } else if let Some(length) = framing.length.filter(|length| *length > 0) {
            self.position = Http1Position::SizedBody(length);
        }
        Ok(())
    }

    /// Reads `1a` or `1a;name;name=value;name="value"` (RFC 9112, 7.1.1).
    fn check_chunk_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let extension = &line[digits..];
        if !(1..=CHUNK_DIGITS_MAX).contains(&digits) {
            return Err("chunk-size");
        }
        if !extension.is_empty() && !is_valid_extension_list(extension) {
            return Err("chunk-extension");
        }
        let text = std::str::from_utf8(&line[..digits]).map_err(|_| "chunk-size")?;
        let size = u64::from_str_radix(text, 16).map_err(|_| "chunk-size")?;
        self.begin_next();
        self.position = match size {
            0 => Http1Position::Trailers,
            size => Http1Position::Chunk(size + 2),
        };
        Ok(())
    }

    fn begin_next(&mut self) {
        self.position = Http1Position::Between;
        self.size = 0;
        self.line_count = 0;
        self.framing = BodyFraming::default();
    }
}

const REQUEST_LINE_TOO_LONG: &str = "request-line-too-long";
const HEADER_LINE_TOO_LONG: &str = "header-line-too-long";
const HEAD_TOO_LARGE: &str = "head-too-large";
const TOO_MANY_HEADERS: &str = "too-many-headers";

/// The rejection of a head, with the status for its cause (RFC 9110, 15.5.15; RFC 6585, 5).
fn rejection_of(cause: &'static str) -> Rejection {
    let status = match cause {
        REQUEST_LINE_TOO_LONG => StatusCode::URI_TOO_LONG,
        HEADER_LINE_TOO_LONG | HEAD_TOO_LARGE | TOO_MANY_HEADERS => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        _ => StatusCode::BAD_REQUEST,
    };
    Rejection { status, cause }
}

/// The trimmed value of a header line, if the header has this name. A blank before the colon counts as part of the name,
/// which makes the name invalid: hyper rejects it.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}
