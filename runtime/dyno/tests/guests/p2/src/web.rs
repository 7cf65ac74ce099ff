//! Helpers for guests that use `wstd`, like a normal app.

use wstd::http::{Body, Error, Request, Response, Uri};

/// The request of a handler.
pub type Incoming = Request<Body>;
/// The result of a handler.
pub type Answer = Result<Response<Body>, Error>;

/// A plain-text response.
pub fn text(status: u16, body: impl Into<String>) -> Answer {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(body.into().into())?)
}

/// One parameter of the query string, decoded.
pub fn param(uri: &Uri, name: &str) -> Option<String> {
    find(uri.query().unwrap_or_default(), name)
}

/// One parameter as a number; `default` if it is missing or is not a number.
pub fn number(uri: &Uri, name: &str, default: u64) -> u64 {
    param(uri, name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

pub(crate) fn find(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
