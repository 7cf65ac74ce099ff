//! Sends a head and `?bytes=N` (1000) of body, then traps; with `?length=1` the head announced twice as much.
//! The host must abort the response, on every version of HTTP, and never end it as if it were complete.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let bytes = raw::number(&request, "bytes", 1000);
    let length = (bytes * 2).to_string();
    let body = match raw::number(&request, "length", 0) {
        1 => raw::head(out, 200, &[("content-length", &length)]),
        _ => raw::head(out, 200, &[]),
    };
    let stream = body.write().expect("the stream is taken once");
    let _ = raw::write(&stream, &vec![b'x'; bytes as usize]);
    core::arch::wasm32::unreachable()
}
