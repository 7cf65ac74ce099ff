//! A server on `$PORT` that answers with the bytes in `?raw=` (hexadecimal), valid or not; `&end=1` closes the
//! connection after them, `&end=exit` exits. Without `raw`, it answers with its numbers of connections and requests,
//! and the HTTP version of the last request.
//!
//! The host must find the end of each response as in RFC 9112 (6.3), and must not mix two responses.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").expect("a server is told its port");
    let listener = TcpListener::bind(("0.0.0.0", port.parse().expect("a number")))?;
    let (mut connections, mut requests) = (0, 0);
    loop {
        let (stream, _) = listener.accept()?;
        connections += 1;
        if let Err(error) = serve(&stream, connections, &mut requests) {
            println!("connection {connections}: {error}");
        }
    }
}

fn serve(stream: &TcpStream, connections: u32, requests: &mut u32) -> std::io::Result<()> {
    let mut from = BufReader::new(stream);
    while let Some(line) = read_head(&mut from)? {
        *requests += 1;
        let mut words = line.split_whitespace().skip(1);
        let target = words.next().unwrap_or_default();
        let version = words.next().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        };
        let mut to = stream;
        match value("raw") {
            Some(raw) => to.write_all(&from_hexadecimal(raw))?,
            None => {
                let text = format!("connections={connections} requests={requests} {version}");
                let length = text.len();
                write!(
                    to,
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}"
                )?;
            }
        }
        match value("end") {
            Some("exit") => std::process::exit(7),
            Some(_) => return Ok(()),
            None => {}
        }
    }
    Ok(())
}

/// The first line of a request without a body.
fn read_head(from: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let (mut first, mut line) = (String::new(), String::new());
    if from.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    while line != "\r\n" {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(first))
}

fn from_hexadecimal(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(|pair| byte(pair).expect("two digits")).collect()
}
