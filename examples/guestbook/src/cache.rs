//! The page, in memcached: the text protocol, as far as one page needs it.
//!
//! A cache is allowed to be away: whatever goes wrong here is a miss, and the next request tries again.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Seconds that a page is kept at most: so long it may be old, if a dyno put it there while another one wrote.
const KEPT: u32 = 10;
/// The most that is taken for a page, in bytes: what memcached itself allows.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// One connection, made when it is first needed.
#[derive(Default)]
pub struct Cache(Option<BufReader<TcpStream>>);

impl Cache {
    /// What is kept under `key`, if it is there.
    pub fn get(&mut self, key: &str) -> Option<String> {
        self.within(|stream| {
            send(stream, &format!("get {key}\r\n"))?;
            let head = line(stream)?;
            if head == "END" {
                return Ok(None);
            }
            let bytes = head.rsplit(' ').next().and_then(|bytes| bytes.parse().ok());
            let bytes =
                bytes.filter(|bytes| head.starts_with("VALUE ") && *bytes <= PAGE_BYTES_MAX);
            let mut page = vec![0; bytes.ok_or_else(|| unexpected(&head))?];
            stream.read_exact(&mut page)?;
            expect(stream, "")?;
            expect(stream, "END")?;
            Ok(String::from_utf8(page).ok())
        })?
    }

    /// Keeps `page` under `key` for a moment.
    pub fn set(&mut self, key: &str, page: &str) {
        self.within(|stream| {
            send(
                stream,
                &format!("set {key} 0 {KEPT} {}\r\n{page}\r\n", page.len()),
            )?;
            expect(stream, "STORED")
        });
    }

    /// Forgets what is kept under `key`.
    pub fn delete(&mut self, key: &str) {
        self.within(|stream| {
            send(stream, &format!("delete {key}\r\n"))?;
            line(stream).map(drop)
        });
    }

    /// Runs one exchange. A connection that was kept may have broken since, so that it is tried once more on a new one.
    fn within<T>(
        &mut self,
        work: impl Fn(&mut BufReader<TcpStream>) -> io::Result<T>,
    ) -> Option<T> {
        if let Some(mut kept) = self.0.take()
            && let Ok(done) = work(&mut kept)
        {
            self.0 = Some(kept);
            return Some(done);
        }
        let mut fresh = BufReader::new(connect()?);
        match work(&mut fresh) {
            Ok(done) => {
                self.0 = Some(fresh);
                Some(done)
            }
            Err(error) => {
                eprintln!("memcached: {error}");
                None
            }
        }
    }
}

/// The first of `MEMCACHED_SERVERS`; none if the app has no cache, or it cannot be reached.
fn connect() -> Option<TcpStream> {
    let servers = env::var("MEMCACHED_SERVERS").ok()?;
    let stream = TcpStream::connect(servers.split(',').next()?.trim());
    stream
        .inspect_err(|error| eprintln!("memcached: {error}"))
        .ok()
}

/// All at once: small pieces, one by one, would wait for each other on the network.
fn send(stream: &mut BufReader<TcpStream>, command: &str) -> io::Result<()> {
    stream.get_mut().write_all(command.as_bytes())
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.take(512).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(unexpected(&line)),
    }
}

fn expect(stream: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    let line = line(stream)?;
    if line == text {
        Ok(())
    } else {
        Err(unexpected(&line))
    }
}

fn unexpected(text: &str) -> io::Error {
    io::Error::other(format!("unexpected answer `{text}`"))
}
