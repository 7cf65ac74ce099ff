//! Requests that must not pass: each is refused, its connection closes, and no guest sees any of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::raw::Raw;
use crate::world::{World, connect, say};

/// Bytes behind a refused request on its connection. They must never be read as a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: hello.localhost\r\n\r\n";

async fn refused(requests: &[(&str, String)], status: impl Fn(&str) -> u16) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let world = World::new(1, move |_, reply, _| {
        seen.fetch_add(1, SeqCst);
        async { say(reply, 200, "reached") }
    });
    let server = world.listen().await;
    for (name, request) in requests {
        let mut raw = Raw::new(connect(&server).await);
        raw.try_send(request.as_bytes()).await;
        raw.try_send(SMUGGLED).await;
        let answer = raw.try_answer(false).await;
        let answer = answer.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.status, status(name), "{name}: {answer:?}");
        assert!(raw.is_closed().await, "{name}: still open");
    }
    assert_eq!(calls.load(SeqCst), 0);
    let lines = world.lines(requests.len()).await;
    for line in lines {
        assert!(
            line.contains("code=H26 desc=\"Request error\" cause="),
            "{line}"
        );
    }
}

fn with(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: hello.localhost\r\n{lines}\r\n")
}

#[tokio::test]
async fn invalid_and_missing_hosts_are_refused() {
    let host = |value: &str| format!("GET / HTTP/1.1\r\nhost: {value}\r\n\r\n");
    let hosts = [
        "",
        " ",
        "a,b",
        "hello.localhost, hello.localhost",
        "user@hello.localhost",
        "hello.localhost/x",
        "hello.localhost:x",
        "hello.localhost:99999",
        "hello localhost",
        "hello.localhost?x",
        "hello.localhost#x",
        "[::1",
        "\"hello.localhost\"",
        "http://hello.localhost",
        "hello.localhost\\x",
        "hello%2elocalhost",
        "hällo.localhost",
    ];
    let mut all: Vec<(&str, String)> = hosts.iter().map(|h| (*h, host(h))).collect();
    let get = |rest: &str| format!("GET {rest}\r\n\r\n");
    all.extend([
        ("missing", get("/ HTTP/1.1")),
        (
            "missing beside absolute",
            get("http://hello.localhost/ HTTP/1.1"),
        ),
        (
            "twice",
            get("/ HTTP/1.1\r\nhost: hello.localhost\r\nhost: hello.localhost"),
        ),
        (
            "user in target",
            get("http://u@hello.localhost/ HTTP/1.1\r\nhost: hello.localhost"),
        ),
        (
            "bad beside absolute",
            get("http://hello.localhost/ HTTP/1.1\r\nhost: a,b"),
        ),
        (
            "other scheme",
            get("ftp://hello.localhost/ HTTP/1.1\r\nhost: hello.localhost"),
        ),
        ("asterisk", get("* HTTP/1.1\r\nhost: hello.localhost")),
        ("no slash", get("path HTTP/1.1\r\nhost: hello.localhost")),
        (
            "authority form",
            get("hello.localhost:80 HTTP/1.1\r\nhost: hello.localhost"),
        ),
    ]);
    refused(&all, |_| 400).await;
}

#[tokio::test]
async fn connect_and_unknown_expectations_are_refused() {
    let all = [
        (
            "connect",
            "CONNECT hello.localhost:80 HTTP/1.1\r\nhost: hello.localhost\r\n\r\n".into(),
        ),
        (
            "connect path",
            "CONNECT / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n".into(),
        ),
        ("expect", with("expect: 200-ok\r\ncontent-length: 1\r\n")),
        (
            "expect more",
            with("expect: 100-continue, x\r\ncontent-length: 1\r\n"),
        ),
    ];
    refused(&all[..2], |_| 405).await;
    refused(&all[2..], |_| 417).await;
}

