//! The page, in memcached: the text protocol, as far as one page needs it.
//!
//! A cache is allowed to be away: whatever goes wrong here is a miss, and the next request tries again. It may also be
//! everybody's: our keys begin with the app's name, and what is kept under them is sealed.

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::seal::Seal;

/// Seconds that a page is kept at most: so long it may be old, if a dyno put it there while another one wrote.
const KEPT: u32 = 10;
/// The most that is taken for a page, in bytes: what memcached itself allows.
const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// How long one exchange may take, with connecting: PostgreSQL would have answered long before.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a server that took too long is left alone. Pages that we could not delete meanwhile are gone then.
const REST: Duration = Duration::from_secs(KEPT as u64);
/// The longest app name that goes into a key; memcached takes keys of 250 bytes.
const NAME_BYTES_MAX: usize = 100;

/// One connection, made when it is first needed.
pub struct Cache {
    /// The first of `MEMCACHED_SERVERS`.
    server: Option<String>,
    /// None without `DATABASE_URL`, and then nothing is kept.
    seal: Option<Seal>,
    /// What our keys begin with.
    prefix: String,
    wire: Option<BufReader<Wire>>,
    rests_until: Option<Instant>,
}

impl Cache {
    /// Not connected yet. An app without `MEMCACHED_SERVERS` has a cache that is always empty.
    pub fn new() -> Cache {
        let servers = env::var("MEMCACHED_SERVERS").unwrap_or_default();
        let server = servers.split(',').next().map(str::trim);
        let name = env::var("APP_NAME").ok().filter(|name| fits(name));
        Cache {
            server: server.filter(|it| !it.is_empty()).map(str::to_owned),
            // The one thing that all dynos of this app know, and no other app.
            seal: env::var("DATABASE_URL").ok().and_then(|it| Seal::new(&it)),
            prefix: format!("guestbook:{}", name.as_deref().unwrap_or("guestbook")),
            wire: None,
            rests_until: None,
        }
    }

    /// What this app keeps under `name`, if it is there.
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

    /// Keeps `page` under `name` for a moment.
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

    /// Forgets what is kept under `name`.
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

    /// Runs one exchange. A connection that was kept may have broken since, so that it is tried once more on a new one.
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

/// A connection whose exchange has to be over at some time.
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

/// Whether an app's name can be part of a key, which has no spaces.
fn fits(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// What is left until then; nothing is an error.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

/// Whether it took too long; a socket's own limit says that it would block.
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

/// Does `work`, and gives the connection back if it is still good.
fn exchange<T>(
    mut wire: BufReader<Wire>,
    until: Instant,
    work: impl Fn(&mut BufReader<Wire>) -> io::Result<T>,
) -> io::Result<(T, BufReader<Wire>)> {
    wire.get_mut().until = until;
    let done = work(&mut wire)?;
    Ok((done, wire))
}

/// All at once: small pieces, one by one, would wait for each other on the network.
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
