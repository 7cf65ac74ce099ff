//! The load generator: connections that each send a request as soon as the last one is answered.
//!
//! Owns one thread and its sockets for the time of a run. Every response is read to its end, counted,
//! and held against what was expected. Closed loop: latency is what a client of such a number of
//! connections sees at full load, not what one sees at a given rate.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::load::http1_response::{self, Http1Response};

/// Bytes of a connection's buffer at first; it grows with the response.
const BUFFER_BYTES: usize = 16 * 1024;
/// Longest response, in bytes: more than any scenario asks for.
const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Failed requests after which a run is given up.
const FAILURES_MAX: u64 = 100;
/// How long no request at all may be answered.
const STALL_MAX: Duration = Duration::from_secs(30);
/// Longest latency that is recorded exactly, in nanoseconds: a minute.
const LATENCY_NANOS_MAX: u64 = 60_000_000_000;
/// Significant digits of a latency: exact within a tenth of a per cent.
const LATENCY_DIGITS: u8 = 3;

/// The target of a load: the address, the request, and the expected answer.
#[derive(Debug, Clone)]
pub(crate) struct LoadTarget {
    pub(crate) address: SocketAddr,
    /// A request as bytes on the wire.
    pub(crate) request: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) body_bytes: RangeInclusive<usize>,
}

/// A `GET` as bytes on the wire.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: hello.localhost\r\nUser-Agent: benches\r\nAccept: */*\r\n\r\n"
    )
    .into_bytes()
}

