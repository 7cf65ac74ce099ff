//! A look at the raw bytes of HTTP/1 requests as they come in.
//!
//! Owns what the HTTP layer lets pass or hides: hyper takes a bare LF for a line end, and drops a Content-Length
//! that stands beside a Transfer-Encoding without a word, so that nobody after it can refuse the request. Owns
//! the limits on lines and heads as well. Must not know what a request means.
//!
//! To find the heads it follows the framing of the bodies, by rules stricter than hyper's: what passes here has one
//! reading only, so the two cannot come to disagree on where a request begins. Nothing after a violation passes.

use crate::connection::chunk_extension;
use crate::limits::{HEADER_BLOCK_MAX, HEADER_LINE_MAX, Limits, REQUEST_LINE_MAX};
use crate::request::admission::Reject;
use http::StatusCode;

/// The longest line of a chunk's size, extensions included (bytes); no client in use sends any.
const CHUNK_LINE_MAX: usize = 256;
/// Hexadecimal digits of a chunk's size: as many as cannot overflow.
const CHUNK_DIGITS_MAX: usize = 15;
/// Digits of a Content-Length: as many as cannot overflow.
const LENGTH_DIGITS_MAX: usize = 18;

/// Where in the stream of requests the next byte falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a request line.
    Between,
    /// In a head, at or within a line.
    Head,
    /// In a body of known length: bytes to come.
    Sized(u64),
    /// In the line of a chunk's size.
    ChunkLine,
    /// In a chunk: bytes to come, with the line end.
    Chunk(u64),
    /// In the trailers.
    Trailers,
    /// A violation was found.
    Dead,
}

/// What was found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// In a head: the client is answered with this status.
    Head(Reject),
    /// In a body: it must end as broken.
    Body(&'static str),
}

