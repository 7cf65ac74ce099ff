//! A web app in one function: a request comes in, a page goes out.
//!
//! Nothing here is made for a platform. The app speaks `wasi:http`, reads plain environment
//! variables, and does not know that a router stands in front of it.

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};

use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

/// Requests that this dyno has served: each dyno has a memory, and so a count, of its own.
static SERVED: AtomicU64 = AtomicU64::new(0);

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer(
            StatusCode::METHOD_NOT_ALLOWED,
            "Only GET, please.\n".to_owned(),
            "text/plain",
        );
    }
    match request.uri().path() {
        "/" => {
            let count = SERVED.fetch_add(1, Ordering::Relaxed) + 1;
            println!("hello number {count}");
            answer(StatusCode::OK, page(count), "text/html; charset=utf-8")
        }
        path => answer(
            StatusCode::NOT_FOUND,
            format!("There is nothing at {path}.\n"),
            "text/plain",
        ),
    }
}

fn answer(status: StatusCode, body: String, kind: &str) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(body.into())?)
}

fn page(count: u64) -> String {
    // The platform sets these three; their alphabets hold nothing that HTML would mind.
    let named = |name: &str, or: &str| env::var(name).unwrap_or_else(|_| or.to_owned());
    include_str!("page.html")
        .replace("{dyno}", &named("DYNO", "this process"))
        .replace("{app}", &named("APP_NAME", "hello"))
        .replace("{release}", &named("RELEASE_VERSION", "unreleased"))
        .replace("{count}", &count.to_string())
}