/// A `POST` as bytes on the wire.
pub(crate) fn post(path: &str, media: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: hello.localhost\r\nUser-Agent: benches\r\nAccept: */*\r\n\
         Content-Type: {media}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// When a run ends. Requests that are under way then are finished and counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LoadEnd {
    Elapsed(Duration),
    Requests(u64),
}

/// The results of a run.
#[derive(Debug)]
pub(crate) struct LoadTally {
    /// Requests answered as expected.
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    nanos: Histogram<u64>,
}

impl LoadTally {
    /// The latency that such a share of all requests did not exceed, in µs.
    pub(crate) fn latency_micros(&self, share: f64) -> f64 {
        self.nanos.value_at_quantile(share) as f64 / 1e3
    }
}

/// Keeps `connections` connections busy on this thread. A single wrong answer makes the run an error, without a figure.
pub(crate) fn run(target: &LoadTarget, connections: u32, until: LoadEnd) -> Result<LoadTally> {
    let targets = [target.clone()];
    let tallies = run_mixed(&targets, u64::MAX, connections, until)?;
    tallies.into_iter().next().context("a target has a tally")
}

/// Like [`run`], with several targets: each `every`-th request goes to one of the further targets, in turn, and all
/// other requests go to the first target. Returns a tally for each target.
pub(crate) fn run_mixed(
    targets: &[LoadTarget],
    every: u64,
    connections: u32,
    until: LoadEnd,
) -> Result<Vec<LoadTally>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the load generator does not start")?;
    let first = targets.first().context("there is nothing to ask")?;
    let streams = runtime.block_on(open_connections(first.address, connections))?;
    let shared = Rc::new(LoadState::new(targets, every, until)?);
    let local = LocalSet::new();
    let workers: Vec<_> = streams
        .into_iter()
        .map(|stream| local.spawn_local(drive_connection(Rc::clone(&shared), stream)))
        .collect();
    let began = Instant::now();
    runtime.block_on(local.run_until(async {
        let all = async {
            for worker in workers {
                worker.await.context("a connection's task broke off")?;
            }
            Ok(())
        };
        tokio::select! {
            done = all => done,
            stalled = fail_on_stall(&shared) => stalled,
        }
    }))?;
    let elapsed = began.elapsed();
    drop(local);
    if let Some(failure) = shared.failure.take() {
        let count = shared.failures.get();
        return Err(failure.context(format!("{count} requests failed; the first one")));
    }
    let tally = |nanos: &RefCell<Histogram<u64>>| {
        let nanos = nanos.replace(new_histogram()?);
        Ok(LoadTally {
            requests: nanos.len(),
            elapsed,
            nanos,
        })
    };
    shared.nanos.iter().map(tally).collect()
}

/// One page: its status, its body and the header of that name. For setting up, not for measuring.
pub(crate) fn fetch(address: SocketAddr, path: &str, header: &str) -> Result<FetchedPage> {
    ask(address, &get(path), header)
}

/// The same for any request, as bytes on the wire.
pub(crate) fn ask(address: SocketAddr, request: &[u8], header: &str) -> Result<FetchedPage> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(STALL_MAX))?;
    stream.write_all(request)?;
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; BUFFER_BYTES]);
    loop {
        let length = stream.read(&mut buffer)?;
        ensure!(length > 0, "the connection was closed in mid-response");
        bytes.extend_from_slice(&buffer[..length]);
        if let Some(response) = http1_response::response(&bytes)? {
            let page = http1_response::page(&bytes, header)?;
            let (body, header) = page.context("a whole response has a body")?;
            return Ok(FetchedPage {
                status: response.status,
                body,
                header,
            });
        }
    }
}

/// See [`fetch`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FetchedPage {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Empty if the response does not have it.
    pub(crate) header: String,
}

fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, LATENCY_DIGITS)
        .context("the latencies cannot be counted")
}

/// State that the connections of a run share; all are on one thread.
struct LoadState {
    targets: Vec<LoadTarget>,
    /// Of so many requests, the last is for one of the further targets.
    every: u64,
    taken: Cell<u64>,
    deadline: Option<Instant>,
    left: Cell<u64>,
    answered: Cell<u64>,
    failures: Cell<u64>,
    failure: Cell<Option<anyhow::Error>>,
    /// One for each target.
    nanos: Vec<RefCell<Histogram<u64>>>,
}

impl LoadState {
    fn new(targets: &[LoadTarget], every: u64, until: LoadEnd) -> Result<LoadState> {
        let (deadline, left) = match until {
            LoadEnd::Elapsed(time) => (Some(Instant::now() + time), u64::MAX),
            LoadEnd::Requests(count) => (None, count),
        };
        let nanos = targets.iter().map(|_| new_histogram().map(RefCell::new));
        Ok(LoadState {
            targets: targets.to_vec(),
            every,
            taken: Cell::new(0),
            deadline,
            left: Cell::new(left),
            answered: Cell::new(0),
            failures: Cell::new(0),
            failure: Cell::default(),
            nanos: nanos.collect::<Result<_>>()?,
        })
    }

    /// Takes one request of those that are left: the index of its target.
    fn take(&self, now: Instant) -> Option<usize> {
        let open = self.deadline.is_none_or(|deadline| now < deadline);
        let left = self.left.get();
        if !open || left == 0 || self.failures.get() >= FAILURES_MAX {
            return None;
        }
        self.left.set(left - 1);
        let taken = self.taken.get() + 1;
        self.taken.set(taken);
        let further = self.targets.len() as u64 - 1;
        let index = if further > 0 && taken.is_multiple_of(self.every) {
            1 + (taken / self.every) % further
        } else {
            0
        };
        usize::try_from(index).ok()
    }

    fn answered(&self, index: usize, latency: Duration) {
        self.answered.set(self.answered.get() + 1);
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.nanos[index].borrow_mut().saturating_record(nanos);
    }

    fn failed(&self, error: anyhow::Error) {
        self.failures.set(self.failures.get() + 1);
        let first = self.failure.take();
        self.failure.set(Some(first.unwrap_or(error)));
    }

    fn check(target: &LoadTarget, response: &Http1Response) -> Result<()> {
        let LoadTarget {
            status, body_bytes, ..
        } = target;
        let Http1Response {
            status: came,
            body_bytes: length,
            ..
        } = response;
        ensure!(came == status, "status {came} instead of {status}");
        ensure!(
            body_bytes.contains(length),
            "a body of {length} bytes instead of {body_bytes:?}"
        );
        Ok(())
    }
}

/// Opens all connections before the first request, so that neither the time to connect is measured, nor
/// the delay of one second when the server's accept backlog is full.
async fn open_connections(address: SocketAddr, connections: u32) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    for number in 1..=connections {
        let stream = tokio::time::timeout(STALL_MAX, open_connection(address)).await;
        let stream = stream.context("not in time").and_then(|made| made);
        streams.push(stream.with_context(|| format!("connection {number} was not made"))?);
    }
    Ok(streams)
}

async fn open_connection(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends requests on one connection, which is reopened after the server has closed it.
async fn drive_connection(shared: Rc<LoadState>, stream: TcpStream) {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut stream = Some(stream);
    let mut now = Instant::now();
    while let Some(index) = shared.take(now) {
        let began = now;
        let result = send_and_check(&shared.targets[index], &mut stream, &mut buffer).await;
        now = Instant::now();
        match result {
            Ok(()) => shared.answered(index, now - began),
            Err(error) => {
                stream = None;
                shared.failed(error);
            }
        }
    }
}

async fn send_and_check(
    target: &LoadTarget,
    slot: &mut Option<TcpStream>,
    buffer: &mut Vec<u8>,
) -> Result<()> {
    let stream = match slot {
        Some(stream) => stream,
        None => slot.insert(open_connection(target.address).await?),
    };
    buffer.clear();
    stream.write_all(&target.request).await?;
    let response = loop {
        let length = stream.read_buf(buffer).await?;
        ensure!(length > 0, "the connection was closed in mid-response");
        if let Some(response) = http1_response::response(buffer)? {
            break response;
        }
        ensure!(
            buffer.len() < RESPONSE_BYTES_MAX,
            "the response does not end"
        );
    };
    ensure!(
        response.wire_bytes == buffer.len(),
        "bytes after the response that nobody asked for"
    );
    if response.close {
        *slot = None;
    }
    LoadState::check(target, &response)
}

/// Fails when no request was answered for too long. Never returns otherwise.
async fn fail_on_stall(shared: &LoadState) -> Result<()> {
    loop {
        let before = shared.answered.get();
        tokio::time::sleep(STALL_MAX).await;
        if shared.answered.get() == before {
            bail!(
                "no request was answered for {} seconds",
                STALL_MAX.as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every read on a connection with the same bytes.
    fn server(answer: &'static [u8]) -> SocketAddr {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).is_ok_and(|length| length > 0) {
                        if stream.write_all(answer).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        address
    }

    fn target(answer: &'static [u8]) -> LoadTarget {
        LoadTarget {
            address: server(answer),
            request: get("/"),
            status: 200,
            body_bytes: 2..=3,
        }
    }

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    #[test]
    fn every_request_is_counted() {
        let tally = run(&target(OK), 7, LoadEnd::Requests(1_000)).expect("a run");
        assert_eq!(tally.requests, 1_000);
        assert_eq!(tally.nanos.len(), 1_000);
        let quantiles = [0.5, 0.99, 0.999].map(|share| tally.latency_micros(share));
        assert!(quantiles[0] > 0.0 && quantiles.is_sorted());
        assert!(tally.elapsed > Duration::ZERO);
    }

    #[test]
    fn rare_requests_are_counted_separately() {
        let targets = [target(OK), target(OK), target(OK)];
        let tallies = run_mixed(&targets, 10, 3, LoadEnd::Requests(200)).expect("a run");
        let counts: Vec<u64> = tallies.iter().map(|tally| tally.requests).collect();
        assert_eq!(counts, [180, 10, 10]);
    }

    #[test]
    fn a_body_is_posted() {
        let text = String::from_utf8(post("/echo", "text/plain", b"abc")).expect("text");
        assert!(text.starts_with("POST /echo HTTP/1.1\r\n") && text.ends_with("\r\n\r\nabc"));
        assert!(text.contains("Content-Length: 3\r\n"));
    }

    #[test]
    fn a_wrong_answer_fails_the_run() {
        for (answer, says) in [
            (
                &b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nok"[..],
                "status 500",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\no",
                "a body of 1 bytes",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokay",
                "nobody asked for",
            ),
            (b"what?", "invalid"),
        ] {
            let error = run(&target(answer), 2, LoadEnd::Requests(10)).expect_err("no figure");
            assert!(format!("{error:#}").contains(says), "{error:#}");
        }
    }

    #[test]
    fn a_closed_connection_is_reopened() {
        let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
        let tally = run(&target(answer), 2, LoadEnd::Requests(20)).expect("a run");
        assert_eq!(tally.requests, 20);
    }

    #[test]
    fn a_page_is_fetched() {
        let page = FetchedPage {
            status: 200,
            body: b"ok".to_vec(),
            header: "2".to_owned(),
        };
        let fetched = fetch(server(OK), "/", "content-length");
        assert_eq!(fetched.expect("a page"), page);
    }
}
