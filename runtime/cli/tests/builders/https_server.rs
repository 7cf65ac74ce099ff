//! An HTTPS server on a free port of this machine, with a certificate for `localhost`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

type Session = StreamOwned<ServerConnection, TcpStream>;

/// The server. Its threads end with the test.
pub(crate) struct HttpsServer {
    pub(crate) port: u16,
    /// The file with the root certificate.
    pub(crate) root: PathBuf,
}

impl HttpsServer {
    /// Starts the server. The certificate goes into `folder`.
    pub(crate) fn start(folder: &Path) -> HttpsServer {
        let mut root = CertificateParams::new([]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &root).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth();
        let config = config.with_single_cert(vec![leaf.der().clone()], key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                thread::spawn(move || answer_all(StreamOwned::new(session, stream)));
            }
        });
        let file = folder.join("root.pem");
        std::fs::write(&file, root.pem()).unwrap();
        HttpsServer { port, root: file }
    }
}

/// Answers the requests of one connection, until it ends.
fn answer_all(mut session: Session) -> Option<()> {
    let mut unread = Vec::new();
    loop {
        let head = read_until(&mut session, &mut unread, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let body = match head.contains("transfer-encoding: chunked") {
            true => read_chunks(&mut session, &mut unread)?,
            false => read_bytes(&mut session, &mut unread, content_length(&head))?,
        };
        let path = head.split(' ').nth(1)?.to_owned();
        answer(&mut session, &head, &path, &body)?;
    }
}

/// Answers one request; `None` ends the connection.
fn answer(session: &mut Session, head: &str, path: &str, body: &[u8]) -> Option<()> {
    let reply = |status: &str, headers: &str, body: &[u8]| {
        let sent = if head.starts_with("head ") { &[] } else { body };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
        [head.as_bytes(), sent].concat()
    };
    let text = match path {
        "/redirects" => reply("302 Found", "Location: /echo\r\nSet-Cookie: a=b\r\n", b""),
        "/missing" => reply("404 Not Found", "", b"none"),
        "/large" => reply("200 OK", "", &vec![b'x'; 2_000_000]),
        // The body stays behind what the head announces.
        "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart".to_vec(),
        "/never" => {
            thread::sleep(Duration::from_secs(60));
            return None;
        }
        "/streams" => return stream(session),
        _ => reply(
            "200 OK",
            "X-Kind: echo\r\n",
            &[head.as_bytes(), body].concat(),
        ),
    };
    session
        .write_all(&text)
        .and_then(|()| session.flush())
        .ok()?;
    (path != "/cut").then_some(())
}

/// Sends chunks, one after the other.
fn stream(session: &mut Session) -> Option<()> {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for part in [head, b"4\r\none\n\r\n", b"4\r\ntwo\n\r\n", b"0\r\n\r\n"] {
        session
            .write_all(part)
            .and_then(|()| session.flush())
            .ok()?;
        thread::sleep(Duration::from_millis(20));
    }
    Some(())
}

fn content_length(head: &str) -> usize {
    let value = head.split("content-length: ").nth(1);
    let digits = value.and_then(|value| value.split("\r\n").next());
    digits.map_or(0, |digits| digits.parse().unwrap())
}

fn read_chunks(session: &mut Session, unread: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_until(session, unread, b"\r\n")?;
        let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).ok()?;
        body.extend(read_bytes(session, unread, size)?);
        read_bytes(session, unread, 2)?;
        if size == 0 {
            return Some(body);
        }
    }
}

fn read_until(session: &mut Session, unread: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = unread.windows(end.len()).position(|part| part == end) {
            return Some(unread.drain(..at + end.len()).collect());
        }
        read_more(session, unread)?;
    }
}

fn read_bytes(session: &mut Session, unread: &mut Vec<u8>, size: usize) -> Option<Vec<u8>> {
    while unread.len() < size {
        read_more(session, unread)?;
    }
    Some(unread.drain(..size).collect())
}

fn read_more(session: &mut Session, unread: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 16 * 1024];
    let size = session.read(&mut part).ok().filter(|size| *size > 0)?;
    unread.extend(&part[..size]);
    Some(())
}
