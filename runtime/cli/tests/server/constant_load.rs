//! Constant load on one app, which records every response that is not 200, and every broken connection.
//!
//! Owns how requests are sent. Must not know what a test does to the app.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use testkit::{HttpReply, http};

/// Number of HTTP/1.1 connections, which are kept open.
const CONNECTIONS: usize = 3;
/// Number of concurrent requests on the HTTP/2 connection.
const STREAMS: usize = 3;
/// Pause between two requests, so that the machine can do other work.
const PAUSE: Duration = Duration::from_millis(10);
/// One of this many requests takes 200 ms.
const SLOW_EVERY: u64 = 10;

/// The results of the load so far.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    good: AtomicU64,
    bad: Mutex<Vec<String>>,
}

impl Seen {
    fn take(&self, what: &str, answer: Result<u16, String>) {
        match answer {
            Ok(200) => {
                self.good.fetch_add(1, Ordering::Relaxed);
            }
            Ok(status) => self.bad.lock().unwrap().push(format!("{what}: {status}")),
            Err(error) => self.bad.lock().unwrap().push(format!("{what}: {error}")),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A running load, which ends with [`Load::stop`] or on drop.
pub(crate) struct Load {
    seen: Arc<Seen>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the load on an app, which must be `good` or `good3`.
    pub(crate) fn start(port: u16, app: &str) -> Load {
        let seen = Arc::<Seen>::default();
        let mut threads = Vec::new();
        for _ in 0..CONNECTIONS {
            let (seen, app) = (Arc::clone(&seen), app.to_owned());
            threads.push(thread::spawn(move || one(port, &app, &seen)));
        }
        let (streams, app) = (Arc::clone(&seen), app.to_owned());
        threads.push(thread::spawn(move || two(port, &app, &streams)));
        Load { seen, threads }
    }

    /// The number of requests answered with 200 so far.
    pub(crate) fn good(&self) -> u64 {
        self.seen.good.load(Ordering::Relaxed)
    }

    /// The errors so far.
    pub(crate) fn bad(&self) -> Vec<String> {
        self.seen.bad.lock().unwrap().clone()
    }

    /// Stops the load after all running requests. Returns the number of answers with 200, and the errors.
    pub(crate) fn stop(mut self) -> (u64, Vec<String>) {
        self.seen.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        (self.good(), self.bad())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
    }
}

/// The path of a connection's request with this number.
fn path(number: u64) -> &'static str {
    if number % SLOW_EVERY == SLOW_EVERY - 1 {
        "/sleep?ms=200"
    } else {
        "/env/RELEASE_VERSION"
    }
}

/// Sends requests on an HTTP/1.1 connection. Opens a new connection only if the last one broke.
fn one(port: u16, app: &str, seen: &Seen) {
    let mut number = 0;
    while !seen.stopped() {
        let mut stream = match http::connect(port) {
            Ok(stream) => stream,
            Err(error) => {
                seen.take("connect", Err(error.to_string()));
                thread::sleep(PAUSE);
                continue;
            }
        };
        while !seen.stopped() {
            number += 1;
            let answer = keep_alive(&mut stream, app, path(number));
            let broken = answer.is_err();
            let what = format!("HTTP/1.1 {}", path(number));
            seen.take(&what, answer.map_err(|error| error.to_string()));
            if broken {
                break;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// One request on a connection that stays open.
fn keep_alive(stream: &mut TcpStream, app: &str, path: &str) -> io::Result<u16> {
    let request = http::encode_request("GET", path, &[format!("Host: {app}.localhost")], b"");
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..read]);
        let reply = HttpReply::parse(&answer);
        let framed = ["content-length", "transfer-encoding"];
        if reply.complete && framed.iter().any(|name| reply.header(name).is_some()) {
            return Ok(reply.status);
        }
    }
}

/// Sends concurrent requests on an HTTP/2 connection. Opens a new connection only if the last one broke.
fn two(port: u16, app: &str, seen: &Arc<Seen>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        while !seen.stopped() {
            if let Err(error) = streams(port, app, seen).await {
                seen.take("HTTP/2", Err(error.to_string()));
                tokio::time::sleep(PAUSE).await;
            }
        }
    });
}

async fn streams(port: u16, app: &str, seen: &Arc<Seen>) -> Result<(), h2::Error> {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(|_| h2::Error::from(h2::Reason::CONNECT_ERROR))?;
    let (client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    let mut tasks = tokio::task::JoinSet::new();
    for offset in 0..STREAMS {
        let (client, seen, app) = (client.clone(), Arc::clone(seen), app.to_owned());
        tasks.spawn(async move {
            let mut number = offset as u64 * 3;
            while !seen.stopped() {
                number += 1;
                let answer = stream_of(&client, &app, path(number)).await;
                let broken = answer.is_err();
                let what = format!("HTTP/2 {}", path(number));
                seen.take(&what, answer.map_err(|error| error.to_string()));
                if broken {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    Ok(())
}

async fn stream_of(client: &SendRequest<Bytes>, app: &str, path: &str) -> Result<u16, h2::Error> {
    let uri = format!("http://{app}.localhost{path}");
    let request = ::http::Request::get(uri)
        .version(::http::Version::HTTP_2)
        .body(())
        .unwrap();
    let (answer, _) = client.clone().ready().await?.send_request(request, true)?;
    let (head, mut body) = answer.await?.into_parts();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
    }
    Ok(head.status.as_u16())
}
