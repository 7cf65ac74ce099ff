//! Requests to a port of this machine, and what came back.
//!
//! Knows neither apps nor the API.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{PATIENCE, Reply};

/// Sends `bytes` on a new connection and reads to its end.
///
/// # Errors
/// If nobody is there, or the connection breaks before a whole answer came.
pub fn exchange(port: u16, bytes: &[u8]) -> io::Result<Reply> {
    let mut stream = connect(port)?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    // A reset is an end as well: whether the answer is whole is told by its framing.
    let _ = stream.read_to_end(&mut answer);
    let reply = Reply::parse(&answer);
    if reply.status == 0 || !reply.complete {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(reply)
}

pub fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A request with these header lines and this body, as it goes over the wire.
pub fn request(method: &str, path: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
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

impl Reply {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The body as JSON of an answer with this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() {
            return Value::Null;
        }
        self.json()
    }
}

/// A text field of an object.
#[track_caller]
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text {name} in {value}"))
}

/// The objects of a list.
#[track_caller]
pub fn items(value: &Value) -> &[Value] {
    value["items"]
        .as_array()
        .unwrap_or_else(|| panic!("no items in {value}"))
}
