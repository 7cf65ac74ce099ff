//! A server on `$PORT` (address: first argument, `0.0.0.0`) that uses only the standard library. HTTP/1.1 with
//! persistent connections, one connection at a time:
//!
//! `/` its port, and its numbers of connections and requests · `/echo` the body of the request ·
//! `/headers` the request as received · `/close` answers and closes · `/drop` closes without an answer ·
//! `/broken` answers with invalid HTTP · `/half` closes within a body · `/exit` exits with code 7 ·
//! `/spin` computes for ever · `/deaf` closes its listener · `/pause` answers as `/` after `?ms=` ·
//! `/busy` answers, closes, and accepts nothing for `?ms=` · `/files` writes and reads in `./tmp` · `/big`
//! a body of 1 MiB.
//!
//! The host must send one request at a time, distinguish the ways in which a request ends, and replace the dyno after
//! an exit.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

struct Request {
    path: String,
    query: String,
    head: String,
    body: Vec<u8>,
}

enum Next {
    Keep,
    Close,
    Deaf,
    Busy(u64),
}

fn main() -> std::io::Result<()> {
    let host = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "0.0.0.0".to_owned());
    let port = std::env::var("PORT").expect("a server is told its port");
    let listener = TcpListener::bind((host.as_str(), port.parse().expect("a number")))?;
    println!("listening at {}", listener.local_addr()?);
    let mut listener = Some(listener);
    let (mut connections, mut requests) = (0, 0);
    loop {
        let Some(open) = &listener else {
            std::thread::sleep(Duration::from_secs(1));
            continue;
        };
        let (stream, _) = open.accept()?;
        connections += 1;
        match serve(&stream, &port, connections, &mut requests) {
            Ok(Next::Deaf) => listener = None,
            Ok(Next::Busy(ms)) => {
                drop(stream);
                std::thread::sleep(Duration::from_millis(ms));
            }
            Ok(_) => {}
            Err(error) => println!("connection {connections}: {error}"),
        }
    }
}

fn serve(
    stream: &TcpStream,
    port: &str,
    connections: u32,
    requests: &mut u32,
) -> std::io::Result<Next> {
    let mut from = BufReader::new(stream);
    while let Some(request) = read(&mut from)? {
        *requests += 1;
        let about = format!("port={port} connections={connections} requests={requests}\n");
        match answer(stream, &request, &about)? {
            Next::Keep => {}
            next => return Ok(next),
        }
    }
    Ok(Next::Close)
}

fn read(from: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body)?;
    Ok(Some(Request {
        path,
        query,
        head,
        body,
    }))
}

fn answer(mut to: &TcpStream, request: &Request, about: &str) -> std::io::Result<Next> {
    match request.path.as_str() {
        "/echo" => reply(to, &request.body)?,
        "/pause" => {
            std::thread::sleep(Duration::from_millis(millis(request)));
            reply(to, about.as_bytes())?;
        }
        "/headers" => reply(to, request.head.as_bytes())?,
        "/big" => reply(to, &vec![b'x'; 1024 * 1024])?,
        "/files" => {
            std::fs::write("tmp/a", "kept")?;
            reply(to, &std::fs::read("/tmp/a")?)?;
        }
        "/close" => {
            reply(to, about.as_bytes())?;
            return Ok(Next::Close);
        }
        "/drop" => return Ok(Next::Close),
        "/broken" => {
            to.write_all(b"this is not HTTP\r\n\r\n")?;
            return Ok(Next::Close);
        }
        "/half" => {
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
            return Ok(Next::Close);
        }
        "/exit" => std::process::exit(7),
        "/spin" => loop {
            std::hint::black_box(0);
        },
        "/deaf" => {
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
            return Ok(Next::Deaf);
        }
        "/busy" => {
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
            return Ok(Next::Busy(millis(request)));
        }
        _ => reply(to, about.as_bytes())?,
    }
    Ok(Next::Keep)
}

/// The time in `?ms=`.
fn millis(request: &Request) -> u64 {
    let ms = request.query.strip_prefix("ms=");
    ms.and_then(|ms| ms.parse().ok()).unwrap_or(0)
}

fn reply(mut to: &TcpStream, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    to.write_all(head.as_bytes())?;
    to.write_all(body)
}
