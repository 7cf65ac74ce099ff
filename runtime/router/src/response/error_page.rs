//! Answers that no app gave: error pages.
//!
//! Owns their status, text and headers. Must not know how a request failed, and never shows a guest's text.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use grid::protocol::{Refusal, RefusalSide};
use http::response::Parts;
use http::{HeaderValue, Response, StatusCode, Version, header};

use crate::shared::access_entry::AccessEntry;
use crate::shared::rejection::Rejection;

/// Why no app answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// The router refuses the request, or the app failed to answer it.
    Refused(Refusal),
    /// The request itself is at fault (H26).
    Rejected(Rejection),
    /// No app has the host.
    NoSuchApp,
}

impl From<Refusal> for RequestFailure {
    fn from(code: Refusal) -> Self {
        RequestFailure::Refused(code)
    }
}

impl From<Rejection> for RequestFailure {
    fn from(rejection: Rejection) -> Self {
        RequestFailure::Rejected(rejection)
    }
}

/// The content of an error page.
struct ErrorPage {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    text: &'static str,
    /// Value of `Retry-After` (seconds).
    retry_after: Option<u16>,
    /// Close the connection: its state is in doubt.
    closes: bool,
}

/// Settles the access-log entry, and makes the answer that the client gets.
pub(crate) fn answer_failure(
    failure: RequestFailure,
    accept: Option<&HeaderValue>,
    entry: &mut AccessEntry,
    version: Version,
) -> (Parts, Bytes) {
    let page = page_of(failure);
    match failure {
        RequestFailure::Refused(code) => entry.settle_refused(code, code.status()),
        RequestFailure::Rejected(rejection) => {
            entry.settle_refused(Refusal::RequestError, rejection.status.as_u16());
            entry.record_mut().cause = Some(rejection.cause);
        }
        RequestFailure::NoSuchApp => {
            entry.record_mut().status = page.status.as_u16();
            entry.settle();
            let counters = &entry.connection.router.counters;
            counters.unknown_hosts.fetch_add(1, Relaxed);
        }
    }
    let id = &entry.record().request_id;
    let (media_type, body) = if prefers_json(accept) {
        ("application/json", json_text(&page, id))
    } else {
        ("text/html; charset=utf-8", html_text(&page, id))
    };
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = page.status;
    let headers = &mut head.headers;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = page.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if page.closes && version != Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    (head, Bytes::from(body))
}

fn page_of(failure: RequestFailure) -> ErrorPage {
    match failure {
        RequestFailure::NoSuchApp => ErrorPage {
            status: StatusCode::NOT_FOUND,
            code: "404",
            title: "No such app",
            text: "There is no such app here. Check the name in the address.",
            retry_after: None,
            closes: false,
        },
        RequestFailure::Rejected(rejection) => ErrorPage {
            status: rejection.status,
            code: Refusal::RequestError.code(),
            title: "Request error",
            text: rejection_text(rejection.status),
            retry_after: None,
            closes: true,
        },
        RequestFailure::Refused(code) => ErrorPage {
            status: client_status(code),
            code: code.code(),
            title: code.desc(),
            text: refusal_text(code),
            retry_after: retry_after(code),
            closes: code == Refusal::ClientIdle,
        },
    }
}

/// The status that the client gets. 499 is for logs only: a client that stalled gets 408, which every client knows.
fn client_status(code: Refusal) -> StatusCode {
    if code.side() == RefusalSide::Client && code.status() == 499 {
        return StatusCode::REQUEST_TIMEOUT;
    }
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// The error in a request, as far as its sender can correct it.
fn rejection_text(status: StatusCode) -> &'static str {
    match status {
        StatusCode::URI_TOO_LONG => {
            "The address is too long: method, address and version have 8 KiB at most."
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "The request has too many headers, or too large ones. Fewer cookies of this site may help."
        }
        StatusCode::METHOD_NOT_ALLOWED => "This server is no proxy: CONNECT is not served.",
        StatusCode::EXPECTATION_FAILED => "The only expectation that is met is 100-continue.",
        _ => "The request is not one that can be served.",
    }
}

fn refusal_text(code: Refusal) -> &'static str {
    match code {
        Refusal::Maintenance => "This app is down for maintenance. Please come back later.",
        Refusal::BlankApp => "There is nothing here yet.",
        _ if code.side() == RefusalSide::Client => "The request is not one that can be served.",
        _ => "An error occurred in the app, and the page could not be served. Please try again.",
    }
}

/// Seconds to wait, where waiting may help.
fn retry_after(code: Refusal) -> Option<u16> {
    match code {
        Refusal::BacklogTooDeep
        | Refusal::ForcedClose
        | Refusal::BackendTimeout
        | Refusal::BackendRefused => Some(1),
        Refusal::AppCrashed | Refusal::BootTimeout => Some(5),
        Refusal::Maintenance => Some(60),
        _ => None,
    }
}

/// Nothing in a page needs escaping: the texts are constants, and no byte of an id has a meaning in HTML or JSON (see
/// `is_valid_request_id`).
fn html_text(page: &ErrorPage, id: &HeaderValue) -> String {
    let (title, text, code) = (page.title, page.text, page.code);
    let id = id.to_str().unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1><p>{text}</p><p><small>{code}, request {id}</small></p></body></html>\n"
    )
}

fn json_text(page: &ErrorPage, id: &HeaderValue) -> String {
    let (title, text, code) = (page.title, page.text, page.code);
    let id = id.to_str().unwrap_or_default();
    format!(
        "{{\"error\":\"{title}\",\"code\":\"{code}\",\"message\":\"{text}\",\"request_id\":\"{id}\"}}\n"
    )
}

/// Whether `Accept` prefers JSON to HTML.
fn prefers_json(accept: Option<&HeaderValue>) -> bool {
    let (mut json, mut html) = (0, 0);
    let ranges = accept.and_then(|value| value.to_str().ok());
    for range in ranges.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let weight = quality(parts);
        if media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json") {
            json = json.max(weight);
        } else if media_type.eq_ignore_ascii_case("text/html") {
            html = html.max(weight);
        }
    }
    json > html
}

/// The `q` of a media range in thousandths (RFC 9110, 12.4.2).
fn quality<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u32 {
    let q = parameters.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    let Some(q) = q.and_then(|q| q.parse::<f32>().ok()) else {
        return 1000;
    };
    // RFC 9110 allows three decimals.
    (q.clamp(0.0, 1.0) * 1000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_preferred_only_when_asked_for() {
        let prefers = |accept: &'static str| prefers_json(Some(&HeaderValue::from_static(accept)));
        assert!(prefers("application/json"));
        assert!(prefers("application/json, */*"));
        assert!(prefers("text/html;q=0.5, application/problem+json"));
        assert!(!prefers("text/html, application/json;q=0.9"));
        assert!(!prefers("*/*"));
        assert!(!prefers(""));
        assert!(!prefers("application/json;q=0"));
        assert!(!prefers_json(None));
    }

    #[test]
    fn every_code_has_a_page() {
        for code in Refusal::ALL {
            let page = page_of(RequestFailure::Refused(code));
            assert!(page.status.as_u16() >= 400, "{code}");
            assert!(!page.title.contains(['<', '"', '&']), "{code}");
        }
    }
}
