//! Which headers pass, and which are added.
//!
//! Owns hop-by-hop rules, the headers that tell an app who asked and how long it waited, and the removal of a
//! client's copies of them. Must not know apps or dynos.

use crate::request::forwarded::{self, FORWARDED_FOR, FORWARDED_PORT, FORWARDED_PROTO};
use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http::{StatusCode, Version};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
const QUEUE_WAIT: HeaderName = HeaderName::from_static("x-dyno-queue-wait");
const QUEUE_DEPTH: HeaderName = HeaderName::from_static("x-dyno-queue-depth");

/// What the app is told of a request besides what the client said. Most of the work is putting it into the headers, and an
/// app that does not look at them needs none of it.
#[derive(Debug)]
pub struct Told {
    /// The value of `X-Forwarded-For`.
    pub(crate) addresses: HeaderValue,
    /// The request came from a proxy whose forwarding headers are believed.
    pub(crate) trusted: bool,
    pub(crate) port: HeaderValue,
    pub(crate) tls: bool,
    pub(crate) version: Version,
    pub(crate) request_id: HeaderValue,
    pub(crate) arrived: SystemTime,
    pub(crate) wait: Duration,
    pub(crate) depth: u32,
}

/// What becomes of a header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    /// It is for this connection only, or only we may say it, or it could pass for another header in a CGI-like
    /// environment (where `_` and `-` are one).
    Drop,
}

fn request_fate(name: &str) -> Fate {
    match name {
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authorization"
        | "te"
        | "transfer-encoding"
        | "upgrade"
        | "http2-settings"
        | "expect" => Fate::Drop,
        "x-request-id" | "x-request-start" | "x-dyno-queue-wait" | "x-dyno-queue-depth" => {
            Fate::Drop
        }
        other if other.as_bytes().contains(&b'_') => Fate::Drop,
        _ => Fate::Pass,
    }
}

/// The fate of a header that a stranger sent: claims that only a proxy can make are dropped as well. Apps believe many
/// of them (`X-Forwarded-Host`, `-Ssl`, `-Scheme`, `-Prefix`, `-User`).
fn stranger_fate(name: &str) -> Fate {
    match name {
        "forwarded" | "x-real-ip" => Fate::Drop,
        other if other.starts_with("x-forwarded-") => Fate::Drop,
        other => request_fate(other),
    }
}

fn response_fate(name: &str) -> Fate {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "proxy-authenticate" | "te"
        | "transfer-encoding" | "upgrade" | "x-request-id" => Fate::Drop,
        _ => Fate::Pass,
    }
}

/// Names that a `Connection` header may not take along: the message would change its meaning.
fn is_protected(name: &HeaderName) -> bool {
    *name == header::HOST || *name == header::CONTENT_LENGTH || *name == FORWARDED_FOR
}

fn strip(headers: &mut HeaderMap, fate: fn(&str) -> Fate) {
    // The usual message has nothing to remove: one pass without allocating.
    if headers.keys().all(|name| fate(name.as_str()) == Fate::Pass) {
        return;
    }
    let mut doomed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| fate(name.as_str()) == Fate::Drop)
        .cloned()
        .collect();
    for value in headers.get_all(header::CONNECTION) {
        let named = value.as_bytes().split(|byte| *byte == b',');
        doomed.extend(
            named
                .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
                .filter(|name| !is_protected(name)),
        );
    }
    for name in doomed {
        headers.remove(name);
    }
}

impl Told {
    /// Turns a client's headers into what the app is to see.
    pub fn tell(self, headers: &mut HeaderMap) {
        if self.trusted {
            strip(headers, request_fate);
            forwarded::remove_invalid(headers);
        } else {
            strip(headers, stranger_fate);
        }
        headers.reserve(8);
        headers.insert(FORWARDED_FOR, self.addresses);
        let proto = if self.tls { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
        headers.insert(FORWARDED_PORT, self.port);
        headers.insert(REQUEST_ID, self.request_id);
        headers.insert(REQUEST_START, millis(since_epoch(self.arrived)));
        headers.insert(QUEUE_WAIT, millis(self.wait));
        headers.insert(QUEUE_DEPTH, number(self.depth.into()));
        let via = match self.version {
            Version::HTTP_2 => "2.0 dyno",
            Version::HTTP_10 => "1.0 dyno",
            _ => "1.1 dyno",
        };
        append(headers, header::VIA, HeaderValue::from_static(via));
    }
}

/// The protocol that a request asks to switch to, if its `Connection` says so too.
pub(crate) fn asked_switch(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(header::UPGRADE)?;
    let mut named = headers.get_all(header::CONNECTION).iter();
    let names = |value: &HeaderValue| {
        let mut names = value.as_bytes().split(|byte| *byte == b',');
        names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    named.any(names).then(|| protocol.clone())
}

/// Puts that back into headers that were stripped of it.
pub(crate) fn ask_switch(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(slot) => {
            slot.insert(value);
        }
        Entry::Occupied(mut slot) => {
            let all = joined(slot.iter().chain([&value]));
            slot.insert(all);
        }
    }
}

fn joined<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> HeaderValue {
    let mut all = Vec::new();
    for value in values {
        if !all.is_empty() {
            all.extend_from_slice(b", ");
        }
        all.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&all).expect("header values joined by a comma are a header value")
}

fn millis(time: Duration) -> HeaderValue {
    number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Most requests do not wait: no memory for their zeros.
fn number(number: u64) -> HeaderValue {
    match number {
        0 => HeaderValue::from_static("0"),
        number => number.into(),
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Removes from a guest's response what is not the guest's to say.
pub(crate) fn strip_response(head: &mut Parts) {
    strip(&mut head.headers, response_fate);
    trim_values(&mut head.headers);
    if head.status == StatusCode::NO_CONTENT {
        // RFC 9110, 8.6: a 204 has no Content-Length.
        head.headers.remove(header::CONTENT_LENGTH);
    }
}

/// Has the HTTP layer close the connection of an HTTP/1.0 client that wanted to keep it, where the end of the
/// connection is the end of the body, or where the response says so itself.
pub(crate) fn end_with_connection(head: &mut Parts, is_stream: bool) {
    let unknown = is_stream && !head.headers.contains_key(header::CONTENT_LENGTH);
    if unknown || head.headers.contains_key(header::CONNECTION) {
        head.version = Version::HTTP_10;
    }
}

/// The headers of an interim response that are not for one connection only.
pub(crate) fn strip_interim(mut headers: HeaderMap) -> HeaderMap {
    strip(&mut headers, response_fate);
    trim_values(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    headers
}

/// An interim response as HTTP/1.1 writes it.
pub(crate) fn write_interim(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Interim");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Removes the blanks around values, which are no part of them, and which HTTP/2 forbids (RFC 9113, 8.2.1).
fn trim_values(headers: &mut HeaderMap) {
    let trimmed = |value: &HeaderValue| value.as_bytes().trim_ascii().len() == value.len();
    if headers.values().all(trimmed) {
        return;
    }
    for value in headers.values_mut() {
        if let Ok(plain) = HeaderValue::from_bytes(value.as_bytes().trim_ascii()) {
            *value = plain;
        }
    }
}

/// Removes from trailers what would change the message after the fact (RFC 9110, 6.5.1).
pub(crate) fn strip_trailers(mut trailers: HeaderMap) -> HeaderMap {
    strip(&mut trailers, response_fate);
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
