//! What a client may ask at all, before any app is looked at.
//!
//! Owns the rules on methods, targets, `Host` and `Expect`. Must not know which hosts exist; the raw bytes of an
//! HTTP/1 head are `watch`'s.

use crate::limits::{HEADER_LINE_MAX, Limits, REQUEST_LINE_MAX};
use exchange::host_without_port;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header, uri};

/// A request that is refused whatever app it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) status: StatusCode,
    /// For the log's `cause=`.
    pub(crate) cause: &'static str,
}

const fn bad(cause: &'static str) -> Reject {
    Reject {
        status: StatusCode::BAD_REQUEST,
        cause,
    }
}

/// Checks a head and brings it into one form: the URI becomes path and query, `Host` the host that was asked.
pub(crate) fn admit(head: &mut http::request::Parts, limits: &Limits) -> Result<(), Reject> {
    if head.method == Method::CONNECT {
        return Err(Reject {
            status: StatusCode::METHOD_NOT_ALLOWED,
            cause: "connect",
        });
    }
    if head.version == Version::HTTP_2 {
        fields(&mut head.headers)?;
        sizes(head, limits)?;
    }
    host(head)?;
    target(head)?;
    expectation(head)
}

/// Gives an HTTP/1.0 request that names no host one: every app that is asked without a name is the router's only one.
pub(crate) fn name_host(headers: &mut HeaderMap, port: &HeaderValue) {
    if !headers.contains_key(header::HOST) {
        let host = [b"localhost:", port.as_bytes()].concat();
        let host = HeaderValue::from_bytes(&host).expect("a name and a port are a header value");
        headers.insert(header::HOST, host);
    }
}

/// The host that an admitted request is for, without its port.
pub(crate) fn asked_host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    host.and_then(host_without_port).unwrap_or_default()
}

/// The limits that an HTTP/1 head has passed already, in its raw bytes.
fn sizes(head: &http::request::Parts, limits: &Limits) -> Result<(), Reject> {
    let path = head.uri.path_and_query().map_or(0, |p| p.as_str().len());
    if path > REQUEST_LINE_MAX {
        return Err(Reject {
            status: StatusCode::URI_TOO_LONG,
            cause: "path-too-long",
        });
    }
    let long = |(name, value): (&http::HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() > HEADER_LINE_MAX
    };
    if head.headers.len() > limits.headers_max || head.headers.iter().any(long) {
        return Err(Reject {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            cause: "headers-too-large",
        });
    }
    Ok(())
}

/// The rules of HTTP/2 on fields that the HTTP layer leaves to us: no value begins or ends with a blank (RFC 9113,
/// 8.2.1), and the crumbs of a cookie become one header (8.2.3) for those who read HTTP/1.
fn fields(headers: &mut HeaderMap) -> Result<(), Reject> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let padded = |value: &HeaderValue| {
        is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
    };
    if headers.values().any(padded) {
        return Err(bad("blank-around-value"));
    }
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.by_ref().nth(1).is_some() {
        let crumbs: Vec<&[u8]> = headers
            .get_all(header::COOKIE)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        let whole = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
            .expect("header values joined by a semicolon are a header value");
        headers.insert(header::COOKIE, whole);
    }
    Ok(())
}

/// Finds the one host that is meant, checks it, and puts it into `Host`.
fn host(head: &mut http::request::Parts) -> Result<(), Reject> {
    let mut values = head.headers.get_all(header::HOST).iter();
    let named = values.next();
    if values.next().is_some() {
        return Err(bad("duplicate-host"));
    }
    let named = match named {
        Some(value) => Some(value.to_str().map_err(|_| bad("invalid-host"))?),
        None => None,
    };
    let asked = head.uri.authority().map(uri::Authority::as_str);
    let is_h2 = head.version == Version::HTTP_2;
    let authority = match (named, asked) {
        // RFC 9112, 3.2: every HTTP/1.1 request has a Host; HTTP/1.0 knew none.
        (None, None) if head.version == Version::HTTP_10 => return Ok(()),
        (None, None) => return Err(bad("missing-host")),
        // The absolute form too; HTTP/2 has `:authority`.
        (None, Some(_)) if head.version == Version::HTTP_11 => return Err(bad("missing-host")),
        (Some(named), Some(asked)) if is_h2 && !named.eq_ignore_ascii_case(asked) => {
            return Err(bad("host-mismatch"));
        }
        // RFC 9112, 3.2.2: the absolute form wins over Host, which must be valid all the same.
        (Some(named), Some(asked)) => {
            host_without_port(named).ok_or(bad("invalid-host"))?;
            asked
        }
        (named, asked) => asked.or(named).unwrap_or_default(),
    };
    host_without_port(authority).ok_or(bad("invalid-host"))?;
    if named != Some(authority) {
        let value = HeaderValue::from_str(authority).map_err(|_| bad("invalid-host"))?;
        head.headers.insert(header::HOST, value);
    }
    Ok(())
}

/// Reduces the target to path and query.
fn target(head: &mut http::request::Parts) -> Result<(), Reject> {
    let uri = &head.uri;
    match uri.scheme_str() {
        // RFC 9112, 3.2.3: what is no path, no full URI and no `*` is for CONNECT only.
        None if uri.authority().is_some() => return Err(bad("invalid-target")),
        None | Some("http" | "https") => {}
        Some(_) => return Err(bad("invalid-scheme")),
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let asterisk = path == "*" && head.method == Method::OPTIONS;
    if !path.starts_with('/') && !asterisk && uri.scheme().is_none() {
        return Err(bad("invalid-target"));
    }
    if uri.scheme().is_some() || uri.authority().is_some() {
        let path = match uri.path_and_query() {
            Some(path) if path.as_str().starts_with('/') || asterisk => path.clone(),
            // Written out, a query without a path gets its slash.
            Some(path) => {
                uri::PathAndQuery::try_from(path.to_string()).map_err(|_| bad("invalid-target"))?
            }
            None => uri::PathAndQuery::from_static("/"),
        };
        head.uri = Uri::from(path);
    }
    Ok(())
}

/// RFC 9110, 10.1.1: `100-continue` is the only expectation there is, and HTTP/1.0 knows none.
fn expectation(head: &http::request::Parts) -> Result<(), Reject> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if head.version == Version::HTTP_10 || head.headers.get_all(header::EXPECT).iter().all(known) {
        return Ok(());
    }
    Err(Reject {
        status: StatusCode::EXPECTATION_FAILED,
        cause: "expectation",
    })
}
