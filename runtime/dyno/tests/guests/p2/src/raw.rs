//! Helpers for guests on the raw bindings: one helper for each host function, so that a guest can omit a step.

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::{OutputStream, StreamError};

/// Maximum size of one `blocking-write-and-flush` call, by its contract.
const WRITE_MAX: usize = 4096;

/// One parameter of the request's query string, decoded.
pub fn param(request: &IncomingRequest, name: &str) -> Option<String> {
    let target = request.path_with_query()?;
    let (_, query) = target.split_once('?')?;
    crate::web::find(query, name)
}

/// One parameter as a number; `default` if it is missing or is not a number.
pub fn number(request: &IncomingRequest, name: &str, default: u64) -> u64 {
    param(request, name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// The request's path without its query.
pub fn path(request: &IncomingRequest) -> String {
    let target = request.path_with_query().unwrap_or_default();
    target
        .split_once('?')
        .map_or(target.clone(), |(path, _)| path.to_owned())
}

/// Sends a head with these headers; the body stays open in the caller's hands.
pub fn head(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> OutgoingBody {
    let fields = Fields::new();
    for (name, value) in headers {
        fields
            .append(name, value.as_bytes())
            .expect("the guest sends sound headers");
    }
    let response = OutgoingResponse::new(fields);
    response
        .set_status_code(status)
        .expect("the guest sends a sound status");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    body
}

/// Writes all of `bytes`, and waits whenever the host requires it.
pub fn write(stream: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    bytes
        .chunks(WRITE_MAX)
        .try_for_each(|chunk| stream.blocking_write_and_flush(chunk))
}

/// A complete and correct plain-text response.
pub fn reply(out: ResponseOutparam, status: u16, text: &str) {
    let body = head(
        out,
        status,
        &[("content-type", "text/plain; charset=utf-8")],
    );
    let stream = body.write().expect("the stream is taken once");
    // A disconnected client is not an error of the guest.
    let _ = write(&stream, text.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
