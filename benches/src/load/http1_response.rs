//! HTTP/1.1 responses as they come over the wire: where one ends, and what it says.
//!
//! Owns no socket. Reads only what a load generator has to know.

use anyhow::{Result, bail, ensure};

/// Headers of a response, at most: far more than any server sends.
const HEADERS_MAX: usize = 64;

/// A response that is there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Http1Response {
    pub(crate) status: u16,
    /// Bytes on the wire, with head and framing.
    pub(crate) wire_bytes: usize,
    pub(crate) body_bytes: usize,
    /// The server ends the connection after it.
    pub(crate) close: bool,
}

/// The first response in `bytes`, or nothing if its end is not there yet. Error: it is none.
pub(crate) fn response(bytes: &[u8]) -> Result<Option<Http1Response>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes)? else {
        return Ok(None);
    };
    let status = head.code.unwrap_or_default();
    let framing = framing(head.headers)?;
    let close = head.headers.iter().any(|h| {
        h.name.eq_ignore_ascii_case("connection") && h.value.eq_ignore_ascii_case(b"close")
    });
    let rest = &bytes[head_bytes..];
    let body = match framing {
        ResponseFraming::Length(length) => (rest.len() >= length).then_some((length, length)),
        ResponseFraming::Chunked => chunks(rest)?,
    };
    Ok(body.map(|(framed, body_bytes)| Http1Response {
        status,
        wire_bytes: head_bytes + framed,
        body_bytes,
        close,
    }))
}

/// The body of a response that is there as a whole, and one of its headers.
pub(crate) fn page(bytes: &[u8], header: &str) -> Result<Option<(Vec<u8>, String)>> {
    let Some(whole) = response(bytes)? else {
        return Ok(None);
    };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes)? else {
        return Ok(None);
    };
    let named = head
        .headers
        .iter()
        .find(|h| h.name.eq_ignore_ascii_case(header));
    let value = named.map_or(&b""[..], |h| h.value);
    let mut rest = &bytes[head_bytes..whole.wire_bytes];
    let mut body = rest.to_vec();
    if framing(head.headers)? == ResponseFraming::Chunked {
        body.clear();
        while let Some((size, head)) = chunk(rest)? {
            body.extend_from_slice(rest.get(head..head + size).unwrap_or_default());
            rest = rest.get(head + size + CRLF.len()..).unwrap_or_default();
        }
    }
    Ok(Some((body, String::from_utf8_lossy(value).into_owned())))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseFraming {
    Length(usize),
    Chunked,
}

fn framing(headers: &[httparse::Header<'_>]) -> Result<ResponseFraming> {
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value)?;
            return Ok(ResponseFraming::Length(text.trim().parse()?));
        }
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            ensure!(
                header.value.eq_ignore_ascii_case(b"chunked"),
                "unknown transfer encoding"
            );
            return Ok(ResponseFraming::Chunked);
        }
    }
    bail!("a response whose end only the connection's end shows")
}

const CRLF: &[u8] = b"\r\n";

/// Bytes on the wire and bytes of content of a chunked body without trailers, if it is all there.
fn chunks(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let (mut wire, mut content) = (0, 0);
    while let Some((size, head)) = chunk(&bytes[wire..])? {
        let end = wire + head + size + CRLF.len();
        let Some(line_end) = bytes.get(end - CRLF.len()..end) else {
            return Ok(None);
        };
        ensure!(line_end == CRLF, "a chunk is longer than it says");
        (wire, content) = (end, content + size);
        if size == 0 {
            return Ok(Some((wire, content)));
        }
    }
    Ok(None)
}

/// The size of a chunk, and the bytes of the line that says so.
fn chunk(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    match httparse::parse_chunk_size(bytes) {
        Ok(httparse::Status::Complete((head, size))) => Ok(Some((usize::try_from(size)?, head))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => bail!("the size of a chunk is not a number"),
    }
}

#[cfg(test)]
mod tests;
