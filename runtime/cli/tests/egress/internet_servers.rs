//! The servers of the internet: HTTP and TCP on port 80 of every address, UDP on port 9000.
//!
//! Owns a record of the requests, and of the connections that carried them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// The port for UDP datagrams.
pub(crate) const UDP: u16 = 9_000;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) host: String,
    /// The client's address, which identifies the connection.
    pub(crate) from: SocketAddr,
}

#[derive(Default)]
struct Seen {
    /// The addresses that were connected to.
    connections: Vec<IpAddr>,
    asked: Vec<Asked>,
    datagrams: usize,
}

/// All servers of the internet, for as long as the test runs.
#[derive(Clone)]
pub(crate) struct Far(Arc<Mutex<Seen>>);

impl Far {
    pub(crate) fn start() -> Far {
        let far = Far(Arc::default());
        // The socket accepts IPv4 and IPv6.
        let listener = TcpListener::bind("[::]:80").unwrap();
        let accepting = far.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let far = accepting.clone();
                thread::spawn(move || far.serve(stream));
            }
        });
        let socket = UdpSocket::bind(("::", UDP)).unwrap();
        let receiving = far.clone();
        thread::spawn(move || {
            while socket.recv_from(&mut [0; 16]).is_ok() {
                receiving.0.lock().unwrap().datagrams += 1;
            }
        });
        far
    }

    /// The addresses that were connected to, in order.
    pub(crate) fn connections(&self) -> Vec<IpAddr> {
        self.0.lock().unwrap().connections.clone()
    }

    pub(crate) fn datagrams(&self) -> usize {
        self.0.lock().unwrap().datagrams
    }

    /// The requests of a path, in order.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let seen = self.0.lock().unwrap();
        let of_path = seen.asked.iter().filter(|asked| asked.path == path);
        of_path.cloned().collect()
    }

    /// A connection to port 80.
    fn serve(&self, stream: TcpStream) {
        let to = stream.local_addr().unwrap().ip().to_canonical();
        self.0.lock().unwrap().connections.push(to);
        let Ok(from) = stream.peer_addr() else {
            return;
        };
        self.answer_all(stream, from);
    }

    /// Answers requests until the client disconnects or requests `/last`.
    ///
    /// `/never` gets no answer; `/hold` gets an endless body; `/last` gets an answer, but the connection ends when the
    /// next request arrives.
    pub(crate) fn answer_all(&self, stream: impl Read + Write, from: SocketAddr) {
        let mut reader = BufReader::new(stream);
        let mut last = false;
        while let Some((path, host)) = head(&mut reader) {
            let asked = Asked { path, host, from };
            let path = asked.path.clone();
            self.0.lock().unwrap().asked.push(asked);
            if last {
                return;
            }
            let answer = match path.as_str() {
                "/never" => "",
                "/hold" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx",
                "/away" => {
                    "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 4\r\n\r\naway"
                }
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfar\n",
            };
            last = path == "/last";
            let writer = reader.get_mut();
            let written = writer.write_all(answer.as_bytes());
            if written.and_then(|()| writer.flush()).is_err() {
                return;
            }
        }
    }
}

/// Path and host of the next request, which has no body.
fn head(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut host = String::new();
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|bytes| *bytes > 0)?;
        if line == "\r\n" {
            return Some((path, host));
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("host:") {
            host = value.trim().to_owned();
        }
    }
}
