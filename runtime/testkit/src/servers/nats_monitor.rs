//! The monitoring pages of a NATS server.
//!
//! Owns the requests and what their answers mean. Must not know processes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Time for an answer. A server that is starting may accept a connection and not answer yet.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the server is up, and JetStream has recovered and has a leader.
pub(super) fn is_healthy(port: u16) -> bool {
    let answer = get(port, "/healthz");
    answer.is_some_and(|answer| answer["status"] == "ok")
}

/// The name of the server that leads a stream, in this server's view.
pub(super) fn leader_of(port: u16, account: &str, stream: &str) -> Option<String> {
    let answer = get(port, &format!("/jsz?acc={account}&streams=true"))?;
    let accounts = answer["account_details"].as_array()?;
    let details = accounts
        .iter()
        .filter_map(|account| account["stream_detail"].as_array())
        .flatten();
    let mut named = details.filter(|detail| detail["name"] == stream);
    let leader = named.next()?["cluster"]["leader"].as_str()?;
    Some(leader.to_owned())
}

/// The number of clients that are connected.
pub(super) fn connection_count(port: u16) -> Option<u64> {
    get(port, "/varz")?["connections"].as_u64()
}

/// The JSON of a page; `None` if the server does not answer.
fn get(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}
