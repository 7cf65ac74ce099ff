//! The request headers that tell an app about its client: its address and protocol, and how long the request waited.
//!
//! Owns these headers, and the removal of a client's own copies. Must not know connections or queues.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Version;
use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};

use super::host::host_without_port;
use crate::headers::{
    FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PORT, FORWARDED_PROTO, QUEUE_DEPTH, QUEUE_WAIT,
    REQUEST_ID, REQUEST_START, strip_proxy_request, strip_request,
};

/// Headers that [`AddForwardedHeaders::apply`] adds.
const ADDED_HEADERS: usize = 8;

/// The values of the headers that an app sees besides the client's own.
///
/// Most of the work is to put the values into the header map. A dyno does that when the app first reads its headers, so
/// that an app which never does costs nothing.
#[derive(Debug)]
pub struct AddForwardedHeaders {
    /// Value of `X-Forwarded-For`.
    pub addresses: HeaderValue,
    /// Whether the request came from a proxy whose forwarding headers are believed.
    pub from_trusted_proxy: bool,
    /// Value of `X-Forwarded-Port`.
    pub port: HeaderValue,
    /// Whether the client's connection was encrypted: the value of `X-Forwarded-Proto`.
    pub tls: bool,
    /// HTTP version of the client's request, for `Via`.
    pub version: Version,
    /// Value of `X-Request-Id`.
    pub request_id: HeaderValue,
    /// When the request arrived: the value of `X-Request-Start`.
    pub arrived: SystemTime,
    /// How long the request waited for a dyno: the value of `X-Dyno-Queue-Wait`.
    pub queue_wait: Duration,
    /// How many requests were waiting when this one arrived: the value of `X-Dyno-Queue-Depth`.
    pub queue_depth: u32,
}

impl AddForwardedHeaders {
    /// Turns a client's headers into those that the app sees.
    pub fn apply(self, headers: &mut HeaderMap) {
        if self.from_trusted_proxy {
            strip_proxy_request(headers);
            remove_invalid_forwarded_host(headers);
        } else {
            strip_request(headers);
        }
        headers.reserve(ADDED_HEADERS);
        headers.insert(FORWARDED_FOR, self.addresses);
        let proto = if self.tls { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
        headers.insert(FORWARDED_PORT, self.port);
        headers.insert(REQUEST_ID, self.request_id);
        let since_epoch = self.arrived.duration_since(UNIX_EPOCH).unwrap_or_default();
        headers.insert(REQUEST_START, millis_value(since_epoch));
        headers.insert(QUEUE_WAIT, millis_value(self.queue_wait));
        headers.insert(QUEUE_DEPTH, number_value(self.queue_depth.into()));
        let via = match self.version {
            Version::HTTP_2 => "2.0 dyno",
            Version::HTTP_10 => "1.0 dyno",
            _ => "1.1 dyno",
        };
        append_to_list(headers, header::VIA, HeaderValue::from_static(via));
    }
}

/// Removes a trusted proxy's `X-Forwarded-Host` unless each host in it is valid.
fn remove_invalid_forwarded_host(headers: &mut HeaderMap) {
    let is_valid = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(',')
            .all(|host| host_without_port(host.trim()).is_some())
    };
    if !headers.get_all(FORWARDED_HOST).iter().all(is_valid) {
        headers.remove(FORWARDED_HOST);
    }
}

/// Appends to a comma-separated header, in one line.
fn append_to_list(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(value);
        }
        Entry::Occupied(mut entry) => {
            let joined = join_values(entry.iter().chain([&value]));
            entry.insert(joined);
        }
    }
}

fn join_values<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> HeaderValue {
    let mut joined = Vec::new();
    for value in values {
        if !joined.is_empty() {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&joined).expect("header values joined by a comma are a header value")
}

fn millis_value(time: Duration) -> HeaderValue {
    number_value(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn number_value(number: u64) -> HeaderValue {
    match number {
        // Most requests do not wait: no allocation for their zeros.
        0 => HeaderValue::from_static("0"),
        number => number.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_forwarded_host_is_removed() {
        for (value, is_kept) in [
            ("shop.example", true),
            ("shop.example:8443", true),
            ("a.example, b.example", true),
            ("shop.example/../", false),
            ("a\"b", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_HOST, HeaderValue::from_static(value));
            remove_invalid_forwarded_host(&mut headers);
            assert_eq!(headers.contains_key(FORWARDED_HOST), is_kept, "{value:?}");
        }
    }
}
