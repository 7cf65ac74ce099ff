//! A web app in one function: a request comes in, a page goes out.
//!
//! The app needs no platform and no framework: it implements the standard interface
//! `wasi:http/incoming-handler`, and reads plain environment variables. The other examples use `wstd`,
//! which is more convenient for larger apps.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// Requests that this dyno has served. Each dyno has its own memory, and so its own count.
static SERVED: AtomicU64 = AtomicU64::new(0);

wasip2::http::proxy::export!(Hello);

struct Hello;

impl Guest for Hello {
    fn handle(request: IncomingRequest, response: ResponseOutparam) {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return answer(response, 405, "text/plain", "Only GET, please.\n");
        }
        let path = request.path_with_query().unwrap_or_default();
        match path.split('?').next().unwrap_or_default() {
            "/" => {
                let count = SERVED.fetch_add(1, Ordering::Relaxed) + 1;
                println!("hello number {count}");
                answer(response, 200, "text/html; charset=utf-8", &page(count));
            }
            path => {
                let text = format!("There is nothing at {path}.\n");
                answer(response, 404, "text/plain", &text);
            }
        }
    }
}

fn answer(response: ResponseOutparam, status: u16, kind: &str, text: &str) {
    let headers = [
        ("content-type".to_owned(), kind.as_bytes().to_vec()),
        (
            "content-length".to_owned(),
            text.len().to_string().into_bytes(),
        ),
    ];
    let headers = Fields::from_list(&headers).expect("these two are allowed");
    let head = OutgoingResponse::new(headers);
    head.set_status_code(status).expect("a status");
    let body = head.body().expect("it is taken once");
    ResponseOutparam::set(response, Ok(head));
    let stream = body.write().expect("it is taken once");
    // At most 4 KiB at a time. If the client has disconnected, this dyno still serves the next request.
    for part in text.as_bytes().chunks(4096) {
        let _ = stream.blocking_write_and_flush(part);
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn page(count: u64) -> String {
    // Only the count changes while this dyno lives.
    static PARTS: OnceLock<Vec<String>> = OnceLock::new();
    let parts = PARTS.get_or_init(|| {
        // The platform sets these three variables. Their values need no escaping in HTML.
        let named = |name: &str, or: &str| env::var(name).unwrap_or_else(|_| or.to_owned());
        let page = include_str!("page.html")
            .replace("{dyno}", &named("DYNO", "this process"))
            .replace("{app}", &named("APP_NAME", "hello"))
            .replace("{release}", &named("RELEASE_VERSION", "unreleased"));
        page.split("{count}").map(str::to_owned).collect()
    });
    parts.join(&count.to_string())
}
