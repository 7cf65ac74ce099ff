//! Announces 1000 bytes, writes 100, and finishes; with `?how=drop` it drops the body unfinished instead. The host
//! must abort the response and never end it as if it were complete.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, OutgoingBody, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let body = raw::head(out, 200, &[("content-length", "1000")]);
    let stream = body.write().expect("the stream is taken once");
    let _ = raw::write(&stream, &[b'x'; 100]);
    drop(stream);
    match raw::param(&request, "how").as_deref() {
        Some("drop") => drop(body),
        _ => eprintln!("finish: {:?}", OutgoingBody::finish(body, None)),
    }
}
