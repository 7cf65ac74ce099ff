//! Which headers pass between a client and an app.
//!
//! Owns the names of the router's own headers, and the hop-by-hop rules (RFC 9110, 7.6.1) for requests, responses and
//! trailers. Must not know apps or dynos.

mod forwarded_headers;
mod host;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;

pub use forwarded_headers::AddForwardedHeaders;
pub use host::host_without_port;

/// The id of a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// When a request arrived: milliseconds since 1970.
pub const REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
/// How long a request waited for a dyno (milliseconds).
pub const QUEUE_WAIT: HeaderName = HeaderName::from_static("x-dyno-queue-wait");
/// How many requests were waiting when a request arrived.
pub const QUEUE_DEPTH: HeaderName = HeaderName::from_static("x-dyno-queue-depth");
/// The addresses that a request came through.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The protocol of the client's own connection: `http` or `https`.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The port that the client connected to.
pub const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// The host that the client asked for, if a proxy changed `Host`.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whether a header passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HeaderRule {
    Pass,
    /// The header is for one connection only; or only the router may set it; or it could be mistaken for another header
    /// in a CGI-like environment, where `_` and `-` are the same.
    Drop,
}

/// The rule for a header of a trusted proxy's request.
fn proxy_request_rule(name: &str) -> HeaderRule {
    match name {
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authorization"
        | "te"
        | "transfer-encoding"
        | "upgrade"
        | "http2-settings"
        | "expect" => HeaderRule::Drop,
        "x-request-id" | "x-request-start" | "x-dyno-queue-wait" | "x-dyno-queue-depth" => {
            HeaderRule::Drop
        }
        other if other.as_bytes().contains(&b'_') => HeaderRule::Drop,
        _ => HeaderRule::Pass,
    }
}

/// The rule for a header of any other client's request. Claims that only a proxy can make are dropped as well: apps
/// believe many of them (`X-Forwarded-Host`, `-Ssl`, `-Scheme`, `-Prefix`, `-User`).
fn request_rule(name: &str) -> HeaderRule {
    match name {
        "forwarded" | "x-real-ip" => HeaderRule::Drop,
        other if other.starts_with("x-forwarded-") => HeaderRule::Drop,
        other => proxy_request_rule(other),
    }
}

fn response_rule(name: &str) -> HeaderRule {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "proxy-authenticate" | "te"
        | "transfer-encoding" | "upgrade" | "x-request-id" => HeaderRule::Drop,
        _ => HeaderRule::Pass,
    }
}

/// Names that are kept even if a `Connection` header lists them: without them the message would change its meaning.
fn is_protected(name: &HeaderName) -> bool {
    *name == header::HOST || *name == header::CONTENT_LENGTH || *name == FORWARDED_FOR
}

fn strip(headers: &mut HeaderMap, rule: fn(&str) -> HeaderRule) {
    // Most messages have nothing to remove: one pass without allocating.
    if headers
        .keys()
        .all(|name| rule(name.as_str()) == HeaderRule::Pass)
    {
        return;
    }
    let mut dropped: Vec<HeaderName> = headers
        .keys()
        .filter(|name| rule(name.as_str()) == HeaderRule::Drop)
        .cloned()
        .collect();
    for value in headers.get_all(header::CONNECTION) {
        let listed = value.as_bytes().split(|byte| *byte == b',');
        dropped.extend(
            listed
                .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
                .filter(|name| !is_protected(name)),
        );
    }
    for name in dropped {
        headers.remove(name);
    }
}

/// Removes from a client's request the headers that the app must not see.
pub fn strip_request(headers: &mut HeaderMap) {
    strip(headers, request_rule);
}

/// Removes from a trusted proxy's request the headers that the app must not see.
pub fn strip_proxy_request(headers: &mut HeaderMap) {
    strip(headers, proxy_request_rule);
}

/// Removes from a guest's response the headers that are not the guest's to set.
pub fn strip_response(head: &mut Parts) {
    strip(&mut head.headers, response_rule);
    trim_values(&mut head.headers);
    if head.status == StatusCode::NO_CONTENT {
        // RFC 9110, 8.6: a 204 has no Content-Length.
        head.headers.remove(header::CONTENT_LENGTH);
    }
}

/// Removes from an interim response (1xx) the headers that are for one connection only.
pub fn strip_interim(mut headers: HeaderMap) -> HeaderMap {
    strip(&mut headers, response_rule);
    trim_values(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    headers
}

/// Removes from trailers the fields that would change the message after the fact (RFC 9110, 6.5.1).
pub fn strip_trailers(mut trailers: HeaderMap) -> HeaderMap {
    strip(&mut trailers, response_rule);
    trim_values(&mut trailers);
    for name in [
        header::CONTENT_LENGTH,
        header::HOST,
        header::CONTENT_ENCODING,
        header::CONTENT_TYPE,
        header::CONTENT_RANGE,
        header::TRAILER,
        header::SET_COOKIE,
    ] {
        trailers.remove(name);
    }
    trailers
}

/// Removes blanks around values. They are no part of the value, and HTTP/2 forbids them (RFC 9113, 8.2.1).
fn trim_values(headers: &mut HeaderMap) {
    let is_trimmed = |value: &HeaderValue| value.as_bytes().trim_ascii().len() == value.len();
    if headers.values().all(is_trimmed) {
        return;
    }
    for value in headers.values_mut() {
        if let Ok(trimmed) = HeaderValue::from_bytes(value.as_bytes().trim_ascii()) {
            *value = trimmed;
        }
    }
}

/// The protocol that a request asks to switch to: `Upgrade`, if `Connection` lists it (RFC 9110, 7.8).
pub fn requested_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(header::UPGRADE)?;
    let lists_upgrade = |value: &HeaderValue| {
        let mut names = value.as_bytes().split(|byte| *byte == b',');
        names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    let mut connection = headers.get_all(header::CONNECTION).iter();
    connection.any(lists_upgrade).then(|| protocol.clone())
}

/// Adds `Upgrade` and its `Connection` to headers that were stripped of them.
pub fn set_protocol_switch(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}
