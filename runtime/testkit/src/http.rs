//! HTTP/1.1 responses as they came over the wire, and requests to a port of this machine.
//!
//! Must not know apps or the API.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::PATIENCE;

/// An HTTP/1.1 response as it came over the wire.
#[derive(Debug, Default)]
pub struct HttpReply {
    /// 0 if no response came.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without its framing.
    pub body: Vec<u8>,
    /// The body ended as its framing says, rather than with the connection.
    pub complete: bool,
}

impl HttpReply {
    /// Reads what came on a connection that was closed after one response. No response: status 0.
    pub fn parse(bytes: &[u8]) -> HttpReply {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return HttpReply::default();
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = HttpReply {
            status: status.unwrap_or(0),
            headers,
            ..HttpReply::default()
        };
        let rest = &bytes[end + 4..];
        if reply
            .header("transfer-encoding")
            .is_some_and(|value| value.contains("chunked"))
        {
            (reply.body, reply.complete) = unchunk(rest);
        } else {
            let length = reply
                .header("content-length")
                .and_then(|value| value.parse().ok());
            reply.body = rest.to_vec();
            reply.complete = length.is_none_or(|length: usize| length == rest.len());
        }
        reply
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(own, _)| own == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The body as JSON of an answer with this status.
    #[track_caller]
    pub fn json_of_status(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() {
            return Value::Null;
        }
        self.json()
    }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok();
        let Some(size) = size.and_then(|text| usize::from_str_radix(text.trim(), 16).ok()) else {
            break;
        };
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, true);
        }
        let here = size.min(rest.len());
        body.extend_from_slice(&rest[..here]);
        rest = &rest[(here + 2).min(rest.len())..];
    }
    (body, false)
}

/// Sends `bytes` on a new connection and reads to its end.
///
/// # Errors
/// If nobody is there, or the connection breaks before a whole answer came.
pub fn send_request(port: u16, bytes: &[u8]) -> io::Result<HttpReply> {
    let mut stream = connect(port)?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    // A reset is an end as well: whether the answer is whole is told by its framing.
    let _ = stream.read_to_end(&mut answer);
    let reply = HttpReply::parse(&answer);
    if reply.status == 0 || !reply.complete {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(reply)
}

/// A new connection, on which reads end after [`PATIENCE`].
///
/// # Errors
/// If nobody is there.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A request with these header lines and this body, as it goes over the wire.
pub fn encode_request(method: &str, path: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if !body.is_empty() || method != "GET" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// A text field of an object.
#[track_caller]
pub fn json_text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text {name} in {value}"))
}

/// The objects of a list.
#[track_caller]
pub fn json_items(value: &Value) -> &[Value] {
    value["items"]
        .as_array()
        .unwrap_or_else(|| panic!("no items in {value}"))
}