/// What the head under way says of its body.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    /// The request is HTTP/1.0, which knows no transfer coding (RFC 9112, 6.1).
    http10: bool,
    /// It asks to switch protocols.
    upgrade: bool,
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub(crate) struct Watch {
    place: Place,
    headers_max: usize,
    /// The part of the current line that came in earlier reads.
    carry: Vec<u8>,
    /// Of the current head or trailers (bytes, lines).
    size: usize,
    lines: usize,
    framing: Framing,
    /// Heads that were complete.
    heads: u64,
    /// The last of them that asked to switch protocols, by its number from 0.
    last_upgrade: Option<u64>,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Self {
        Watch {
            place: Place::Between,
            headers_max: limits.headers_max,
            carry: Vec::new(),
            size: 0,
            lines: 0,
            framing: Framing::default(),
            heads: 0,
            last_upgrade: None,
        }
    }

    /// How many heads were complete: the number, from 0, of the request that comes next.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// The last request, by its number from 0, that asked to switch protocols: what follows it may be no request.
    pub(crate) fn last_upgrade(&self) -> Option<u64> {
        self.last_upgrade
    }

    /// Whether a head has begun and is not complete.
    pub(crate) fn in_head(&self) -> bool {
        self.place == Place::Head
    }

    /// Whether the client has not sent all of what it began.
    pub(crate) fn is_mid_message(&self) -> bool {
        self.place != Place::Between
    }

    /// Follows `bytes`, and returns how many of them come before a head that is not complete. On a violation: what, and
    /// how many come before the head or the line that it is in.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<usize, (usize, Violation)> {
        let (mut at, mut whole) = (0, 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            let step = match self.place {
                Place::Sized(left) => self.skip(rest, left),
                Place::Chunk(left) => self.chunk(rest, left),
                Place::Dead => return Err((at, Violation::Body("after-violation"))),
                _ => self.lines(rest),
            };
            match step {
                Ok(used) => {
                    at += used;
                    if self.place != Place::Head {
                        whole = at;
                    }
                }
                Err(what) => {
                    let in_body = matches!(
                        self.place,
                        Place::ChunkLine | Place::Chunk(_) | Place::Trailers
                    );
                    self.place = Place::Dead;
                    return Err(match in_body {
                        true => (at, Violation::Body(what)),
                        false => (whole, Violation::Head(reject(what))),
                    });
                }
            }
        }
        Ok(whole)
    }

    fn skip(&mut self, rest: &[u8], left: u64) -> Result<usize, &'static str> {
        let used = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.place = match left - used as u64 {
            0 => Place::Between,
            left => Place::Sized(left),
        };
        Ok(used)
    }

    /// A chunk's data and the CR LF after it.
    fn chunk(&mut self, rest: &[u8], left: u64) -> Result<usize, &'static str> {
        match left {
            0 => unreachable!("a chunk that is over is no place"),
            1 if rest[0] != b'\n' => Err("chunk-end"),
            2 if rest[0] != b'\r' => Err("chunk-end"),
            1 => {
                self.place = Place::ChunkLine;
                Ok(1)
            }
            2 => {
                self.place = Place::Chunk(1);
                Ok(1)
            }
            _ => {
                let data = left - 2;
                let used = rest.len().min(usize::try_from(data).unwrap_or(usize::MAX));
                self.place = Place::Chunk(left - used as u64);
                Ok(used)
            }
        }
    }

    /// One line, or the part of it that is here.
    fn lines(&mut self, rest: &[u8]) -> Result<usize, &'static str> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(rest.len(), |end| end + 1);
        self.bound(used)?;
        if end.is_none() {
            if self.place == Place::Between {
                self.place = Place::Head;
            }
            self.carry.extend_from_slice(&rest[..used]);
            return Ok(used);
        }
        if self.carry.is_empty() {
            self.line(&rest[..used])?;
        } else {
            let mut line = std::mem::take(&mut self.carry);
            line.extend_from_slice(&rest[..used]);
            self.line(&line)?;
        }
        Ok(used)
    }

    fn bound(&mut self, more: usize) -> Result<(), &'static str> {
        let line = self.carry.len() + more;
        self.size += more;
        let max = match self.place {
            Place::ChunkLine => CHUNK_LINE_MAX,
            Place::Between => REQUEST_LINE_MAX,
            Place::Head if self.lines == 0 => REQUEST_LINE_MAX,
            _ => HEADER_LINE_MAX,
        };
        if line > max + 2 {
            let in_request_line = matches!(self.place, Place::Between | Place::Head);
            return Err(match in_request_line && self.lines == 0 {
                true => REQUEST_LINE_TOO_LONG,
                false => HEADER_LINE_TOO_LONG,
            });
        }
        if self.size > HEADER_BLOCK_MAX && self.place != Place::ChunkLine {
            return Err(HEAD_TOO_LARGE);
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err("bare-lf");
        };
        if line.contains(&b'\r') || line.contains(&0) {
            return Err("control-character");
        }
        match self.place {
            Place::ChunkLine => self.chunk_line(line),
            Place::Trailers if line.is_empty() => {
                self.rest();
                Ok(())
            }
            Place::Trailers => self.header(line, false),
            _ if self.lines == 0 => {
                // RFC 9112, 2.2: empty lines before a request are skipped.
                if line.is_empty() {
                    self.place = Place::Between;
                    return Ok(());
                }
                self.lines = 1;
                self.place = Place::Head;
                self.request_line(line)
            }
            _ if line.is_empty() => self.head_ends(),
            _ => self.header(line, true),
        }
    }

    /// A fragment is no part of a request target (RFC 9112, 3.2), and the HTTP layer would cut it off in silence.
    fn request_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.framing.http10 = line.ends_with(b" HTTP/1.0");
        let target = line.iter().position(|byte| *byte == b' ');
        match target.is_some_and(|at| line[at..].contains(&b'#')) {
            true => Err("fragment"),
            false => Ok(()),
        }
    }

    fn header(&mut self, line: &[u8], frames: bool) -> Result<(), &'static str> {
        self.lines += 1;
        // The request line counts as one.
        if self.lines > self.headers_max + 1 {
            return Err(TOO_MANY_HEADERS);
        }
        if matches!(line[0], b' ' | b'\t') {
            return Err("folded-header");
        }
        if !frames {
            return Ok(());
        }
        // Two letters are enough to pass most headers by.
        match line[0] {
            b'c' | b'C' => {
                if let Some(value) = value_of(line, b"content-length") {
                    self.content_length(value)?;
                }
            }
            b't' | b'T' => {
                if let Some(value) = value_of(line, b"transfer-encoding") {
                    if self.framing.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err("transfer-encoding");
                    }
                    self.framing.chunked = true;
                }
            }
            b'u' | b'U' => self.framing.upgrade |= value_of(line, b"upgrade").is_some(),
            _ => {}
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        let plain = (1..=LENGTH_DIGITS_MAX).contains(&value.len())
            && value.iter().all(|byte| byte.is_ascii_digit());
        if !plain || self.framing.length.is_some() {
            return Err("content-length");
        }
        let digit = |sum: u64, byte: &u8| sum * 10 + u64::from(byte - b'0');
        self.framing.length = Some(value.iter().fold(0, digit));
        Ok(())
    }

    fn head_ends(&mut self) -> Result<(), &'static str> {
        let framing = self.framing;
        if framing.chunked && framing.length.is_some() {
            return Err("content-length-with-transfer-encoding");
        }
        if framing.chunked && framing.http10 {
            return Err("transfer-encoding-in-http1.0");
        }
        if framing.upgrade {
            self.last_upgrade = Some(self.heads);
        }
        self.heads += 1;
        self.rest();
        if framing.chunked {
            self.place = Place::ChunkLine;
        } else if let Some(length) = framing.length.filter(|length| *length > 0) {
            self.place = Place::Sized(length);
        }
        Ok(())
    }

    /// `1a` or `1a;name;name=value;name="value"` (RFC 9112, 7.1.1).
    fn chunk_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let extension = &line[digits..];
        if !(1..=CHUNK_DIGITS_MAX).contains(&digits) {
            return Err("chunk-size");
        }
        if !extension.is_empty() && !chunk_extension::is_valid(extension) {
            return Err("chunk-extension");
        }
        let text = std::str::from_utf8(&line[..digits]).map_err(|_| "chunk-size")?;
        let size = u64::from_str_radix(text, 16).map_err(|_| "chunk-size")?;
        self.rest();
        self.place = match size {
            0 => Place::Trailers,
            size => Place::Chunk(size + 2),
        };
        Ok(())
    }

    fn rest(&mut self) {
        self.place = Place::Between;
        self.size = 0;
        self.lines = 0;
        self.framing = Framing::default();
    }
}

const REQUEST_LINE_TOO_LONG: &str = "request-line-too-long";
const HEADER_LINE_TOO_LONG: &str = "header-line-too-long";
const HEAD_TOO_LARGE: &str = "head-too-large";
const TOO_MANY_HEADERS: &str = "too-many-headers";

/// The status for what is wrong with a head (RFC 9110, 15.5.15; RFC 6585, 5).
fn reject(cause: &'static str) -> Reject {
    let status = match cause {
        REQUEST_LINE_TOO_LONG => StatusCode::URI_TOO_LONG,
        HEADER_LINE_TOO_LONG | HEAD_TOO_LARGE | TOO_MANY_HEADERS => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        _ => StatusCode::BAD_REQUEST,
    };
    Reject { status, cause }
}

/// The trimmed value of a header line, if it has this name. A blank before the colon is part of the name, which
/// makes the name invalid: hyper refuses it.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}