#[tokio::test]
async fn ambiguous_body_lengths_are_refused() {
    let chunked = "transfer-encoding: chunked\r\n";
    let all = [
        (
            "length then chunked",
            with(&format!("content-length: 4\r\n{chunked}")),
        ),
        (
            "chunked then length",
            with(&format!("{chunked}content-length: 4\r\n")),
        ),
        (
            "chunked and zero",
            with(&format!("{chunked}Content-Length: 0\r\n")),
        ),
        (
            "chunked and odd length",
            with(&format!("{chunked}content-length: x\r\n")),
        ),
        (
            "two lengths",
            with("content-length: 4\r\ncontent-length: 5\r\n"),
        ),
        (
            "two equal lengths",
            with("content-length: 4\r\ncontent-length: 4\r\n"),
        ),
        ("length list", with("content-length: 4, 4\r\n")),
        ("signed length", with("content-length: +4\r\n")),
        ("negative length", with("content-length: -4\r\n")),
        ("hex length", with("content-length: 0x4\r\n")),
        ("blank length", with("content-length: \r\n")),
        ("blank in length", with("content-length: 4 4\r\n")),
        (
            "huge length",
            with("content-length: 99999999999999999999999999\r\n"),
        ),
        ("chunked twice", with(&format!("{chunked}{chunked}"))),
        ("chunked list", with("transfer-encoding: gzip, chunked\r\n")),
        (
            "chunked first",
            with("transfer-encoding: chunked, gzip\r\n"),
        ),
        ("identity", with("transfer-encoding: identity\r\n")),
        ("xchunked", with("transfer-encoding: xchunked\r\n")),
        ("quoted", with("transfer-encoding: \"chunked\"\r\n")),
        ("vertical tab", with("transfer-encoding: \x0bchunked\r\n")),
        (
            "blank before colon",
            with("transfer-encoding : chunked\r\n"),
        ),
        ("length blank before colon", with("content-length : 4\r\n")),
        ("tab before colon", with("transfer-encoding\t: chunked\r\n")),
        ("folded", with("transfer-encoding:\r\n chunked\r\n")),
        ("folded length", with("content-length:\r\n\t4\r\n")),
        ("bare cr", with("x: y\rtransfer-encoding: chunked\r\n")),
        (
            "http 1.0",
            "POST / HTTP/1.0\r\nhost: hello.localhost\r\ntransfer-encoding: chunked\r\n\r\n".into(),
        ),
    ];
    refused(&all, |_| 400).await;
}

/// A request with this start line, for an app that exists.
fn start_line(line: &str) -> String {
    format!("{line}\r\nhost: hello.localhost\r\n\r\n")
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let long = "a".repeat(8200);
    let all = [
        (
            "bare lf",
            "GET / HTTP/1.1\nhost: hello.localhost\n\n".to_owned(),
        ),
        (
            "one bare lf",
            "GET / HTTP/1.1\r\nhost: hello.localhost\nx: y\r\n\r\n".into(),
        ),
        (
            "bare lf at the end",
            "GET / HTTP/1.1\r\nhost: hello.localhost\r\n\n".into(),
        ),
        (
            "fold first",
            "GET / HTTP/1.1\r\n host: hello.localhost\r\n\r\n".into(),
        ),
        ("fold", with("x: a\r\n b\r\n")),
        ("nul", with("x: a\0b\r\n")),
        ("nul in path", start_line("GET /\0 HTTP/1.1")),
        ("no name", with(": x\r\n")),
        ("no colon", with("nonsense\r\n")),
        ("name with blank", with("a b: x\r\n")),
        ("name with bracket", with("a(b): x\r\n")),
        ("blank in path", start_line("GET /a b HTTP/1.1")),
        ("no version", start_line("GET /")),
        ("http 2.0", start_line("GET / HTTP/2.0")),
        ("http 1.2", start_line("GET / HTTP/1.2")),
        ("lower case version", start_line("GET / http/1.1")),
        (
            "garbage",
            "\x16\x03\x01\x02\x03 is no request\r\n\r\n".into(),
        ),
        (
            "long path",
            format!("GET /{long} HTTP/1.1\r\nhost: hello.localhost\r\n\r\n"),
        ),
        ("long path without end", format!("GET /{long}")),
        ("long header", with(&format!("x: {long}\r\n"))),
        (
            "long header without end",
            format!("GET / HTTP/1.1\r\nhost: hello.localhost\r\nx: {long}"),
        ),
        ("101 headers", with(&"x: y\r\n".repeat(100))),
        ("fragment", start_line("GET /a#b HTTP/1.1")),
        (
            "fragment in absolute form",
            start_line("GET http://hello.localhost/#b HTTP/1.1"),
        ),
        ("fragment after a query", start_line("GET /?a=b# HTTP/1.0")),
        (
            "large head",
            with(&format!("x: {}\r\n", &long[..8000]).repeat(9)),
        ),
    ];
    // RFC 9110, 15.5.15: a long target; RFC 6585, 5: headers.
    refused(&all, |name| match name {
        "long path" | "long path without end" => 414,
        "long header" | "long header without end" | "101 headers" | "large head" => 431,
        _ => 400,
    })
    .await;
}

#[tokio::test]
async fn a_long_target_or_header_gets_a_page_with_the_requests_id() {
    let long = "a".repeat(9000);
    for (request, status, cause) in [
        (
            format!("GET /{long} HTTP/1.1\r\nhost: hello.localhost\r\n\r\n"),
            414,
            "request-line-too-long",
        ),
        (with(&format!("x: {long}\r\n")), 431, "header-line-too-long"),
        (with(&"x: y\r\n".repeat(100)), 431, "too-many-headers"),
        (
            with(&format!("x: {}\r\n", &long[..8000]).repeat(9)),
            431,
            "head-too-large",
        ),
        (
            "GET /#top HTTP/1.1\r\nhost: hello.localhost\r\n\r\n".to_owned(),
            400,
            "fragment",
        ),
    ] {
        let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
        let server = world.listen().await;
        let mut raw = Raw::new(connect(&server).await);
        raw.try_send(&request).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, status, "{cause}");
        let id = answer.header("x-request-id").expect("an id").to_owned();
        assert!(answer.body.contains(&id) && answer.body.contains("H26"));
        assert_eq!(answer.header("connection"), Some("close"));
        let line = &world.lines(1).await[0];
        let expected = format!("cause={cause} method=\"-\" path=\"/\" host= request_id={id} ");
        assert!(
            line.contains(&expected) || line.contains(&expected.replace("\"-\"", "-")),
            "{line}"
        );
        assert!(line.contains(&format!(" status={status} ")), "{line}");
        assert_eq!(world.router.statistics().malformed, 1);
    }
}

