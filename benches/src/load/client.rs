//! A client that sends one request after the other over a connection: for setting up, and for timing single requests.
//!
//! Owns the connection. It blocks its thread; a caller that wants many requests at once uses another client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::load::http1_response;

/// Longest that an answer may take. The longest request here waits a minute for a release.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Longest answer, in bytes: the numbers of a server are a few KiB, a list of apps some hundred.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// A request as it goes over the wire. `headers` are whole lines without their ends.
pub(crate) fn request(
    method: &str,
    host: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    if !body.is_empty() || method != "GET" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A keep-alive connection, made when it is needed.
#[derive(Debug)]
pub(crate) struct BenchClient {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

/// An answer that came as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl BenchClient {
    pub(crate) fn new(address: SocketAddr) -> BenchClient {
        BenchClient {
            address,
            stream: None,
        }
    }

    /// Sends a request, and reads the answer to its end. An error leaves no connection behind.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<HttpAnswer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => open_connection(self.address)?,
        };
        stream.write_all(request).context("cannot send a request")?;
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
        let response = loop {
            let length = stream.read(&mut buffer).context("no answer in time")?;
            ensure!(length > 0, "the connection was closed in mid-response");
            bytes.extend_from_slice(&buffer[..length]);
            if let Some(response) = http1_response::response(&bytes)? {
                break response;
            }
            ensure!(
                bytes.len() < ANSWER_BYTES_MAX,
                "the response does not end within {ANSWER_BYTES_MAX} bytes"
            );
        };
        let page = http1_response::page(&bytes, "")?;
        let (body, _) = page.context("a whole response has a body")?;
        if !response.close {
            self.stream = Some(stream);
        }
        Ok(HttpAnswer {
            status: response.status,
            body,
        })
    }
}

fn open_connection(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("nobody is at {address}"))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_length_of_its_body() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let get = text(request("GET", "a.localhost", "/", &[], b""));
        assert_eq!(get, "GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n");
        let post = text(request("POST", "a", "/x", &["A: b"], b"body"));
        assert_eq!(
            post,
            "POST /x HTTP/1.1\r\nHost: a\r\nA: b\r\nContent-Length: 4\r\n\r\nbody"
        );
    }

    #[test]
    fn a_connection_is_kept_until_the_server_closes_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut buffer = [0; 1024];
            for close in ["", "Connection: close\r\n"] {
                let length = stream.read(&mut buffer).expect("a request");
                assert!(length > 0);
                let answer = format!("HTTP/1.1 200 OK\r\n{close}Content-Length: 2\r\n\r\nok");
                stream.write_all(answer.as_bytes()).expect("it listens");
            }
        });
        let mut client = BenchClient::new(address);
        let get = request("GET", "a", "/", &[], b"");
        for kept in [true, false] {
            let answer = client.ask(&get).expect("an answer");
            assert_eq!((answer.status, &*answer.body), (200, &b"ok"[..]));
            assert_eq!(client.stream.is_some(), kept);
        }
        server.join().expect("no panic");
        assert!(client.ask(&get).is_err());
    }
}
