//! A normal app with many routes on WASI 0.3, with the routes of `good`. Files and environment come through the
//! standard library, which uses WASI 0.2 on this target; the host must link both.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::{env, fs};

use guests_p3::{Answer, fields, number, path, sleep_ms, streamed, text};
use wasip3::http::types::{Request, Response};
use wasip3::wit_bindgen::rt::async_support::StreamResult;
use wasip3::wit_future;

/// Size of the chunks of a large body.
const CHUNK_BYTES: u64 = 64 * 1024;

static COUNT: AtomicU64 = AtomicU64::new(0);
static IN_FLIGHT: AtomicU32 = AtomicU32::new(0);

struct Good;

wasip3::http::service::export!(Good);

impl wasip3::exports::http::handler::Guest for Good {
    async fn handle(request: Request) -> Answer {
        let path = path(&request);
        match path.as_str() {
            "/" => text(200, "hello\n"),
            "/env" => text(200, environment()),
            "/echo" => echo(request),
            "/upload" => upload(request).await,
            "/headers" => text(200, headers(&request)),
            "/status" => text(number(&request, "code", 200) as u16, "status\n"),
            "/sleep" => {
                let ms = number(&request, "ms", 50);
                sleep_ms(ms).await;
                text(200, format!("slept {ms}\n"))
            }
            "/overlap" => overlap(number(&request, "ms", 50)).await,
            "/count" => text(
                200,
                format!("{}\n", COUNT.fetch_add(1, Ordering::SeqCst) + 1),
            ),
            "/big" => big(number(&request, "bytes", 1024 * 1024)),
            "/stream" => stream(&request),
            "/log" => log(number(&request, "lines", 1)),
            "/files" => text(200, files()),
            _ => match path.strip_prefix("/env/").map(env::var) {
                Some(Ok(value)) => text(200, value),
                _ => text(404, "not found\n"),
            },
        }
    }
}

fn main() {}

fn environment() -> String {
    let mut lines: Vec<String> = env::vars().map(|(k, v)| format!("{k}={v}\n")).collect();
    lines.sort();
    lines.concat()
}

fn echo(request: Request) -> Answer {
    let (_, done) = wit_future::new(|| Ok(()));
    let (contents, trailers) = Request::consume_body(request, done);
    let (response, _sent) = Response::new(fields(&[]), Some(contents), trailers);
    Ok(response)
}

async fn upload(request: Request) -> Answer {
    let (_, done) = wit_future::new(|| Ok(()));
    let (mut contents, _trailers) = Request::consume_body(request, done);
    let (mut bytes, mut buffer) = (0, Vec::with_capacity(CHUNK_BYTES as usize));
    loop {
        buffer.clear();
        let (result, filled) = contents.read(buffer).await;
        bytes += filled.len();
        buffer = filled;
        if !matches!(result, StreamResult::Complete(_)) {
            return text(200, format!("bytes={bytes}\n"));
        }
    }
}

fn headers(request: &Request) -> String {
    let target = request.get_path_with_query().unwrap_or_default();
    let mut out = format!("{:?} {target}\n", request.get_method());
    for (name, value) in request.get_headers().copy_all() {
        out += &format!("{name}: {}\n", value.escape_ascii());
    }
    out
}

/// 500 if another call is in progress in this instance, which WASI 0.3 allows a host to do.
async fn overlap(ms: u64) -> Answer {
    let others = IN_FLIGHT.fetch_add(1, Ordering::SeqCst);
    sleep_ms(ms).await;
    IN_FLIGHT.fetch_sub(1, Ordering::SeqCst);
    match others {
        0 => text(200, "alone\n"),
        _ => text(500, format!("overlapped with {others}\n")),
    }
}

fn big(bytes: u64) -> Answer {
    streamed(200, fields(&[]), move |mut sink| async move {
        let mut left = bytes;
        while left > 0 {
            let now = left.min(CHUNK_BYTES);
            if !sink.write_all(vec![b'x'; now as usize]).await.is_empty() {
                return;
            }
            left -= now;
        }
    })
}

fn stream(request: &Request) -> Answer {
    let chunks = number(request, "chunks", 10);
    let bytes = number(request, "bytes", 10) as usize;
    let ms = number(request, "ms", 10);
    streamed(200, fields(&[]), move |mut sink| async move {
        for _ in 0..chunks {
            sleep_ms(ms).await;
            if !sink.write_all(vec![b'x'; bytes]).await.is_empty() {
                return;
            }
        }
    })
}

fn log(lines: u64) -> Answer {
    for line in 1..=lines {
        println!("out {line}");
        eprintln!("err {line}");
    }
    text(200, format!("lines={lines}\n"))
}

fn files() -> String {
    let written = fs::write("./tmp/a.txt", "one").is_ok();
    let read = fs::read_to_string("/tmp/a.txt").unwrap_or_default();
    let removed = fs::remove_file("/tmp/a.txt").is_ok();
    let log = fs::write("./log/a.log", "line\n").is_ok();
    let forbidden = fs::write("/forbidden.txt", "x").is_err();
    format!(
        "write_tmp: {written}\nread_tmp: {read}\nremove_tmp: {removed}\nwrite_log: {log}\nwrite_root_refused: {forbidden}\n"
    )
}
