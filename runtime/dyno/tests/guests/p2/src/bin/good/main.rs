//! A normal app with many routes, on `wstd`. The host must serve every route correctly; the README of the
//! workspace lists routes and parameters.

mod files;
mod load;

use std::env;

use guests_p2::web::{Answer, Incoming, number, param, text};
use wstd::http::body::util::BodyExt;
use wstd::http::body::{Bytes, Frame, util::StreamBody};
use wstd::http::{Body, HeaderMap, Response};

#[wstd::http_server]
async fn main(request: Incoming) -> Answer {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/" => text(200, "hello\n"),
        "/env" => text(200, environment()),
        "/echo" => Ok(Response::new(request.into_body())),
        "/upload" => upload(request).await,
        "/headers" => text(200, headers(&request)),
        "/header" => header(&request),
        "/status" => status(&request),
        "/trailers" => trailers(),
        "/log" => log(&request),
        "/sleep" => load::sleep(request.uri()).await,
        "/spin" => load::spin(request.uri()),
        "/overlap" => load::overlap(request.uri()).await,
        "/count" => load::count(),
        "/big" => load::big(request.uri()),
        "/stream" => load::stream(request.uri()),
        "/time" => load::time(),
        "/random" => text(200, random()),
        _ => match path.strip_prefix("/env/") {
            Some(name) => variable(name),
            None => files::route(&path, request.uri()),
        },
    }
}

fn environment() -> String {
    let mut lines: Vec<String> = env::vars().map(|(k, v)| format!("{k}={v}\n")).collect();
    lines.sort();
    lines.concat()
}

fn variable(name: &str) -> Answer {
    match env::var(name) {
        Ok(value) => text(200, value),
        Err(_) => text(404, format!("{name} is not set\n")),
    }
}

async fn upload(request: Incoming) -> Answer {
    let mut body = request.into_body().into_boxed_body();
    let (mut bytes, mut frames) = (0u64, 0u64);
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            bytes += data.len() as u64;
            frames += 1;
        }
    }
    text(200, format!("bytes={bytes} frames={frames}\n"))
}

fn headers(request: &Incoming) -> String {
    let mut out = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        out += &format!("{name}: {}\n", value.as_bytes().escape_ascii());
    }
    out
}

fn header(request: &Incoming) -> Answer {
    let name = param(request.uri(), "name").unwrap_or_else(|| "x-test".to_owned());
    let value = param(request.uri(), "value").unwrap_or_default();
    Ok(Response::builder()
        .header(name, value)
        .body("ok\n".into())?)
}

fn status(request: &Incoming) -> Answer {
    let code = number(request.uri(), "code", 200);
    match u16::try_from(code).map(|code| (code, code == 204 || code == 304)) {
        Ok((code, true)) => Ok(Response::builder().status(code).body(Body::empty())?),
        Ok((code, false)) => text(code, format!("status {code}\n")),
        Err(_) => text(400, "no such status\n"),
    }
}

fn trailers() -> Answer {
    let mut fields = HeaderMap::new();
    fields.insert("x-last", "yes".parse()?);
    let frames = [Frame::data(Bytes::from("body\n")), Frame::trailers(fields)];
    let stream = futures_lite::stream::iter(frames.map(Ok::<_, wstd::http::Error>));
    Ok(Response::new(Body::from_http_body(StreamBody::new(stream))))
}

fn log(request: &Incoming) -> Answer {
    let lines = number(request.uri(), "lines", 1);
    for line in 1..=lines {
        println!("out {line}");
        eprintln!("err {line}");
    }
    text(200, format!("lines={lines}\n"))
}

/// 32 random bytes in hexadecimal.
fn random() -> String {
    let mut bytes = [0; 32];
    wstd::rand::get_random_bytes(&mut bytes);
    let hex = bytes.map(|byte| format!("{byte:02x}"));
    hex.concat() + "\n"
}
