//! On `wstd`: answers with `status` (200), announces `length` (1234; 0: none), and sends `bytes` (0) of body, whatever
//! the length; `/panic` panics. The host must accept any length where the protocol sends no content (HEAD, 204, 304),
//! and must replace the dyno at once after a panic.

use guests_p2::web::{Answer, Incoming, number};
use wstd::http::{Body, Response};

#[wstd::http_server]
async fn main(request: Incoming) -> Answer {
    let uri = request.uri();
    if uri.path() == "/ok" {
        return guests_p2::web::text(200, format!("ok {}\n", guests_p2::count_call()));
    }
    guests_p2::count_call();
    assert_ne!(uri.path(), "/panic", "the stranger has found it");
    let mut response = Response::builder().status(number(uri, "status", 200) as u16);
    let length = number(uri, "length", 1234);
    if length > 0 {
        response = response.header("content-length", length);
    }
    let bytes = vec![b'x'; number(uri, "bytes", 0) as usize];
    Ok(response.body(Body::from(bytes))?)
}
