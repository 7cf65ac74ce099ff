//! Answers that no app gave.
//!
//! Owns their status, page and headers. Must not know how a request failed, and never shows a guest's text.

use crate::request::admission::Reject;
use crate::shared::access_entry::Journal;
use bytes::Bytes;
use grid::protocol::{Refusal, RefusalSide};
use http::response::Parts;
use http::{HeaderValue, Response, StatusCode, Version, header};
use std::sync::atomic::Ordering::Relaxed;

/// Why a request is not an app's to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Code(Refusal),
    /// The request itself is at fault (H26).
    Rejected(Reject),
    /// No app answers on the host.
    NoSuchApp,
}

impl From<Refusal> for Refused {
    fn from(code: Refusal) -> Self {
        Refused::Code(code)
    }
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Refused::Rejected(reject)
    }
}

/// What a page says.
struct Page {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    text: &'static str,
    /// Seconds after which to ask again.
    retry_after: Option<u16>,
    /// The connection's state is in doubt.
    close: bool,
}

/// Writes the outcome into the log line, and makes the answer that the client gets.
pub(crate) fn refuse(
    why: Refused,
    accept: Option<&HeaderValue>,
    journal: &mut Journal,
    version: Version,
) -> (Parts, Bytes) {
    let page = page(why);
    match why {
        Refused::Code(code) => journal.refuse(code, code.status()),
        Refused::Rejected(reject) => {
            journal.refuse(Refusal::RequestError, reject.status.as_u16());
            journal.record().cause = Some(reject.cause);
        }
        Refused::NoSuchApp => {
            journal.record().status = page.status.as_u16();
            journal.settle();
            let counters = &journal.conn.hub.counters;
            counters.unknown_hosts.fetch_add(1, Relaxed);
        }
    }
    let id = journal.record().request_id.clone();
    let (kind, body) = if prefers_json(accept) {
        ("application/json", json(&page, &id))
    } else {
        ("text/html; charset=utf-8", html(&page, &id))
    };
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = page.status;
    let headers = &mut head.headers;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = page.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if page.close && version != Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    (head, Bytes::from(body))
}

fn page(why: Refused) -> Page {
    match why {
        Refused::NoSuchApp => Page {
            status: StatusCode::NOT_FOUND,
            code: "404",
            title: "No such app",
            text: "There is no such app here. Check the name in the address.",
            retry_after: None,
            close: false,
        },
        Refused::Rejected(reject) => Page {
            status: reject.status,
            code: Refusal::RequestError.code(),
            title: "Request error",
            text: rejection_text(reject.status),
            retry_after: None,
            close: true,
        },
        Refused::Code(code) => Page {
            status: wire_status(code),
            code: code.code(),
            title: code.desc(),
            text: text(code),
            retry_after: retry_after(code),
            close: code == Refusal::ClientIdle,
        },
    }
}

/// 499 is for logs only: a client that stalled is told 408, which every client knows.
fn wire_status(code: Refusal) -> StatusCode {
    if code.side() == RefusalSide::Client && code.status() == 499 {
        return StatusCode::REQUEST_TIMEOUT;
    }
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// What is wrong with a request, as far as its sender can do something about it.
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

fn text(code: Refusal) -> &'static str {
    match code {
        Refusal::Maintenance => "This app is down for maintenance. Please come back later.",
        Refusal::BlankApp => "There is nothing here yet.",
        _ if code.side() == RefusalSide::Client => "The request is not one that can be served.",
        _ => "An error occurred in the app, and the page could not be served. Please try again.",
    }
}

/// Only where waiting may help.
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

/// Nothing in a page needs escaping: its texts are ours, and an id has no character that HTML or JSON minds
/// (see `request_id::is_sane`).
fn html(page: &Page, id: &HeaderValue) -> String {
    let (title, text, code) = (page.title, page.text, page.code);
    let id = id.to_str().unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1><p>{text}</p><p><small>{code}, request {id}</small></p></body></html>\n"
    )
}

fn json(page: &Page, id: &HeaderValue) -> String {
    let (title, text, code) = (page.title, page.text, page.code);
    let id = id.to_str().unwrap_or_default();
    format!(
        "{{\"error\":\"{title}\",\"code\":\"{code}\",\"message\":\"{text}\",\"request_id\":\"{id}\"}}\n"
    )
}

/// Whether `Accept` names JSON, and HTML less or not at all.
fn prefers_json(accept: Option<&HeaderValue>) -> bool {
    let (mut json, mut html) = (0, 0);
    let ranges = accept.and_then(|value| value.to_str().ok());
    for range in ranges.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight = weight(parts);
        if kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json") {
            json = json.max(weight);
        } else if kind.eq_ignore_ascii_case("text/html") {
            html = html.max(weight);
        }
    }
    json > html
}

/// The `q` of a media range, in thousandths.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u32 {
    let q = parameters.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    let Some(q) = q.and_then(|q| q.parse::<f32>().ok()) else {
        return 1000;
    };
    // Whole thousandths, which is all that RFC 9110 allows.
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
            let page = page(Refused::Code(code));
            assert!(page.status.as_u16() >= 400, "{code}");
            assert!(!page.title.contains(['<', '"', '&']), "{code}");
        }
    }
}