/// Bodies may come with the head or after it, and the next head with the body.
#[tokio::test]
async fn requests_in_pieces_of_any_size_are_read_correctly() {
    let one = with("content-length: 3\r\n") + "abc";
    let two = with("transfer-encoding: chunked\r\n") + "2;a=b\r\nde\r\n0\r\nx: y\r\n\r\n";
    let three = "GET /last HTTP/1.1\r\nhost: hello.localhost\r\n\r\n";
    let all = format!("{one}{two}{three}");
    let world = World::new(1, |request, reply, _| crate::world::echo(request, reply));
    for size in [1, 2, 3, 7, 50, 61, 100, all.len()] {
        let mut raw = Raw::new(world.pipe());
        for piece in all.as_bytes().chunks(size) {
            raw.send(piece).await;
            tokio::task::yield_now().await;
        }
        for body in ["abc", "de", ""] {
            let answer = raw.answer().await;
            assert_eq!((answer.status, answer.body.as_str()), (200, body), "{size}");
        }
    }
}

#[tokio::test]
async fn requests_within_the_limits_are_answered() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    let host = "host: hello.localhost\r\n";
    for (name, request) in [
        ("99 more headers", with(&"x: y\r\n".repeat(99))),
        (
            "8000 of path",
            format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(8000)),
        ),
        (
            "8000 of header",
            with(&format!("x: {}\r\n", "a".repeat(8000))),
        ),
        (
            "60000 of head",
            with(&format!("x: {}\r\n", "a".repeat(7490)).repeat(8)),
        ),
        (
            "empty lines first",
            format!("\r\n\r\nGET / HTTP/1.1\r\n{host}\r\n"),
        ),
        (
            "blanks around a value",
            "GET / HTTP/1.1\r\nhost: \t hello.localhost \t\r\n\r\n".into(),
        ),
        ("length zero", with("content-length: 0\r\n")),
    ] {
        assert_eq!(raw.ask(request).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn heads_sent_byte_by_byte_get_the_same_answers() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    for (request, status) in [
        (with("content-length: 1\r\n") + "x", 200),
        (
            with("transfer-encoding: chunked\r\n") + "1\r\nx\r\n0\r\n\r\n",
            200,
        ),
        (
            with("transfer-encoding: chunked\r\ncontent-length: 1\r\n"),
            400,
        ),
        ("GET / HTTP/1.1\nhost: hello.localhost\n\n".into(), 400),
    ] {
        let mut raw = Raw::new(world.pipe());
        for byte in request.as_bytes() {
            raw.try_send([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(raw.answer().await.status, status, "{request}");
    }
}

#[tokio::test]
async fn a_malformed_body_is_refused_and_bytes_after_it_are_not_a_request() {
    for body in [
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "5;\nhello\r\n0\r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;a b\r\nhello\r\n0\r\n\r\n",
        "5;a=\r\nhello\r\n0\r\n\r\n",
        "5;=b\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\r\nhello\r\n0\r\n\r\n",
        "5;a(=b\r\nhello\r\n0\r\n\r\n",
        "5;\x01\r\nhello\r\n0\r\n\r\n",
        "0;\r\n\r\n",
        "0\r\n folded: x\r\n\r\n",
        "0\r\nbare: lf\n\r\n",
    ] {
        let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
        let server = world.listen().await;
        let mut raw = Raw::new(connect(&server).await);
        raw.send(with("transfer-encoding: chunked\r\n") + body + SMUGGLED)
            .await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, 400, "{body:?}");
        assert!(raw.is_closed().await, "{body:?}");
        assert!(world.lines(1).await[0].contains("cause=broken-body"));
    }
}

#[tokio::test]
async fn valid_requests_before_a_malformed_request_are_answered() {
    let world = World::new(1, |_, reply, _| async {
        tokio::task::yield_now().await;
        say(reply, 200, "reached")
    });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    let good = "GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n";
    let bad = with("transfer-encoding: chunked\r\ncontent-length: 4\r\n");
    raw.send(format!("{good}{good}{bad}{SMUGGLED}")).await;
    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(raw.answer().await.status, 400);
    assert!(raw.is_closed().await);
}
