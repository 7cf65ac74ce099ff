//! The app that the benches measure: one path for each kind of work, and nothing else.
//!
//! Owns what a request makes a server do: answer shortly, answer with 64 KiB, give a body back,
//! compute, wait, trap. The peers do the same, byte for byte and round for round. Knows nothing of
//! who runs it: any host of `wasi:http/incoming-handler` will do.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | [`HELLO`] |
//! | `GET /body` | [`BODY_BYTES`] bytes, the alphabet again and again |
//! | `POST /echo` | the body, of [`ECHO_BYTES_MAX`] bytes at most |
//! | `GET /cpu?rounds=N` | a number that takes `N` rounds to compute, in decimal |
//! | `GET /sleep?ms=N` | `slept`, after `N` milliseconds; fractions are fine |
//! | `GET /trap` | none: the instance ends |

mod work;

use std::sync::OnceLock;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

/// The body of the answer to `GET /`.
const HELLO: &str = "Hello from a dyno, whichever it is.\n";
/// Bytes of `GET /body`.
const BODY_BYTES: usize = 64 * 1024;
/// Longest body that is given back, in bytes.
const ECHO_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that a stream takes at once: `blocking-write-and-flush` of `wasi:io` allows no more.
const WRITE_BYTES_MAX: usize = 4096;
/// Longest wait, in milliseconds.
const SLEEP_MILLIS_MAX: f64 = 60_000.0;

wasip2::http::proxy::export!(Bench);

struct Bench;

impl Guest for Bench {
    fn handle(request: IncomingRequest, response: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match (request.method(), path) {
            (Method::Get, "/") => answer(response, 200, HELLO.as_bytes()),
            (Method::Get, "/body") => answer(response, 200, body()),
            (Method::Post, "/echo") => match content(&request) {
                Some(bytes) => answer(response, 200, &bytes),
                None => answer(response, 400, b"The body is too long, or broke off.\n"),
            },
            (Method::Get, "/cpu") => match number(query, "rounds") {
                Some(rounds) => answer(response, 200, work::work(rounds).to_string().as_bytes()),
                None => answer(response, 400, b"How many rounds?\n"),
            },
            (Method::Get, "/sleep") => match number(query, "ms") {
                Some(millis) => {
                    sleep(millis);
                    answer(response, 200, b"slept\n");
                }
                None => answer(response, 400, b"How many ms?\n"),
            },
            (Method::Get, "/trap") => std::process::abort(),
            _ => answer(response, 404, b"There is nothing here.\n"),
        }
    }
}

/// The value of `name` in a query such as `ms=0.5`.
fn number<T: std::str::FromStr>(query: &str, name: &str) -> Option<T> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    value.parse().ok()
}

fn body() -> &'static [u8] {
    static BODY: OnceLock<Vec<u8>> = OnceLock::new();
    BODY.get_or_init(|| (b'a'..=b'z').cycle().take(BODY_BYTES).collect())
}

/// Waits without computing, for the longest time allowed at most.
fn sleep(millis: f64) {
    let nanos = millis.clamp(0.0, SLEEP_MILLIS_MAX) * 1e6;
    subscribe_duration(nanos as u64).block();
}

/// The whole body; none if it is too long or broke off.
fn content(request: &IncomingRequest) -> Option<Vec<u8>> {
    let body = request.consume().ok()?;
    let stream = body.stream().ok()?;
    let mut content = Vec::new();
    loop {
        match stream.blocking_read(ECHO_BYTES_MAX as u64) {
            Ok(part) => content.extend_from_slice(&part),
            Err(StreamError::Closed) => return Some(content),
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
        if content.len() > ECHO_BYTES_MAX {
            return None;
        }
    }
}

fn answer(response: ResponseOutparam, status: u16, content: &[u8]) {
    let headers = [
        ("content-type".to_owned(), b"text/plain".to_vec()),
        (
            "content-length".to_owned(),
            content.len().to_string().into_bytes(),
        ),
    ];
    let headers = Fields::from_list(&headers).expect("these two are allowed");
    let head = OutgoingResponse::new(headers);
    if status != 200 {
        head.set_status_code(status).expect("a status");
    }
    let body = head.body().expect("it is taken once");
    ResponseOutparam::set(response, Ok(head));
    let stream = body.write().expect("it is taken once");
    // A client that has gone is no reason to fail: the next request comes.
    for part in content.chunks(WRITE_BYTES_MAX) {
        let _ = stream.blocking_write_and_flush(part);
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
