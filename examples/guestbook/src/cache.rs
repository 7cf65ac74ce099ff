//! The page, in memcached: the part of the text protocol that one page needs.
//!
//! A cache may be unavailable: every error counts as a miss, and the next request tries again. Other apps may share the
//! cache: the keys begin with the app's name, and the values are sealed.

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::seal::Seal;

/// Most seconds that a page is kept. A page can be outdated this long, if a dyno stored it while another dyno wrote.
const KEPT: u32 = 10;
/// Largest page, in bytes: the limit of memcached.
const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Longest time for one exchange, connecting included: PostgreSQL would answer faster.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a server that was too slow is not asked again. Pages that could not be deleted meanwhile have expired by then.
const REST: Duration = Duration::from_secs(KEPT as u64);
/// Longest name of an app in a key; memcached allows keys of 250 bytes.
const NAME_BYTES_MAX: usize = 100;

/// One connection, opened when it is first needed.
pub struct Cache {
    /// The first of `MEMCACHED_SERVERS`.
    server: Option<String>,
    /// `None` without `DATABASE_URL`: then nothing is stored.
    seal: Option<Seal>,
    /// The prefix of the keys.
    prefix: String,
    wire: Option<BufReader<Wire>>,
    rests_until: Option<Instant>,
}

impl Cache {
    /// A cache that is not connected yet. An app without `MEMCACHED_SERVERS` has a cache that is always empty.
    pub fn new() -> Cache {
        let servers = env::var("MEMCACHED_SERVERS").unwrap_or_default();
        let server = servers.split(',').next().map(str::trim);
        let name = env::var("APP_NAME").ok().filter(|name| fits(name));
        Cache {
            server: server.filter(|it| !it.is_empty()).map(str::to_owned),
            // All dynos of this app know this secret, and no other app does.
            seal: env::var("DATABASE_URL").ok().and_then(|it| Seal::new(&it)),
            prefix: format!("guestbook:{}", name.as_deref().unwrap_or("guestbook")),
            wire: None,
            rests_until: None,
        }
    }

    /// Returns the page under `name`, if it is there.
    pub fn get(&mut self, name: &str) -> Option<String> {
        let key = self.key(name);
        let sealed = self.within(|wire| {
            send(wire, format!("get {key}\r\n").as_bytes())?;
            let head = line(wire)?;
            if head == "END" {
                return Ok(None);
            }
            let bytes = head.rsplit(' ').next().and_then(|bytes| bytes.parse().ok());
            let bytes =
                bytes.filter(|bytes| head.starts_with("VALUE ") && *bytes <= PAGE_BYTES_MAX);
            let mut sealed = vec![0; bytes.ok_or_else(|| unexpected(&head))?];
            wire.read_exact(&mut sealed)?;
            expect(wire, "")?;
            expect(wire, "END")?;
            Ok(Some(sealed))
        })??;
        let seal = self.seal.as_ref()?;
        seal.open(&key, &sealed, now(), KEPT.into())
    }

    /// Stores `page` under `name` for a short time.
    pub fn set(&mut self, name: &str, page: &str) {
        let key = self.key(name);
        let Some(seal) = &self.seal else { return };
        let sealed = seal.close(&key, page, now());
        let head = format!("set {key} 0 {KEPT} {}\r\n", sealed.len());
        let command = [head.as_bytes(), &sealed, b"\r\n"].concat();
        self.within(|wire| {
            send(wire, &command)?;
            expect(wire, "STORED")
        });
    }

    /// Deletes the page under `name`.
    pub fn delete(&mut self, name: &str) {
        let key = self.key(name);
        self.within(|wire| {
            send(wire, format!("delete {key}\r\n").as_bytes())?;
            line(wire).map(drop)
        });
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// Runs one exchange. The kept connection may have broken since, so a failure is tried once more on a new one.
    fn within<T>(&mut self, work: impl Fn(&mut BufReader<Wire>) -> io::Result<T>) -> Option<T> {
        let (server, begun) = (self.server.as_deref()?, Instant::now());
        if self.rests_until.is_some_and(|until| begun < until) {
            return None;
        }
        let until = begun + PATIENCE;
        let kept = self.wire.take();
        let outcome = match kept.map(|wire| exchange(wire, until, &work)) {
            Some(Ok(done)) => Ok(done),
            Some(Err(error)) if late(&error) => Err(error),
            Some(Err(_)) | None => {
                connect(server, until).and_then(|wire| exchange(wire, until, &work))
            }
        };
        match outcome {
            Ok((done, wire)) => {
                self.wire = Some(wire);
                Some(done)
            }
            Err(error) => {
                eprintln!("memcached: {error}");
                self.rests_until = late(&error).then(|| Instant::now() + REST);
                None
            }
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Cache::new()
    }
}

/// A connection with a deadline for the exchange.
struct Wire {
    stream: TcpStream,
    until: Instant,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.until)?))?;
        self.stream.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.until)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Whether an app's name can be part of a key, which must not have spaces.
fn fits(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The time left until the deadline. No time left is an error.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

/// Whether an error means that time ran out. The limit of a socket is reported as "would block".
fn late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

fn connect(server: &str, until: Instant) -> io::Result<BufReader<Wire>> {
    let mut outcome = Err(ErrorKind::AddrNotAvailable.into());
    for address in server.to_socket_addrs()? {
        outcome = TcpStream::connect_timeout(&address, left(until)?);
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map(|stream| BufReader::new(Wire { stream, until }))
}

/// Does `work`, and returns the connection if it can be used again.
fn exchange<T>(
    mut wire: BufReader<Wire>,
    until: Instant,
    work: impl Fn(&mut BufReader<Wire>) -> io::Result<T>,
) -> io::Result<(T, BufReader<Wire>)> {
    wire.get_mut().until = until;
    let done = work(&mut wire)?;
    Ok((done, wire))
}

/// Writes everything at once: small pieces would wait for each other on the network.
fn send(wire: &mut BufReader<Wire>, command: &[u8]) -> io::Result<()> {
    wire.get_mut().write_all(command)
}

fn line(wire: &mut BufReader<Wire>) -> io::Result<String> {
    let mut line = String::new();
    wire.take(512).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(unexpected(&line)),
    }
}

fn expect(wire: &mut BufReader<Wire>, text: &str) -> io::Result<()> {
    let line = line(wire)?;
    if line == text {
        Ok(())
    } else {
        Err(unexpected(&line))
    }
}

fn unexpected(text: &str) -> io::Error {
    io::Error::other(format!("unexpected answer `{text}`"))
}
