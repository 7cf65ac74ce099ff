//! Which requests are accepted at all, before the app is looked up.
//!
//! Owns the rules for methods, targets, `Host` and `Expect`. Must not know which hosts exist. The raw bytes of an HTTP/1
//! head are checked by `http1_guard`.

use exchange::host_without_port;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, uri};

use crate::limits::{HEADER_LINE_MAX, REQUEST_LINE_MAX, RouterLimits};
use crate::shared::rejection::Rejection;

const fn bad(cause: &'static str) -> Rejection {
    Rejection::bad_request(cause)
}

/// Checks a head and normalizes it: the URI becomes path and query, and `Host` the host that the request is for.
pub(crate) fn admit_head(head: &mut Parts, limits: &RouterLimits) -> Result<(), Rejection> {
    if head.method == Method::CONNECT {
        return Err(Rejection {
            status: StatusCode::METHOD_NOT_ALLOWED,
            cause: "connect",
        });
    }
    if head.version == Version::HTTP_2 {
        normalize_http2_fields(&mut head.headers)?;
        check_sizes(head, limits)?;
    }
    normalize_host(head)?;
    normalize_target(head)?;
    check_expectation(head)
}

/// Adds a `Host` to an HTTP/1.0 request without one. Such a request reaches an app only if the router has one app for
/// all hosts.
pub(crate) fn add_missing_host(headers: &mut HeaderMap, port: &HeaderValue) {
    if !headers.contains_key(header::HOST) {
        let host = [b"localhost:", port.as_bytes()].concat();
        let host = HeaderValue::from_bytes(&host).expect("a name and a port are a header value");
        headers.insert(header::HOST, host);
    }
}

/// The host that an admitted request is for, without its port.
pub(crate) fn requested_host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    host.and_then(host_without_port).unwrap_or_default()
}

/// Checks the limits that an HTTP/1 head has passed already as raw bytes.
fn check_sizes(head: &Parts, limits: &RouterLimits) -> Result<(), Rejection> {
    let path = head.uri.path_and_query();
    if path.map_or(0, |path| path.as_str().len()) > REQUEST_LINE_MAX {
        return Err(Rejection {
            status: StatusCode::URI_TOO_LONG,
            cause: "path-too-long",
        });
    }
    let is_long = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() > HEADER_LINE_MAX
    };
    if head.headers.len() > limits.headers_max || head.headers.iter().any(is_long) {
        return Err(Rejection {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            cause: "headers-too-large",
        });
    }
    Ok(())
}

/// Applies the rules for HTTP/2 fields that the HTTP layer does not apply: no value begins or ends with a blank (RFC
/// 9113, 8.2.1), and the parts of a cookie become one header (8.2.3) for apps that read HTTP/1.
fn normalize_http2_fields(headers: &mut HeaderMap) -> Result<(), Rejection> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_padded = |value: &HeaderValue| {
        is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
    };
    if headers.values().any(is_padded) {
        return Err(bad("blank-around-value"));
    }
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.by_ref().nth(1).is_some() {
        let cookies: Vec<&[u8]> = headers
            .get_all(header::COOKIE)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        let joined = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
            .expect("header values joined by a semicolon are a header value");
        headers.insert(header::COOKIE, joined);
    }
    Ok(())
}

/// Finds the one host that the request is for, checks it, and puts it into `Host`.
fn normalize_host(head: &mut Parts) -> Result<(), Rejection> {
    let mut values = head.headers.get_all(header::HOST).iter();
    let host = values.next();
    if values.next().is_some() {
        return Err(bad("duplicate-host"));
    }
    let host = match host {
        Some(value) => Some(value.to_str().map_err(|_| bad("invalid-host"))?),
        None => None,
    };
    let target = head.uri.authority().map(uri::Authority::as_str);
    let is_http2 = head.version == Version::HTTP_2;
    let authority = match (host, target) {
        // RFC 9112, 3.2: every HTTP/1.1 request has a Host. HTTP/1.0 has none.
        (None, None) if head.version == Version::HTTP_10 => return Ok(()),
        (None, None) => return Err(bad("missing-host")),
        // The absolute form needs one too. HTTP/2 has `:authority` instead.
        (None, Some(_)) if head.version == Version::HTTP_11 => return Err(bad("missing-host")),
        (Some(host), Some(target)) if is_http2 && !host.eq_ignore_ascii_case(target) => {
            return Err(bad("host-mismatch"));
        }
        // RFC 9112, 3.2.2: the absolute form wins over Host, which must be valid all the same.
        (Some(host), Some(target)) => {
            host_without_port(host).ok_or(bad("invalid-host"))?;
            target
        }
        (host, target) => target.or(host).unwrap_or_default(),
    };
    host_without_port(authority).ok_or(bad("invalid-host"))?;
    if host != Some(authority) {
        let value = HeaderValue::from_str(authority).map_err(|_| bad("invalid-host"))?;
        head.headers.insert(header::HOST, value);
    }
    Ok(())
}

/// Reduces the target to path and query.
fn normalize_target(head: &mut Parts) -> Result<(), Rejection> {
    let uri = &head.uri;
    match uri.scheme_str() {
        // RFC 9112, 3.2.3: a target that is no path, no full URI and no `*` is for CONNECT only.
        None if uri.authority().is_some() => return Err(bad("invalid-target")),
        None | Some("http" | "https") => {}
        Some(_) => return Err(bad("invalid-scheme")),
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let is_asterisk = path == "*" && head.method == Method::OPTIONS;
    if !path.starts_with('/') && !is_asterisk && uri.scheme().is_none() {
        return Err(bad("invalid-target"));
    }
    if uri.scheme().is_some() || uri.authority().is_some() {
        let path = match uri.path_and_query() {
            Some(path) if path.as_str().starts_with('/') || is_asterisk => path.clone(),
            // As text, a query without a path gets a slash in front.
            Some(path) => {
                uri::PathAndQuery::try_from(path.to_string()).map_err(|_| bad("invalid-target"))?
            }
            None => uri::PathAndQuery::from_static("/"),
        };
        head.uri = Uri::from(path);
    }
    Ok(())
}

/// RFC 9110, 10.1.1: `100-continue` is the only expectation that exists. HTTP/1.0 has none, so it is ignored there.
fn check_expectation(head: &Parts) -> Result<(), Rejection> {
    let is_known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let mut expectations = head.headers.get_all(header::EXPECT).iter();
    if head.version == Version::HTTP_10 || expectations.all(is_known) {
        return Ok(());
    }
    Err(Rejection {
        status: StatusCode::EXPECTATION_FAILED,
        cause: "expectation",
    })
}
