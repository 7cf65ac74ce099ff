//! Answers of the static server, as users of a static host expect them.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::site::tests::site;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

struct Reply {
    status: u16,
    headers: HeaderMap,
    content: ResponseContent,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }
}

fn ask(site: &Site, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("a request");
    let at = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let (response, content) = answer(site, &request, &|_| Some(at), at).into_parts();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        content,
    }
}

fn file(path: &str, from: u64, bytes: u64) -> ResponseContent {
    ResponseContent::File {
        path: path.to_owned(),
        from,
        bytes,
    }
}

#[test]
fn a_file_has_its_type_length_and_version() {
    let reply = ask(&site(""), "GET", "/", &[]);
    assert_eq!(
        (reply.status, &reply.content),
        (200, &file("/public/index.html", 0, 5))
    );
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", "5"),
        ("etag", "\"aa\""),
        ("last-modified", DATE),
        ("accept-ranges", "bytes"),
        ("cache-control", CACHE),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    assert_eq!(reply.header("vary"), None);
}

#[test]
fn a_head_request_gets_the_same_headers_and_no_content() {
    for path in ["/", "/docs", "/gone", "/app.css"] {
        let (get, head) = (
            ask(&site(""), "GET", path, &[]),
            ask(&site(""), "HEAD", path, &[]),
        );
        assert_eq!(
            (get.status, &get.headers),
            (head.status, &head.headers),
            "{path}"
        );
        assert_eq!(head.content, ResponseContent::Nothing);
    }
    // RFC 9110, 14.2: a range is for GET alone.
    let head = ask(&site(""), "HEAD", "/", &[("range", "bytes=0-0")]);
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("5"))
    );
}

#[test]
fn other_methods_get_405_with_the_allowed_methods() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let reply = ask(&site(""), method, "/", &[]);
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
    }
}

#[test]
fn a_folder_redirects_to_its_page_and_keeps_the_query() {
    let reply = ask(&site(""), "GET", "/docs?a=b", &[]);
    assert_eq!(
        (reply.status, reply.header("location")),
        (301, Some("/docs/?a=b"))
    );
}

#[test]
fn a_file_that_the_client_has_is_not_sent_again() {
    for condition in [("if-none-match", "\"aa\""), ("if-modified-since", DATE)] {
        let reply = ask(&site(""), "GET", "/", &[condition]);
        assert_eq!(
            (reply.status, &reply.content),
            (304, &ResponseContent::Nothing)
        );
        assert_eq!(reply.header("etag"), Some("\"aa\""));
        assert_eq!(reply.header("content-length"), None);
    }
    assert_eq!(
        ask(&site(""), "GET", "/", &[("if-match", "\"bb\"")]).status,
        412
    );
}

#[test]
fn range_requests_get_parts_of_a_file() {
    let reply = ask(&site(""), "GET", "/", &[("range", "bytes=1-2")]);
    assert_eq!(
        (reply.status, &reply.content),
        (206, &file("/public/index.html", 1, 2))
    );
    assert_eq!(reply.header("content-range"), Some("bytes 1-2/5"));
    assert_eq!(reply.header("content-length"), Some("2"));
    let reply = ask(&site(""), "GET", "/", &[("range", "bytes=5-")]);
    assert_eq!(
        (reply.status, reply.header("content-range")),
        (416, Some("bytes */5"))
    );
    for (of, status) in [
        ("\"aa\"", 206),
        (DATE, 206),
        ("\"bb\"", 200),
        ("W/\"aa\"", 200),
    ] {
        let reply = ask(
            &site(""),
            "GET",
            "/",
            &[("range", "bytes=0-0"), ("if-range", of)],
        );
        assert_eq!(reply.status, status, "{of}");
    }
}

#[test]
fn precompressed_files_are_sent_to_clients_that_accept_them() {
    for (accepted, encoding, length) in [
        ("gzip, br", Some("br"), "4"),
        ("gzip", Some("gzip"), "6"),
        ("br;q=0, gzip;q=0.5", Some("gzip"), "6"),
        ("deflate", None, "10"),
    ] {
        let reply = ask(
            &site(""),
            "GET",
            "/app.css",
            &[("accept-encoding", accepted)],
        );
        assert_eq!(reply.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(reply.header("content-length"), Some(length));
        assert_eq!(
            reply.header("content-type"),
            Some("text/css; charset=utf-8")
        );
        assert_eq!(reply.header("vary"), Some("accept-encoding"));
    }
    let reply = ask(
        &site(""),
        "GET",
        "/app.css",
        &[("accept-encoding", "br"), ("range", "bytes=0-1")],
    );
    assert_eq!(
        (reply.status, reply.header("content-encoding")),
        (206, None)
    );
}

#[test]
fn a_missing_file_gets_the_404_page_of_the_site() {
    let reply = ask(&site(""), "GET", "/gone", &[]);
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (404, Some("text/plain; charset=utf-8"))
    );
    let own = site("file 7 ii 404.html\n");
    let reply = ask(&own, "GET", "/gone", &[("range", "bytes=0-0")]);
    assert_eq!(
        (reply.status, &reply.content),
        (404, &file("/public/404.html", 0, 7))
    );
    assert_eq!(
        reply.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(ask(&own, "GET", "/404.html", &[]).status, 200);
}

#[test]
fn web_files_have_their_content_types() {
    for (name, expected) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.woff2", "font/woff2"),
        ("a.wasm", "application/wasm"),
        ("A.PNG", "image/png"),
        ("a.webp", "image/webp"),
        ("a.pdf", "application/pdf"),
        ("LICENSE", "application/octet-stream"),
        ("robots.txt", "text/plain; charset=utf-8"),
    ] {
        assert_eq!(content_type(name), expected, "{name}");
    }
}
