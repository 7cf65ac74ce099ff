//! memcached, and its text protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use super::daemon::{Daemon, PATIENCE, make_folder};

/// A memcached server.
#[derive(Debug)]
pub struct Memcached(Daemon);

impl Memcached {
    /// A new, empty one that answers.
    pub fn start() -> Memcached {
        let args = |port: u16, _: &Path| {
            let port = port.to_string();
            let args = ["-l", "127.0.0.1", "-p", &port, "-U", "0", "-m", "64"];
            args.map(str::to_owned).to_vec()
        };
        let program = PathBuf::from("memcached");
        let folder = make_folder("memcached");
        Memcached(Daemon::new(
            "memcached",
            program,
            ("TERM", "KILL"),
            folder,
            args,
        ))
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    /// Starts it again on the same port, empty.
    pub fn restart(&mut self) {
        self.0.start();
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// `HOST:PORT`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }

    /// What it answers to lines of its text protocol, such as `get greeting`, up to `end`.
    pub fn send_lines(address: &str, lines: &str, end: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(lines.replace('\n', "\r\n").as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 4_096];
        while !String::from_utf8_lossy(&answer).contains(end) {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "it hung up after {answer:?}");
            answer.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8(answer).unwrap()
    }
}
