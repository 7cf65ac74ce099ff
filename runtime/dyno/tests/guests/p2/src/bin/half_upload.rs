//! Sends a request with a body of unknown length to `?to=HOST:PORT`, and drops the unfinished body; with `&whole=1`, it
//! finishes the body. Reports the result. The host must never make a partial body look complete to the receiver.

use guests_p2::raw;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, ResponseOutparam, Scheme,
};

/// Enough bytes that most of them are sent when the guest drops the body.
const BYTES: usize = 1024 * 1024;

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let to = raw::param(&request, "to").expect("the address to send to");
    let upload = OutgoingRequest::new(Fields::new());
    upload.set_method(&Method::Post).expect("a method");
    upload.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    upload.set_authority(Some(&to)).expect("an address");
    upload.set_path_with_query(Some("/")).expect("a path");
    let body = upload.body().expect("it is taken once");
    let answer = outgoing_handler::handle(upload, None).expect("a sound request");
    let stream = body.write().expect("it is taken once");
    let _ = raw::write(&stream, &vec![b'x'; BYTES]);
    drop(stream);
    match raw::number(&request, "whole", 0) {
        0 => drop(body),
        _ => OutgoingBody::finish(body, None).expect("any length"),
    }
    answer.subscribe().block();
    let said = match answer.get() {
        Some(Ok(Ok(response))) => format!("answered: {}\n", response.status()),
        other => format!("failed: {other:?}\n"),
    };
    raw::reply(out, 200, &said);
}
