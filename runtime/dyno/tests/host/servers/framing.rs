//! Where responses of a server end (RFC 9112, 6.3), for valid and invalid framing.

use dyno::LocalDyno;
use http::{Method, Version};

use super::server;
use crate::support::{Host, Reply, ask, get};

/// The path that makes the server send `bytes`, and then act as `end` says.
fn raw(bytes: &str, end: &str) -> String {
    let digits: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("/?raw={digits}{end}")
}

/// The reply made from `bytes`, and the reply to a second request, which must never get any of these bytes.
async fn answered(method: Method, bytes: &str, end: &str) -> (Reply, Reply) {
    let mut host = server("answers_raw", &[]).await;
    let (dyno, reply) = asked(&mut host, method, bytes, end).await;
    let dyno = dyno.unwrap_or_else(|| panic!("{bytes:?}: {:?}", host.lines()));
    let (_, next) = ask(dyno, get("/")).await;
    assert_eq!((next.status(), next.finished), (200, true), "{bytes:?}");
    assert!(
        next.text().ends_with("requests=2 HTTP/1.1"),
        "{bytes:?}: {next:?}"
    );
    (reply, next)
}

async fn asked(
    host: &mut Host,
    method: Method,
    bytes: &str,
    end: &str,
) -> (Option<LocalDyno>, Reply) {
    let mut request = get(&raw(bytes, end));
    *request.method_mut() = method;
    ask(host.up().await, request).await
}

fn length(reply: &Reply) -> Option<&str> {
    let headers = &reply.head.as_ref()?.headers;
    assert!(!headers.contains_key("transfer-encoding"), "{headers:?}");
    headers
        .get("content-length")
        .map(|length| length.to_str().unwrap())
}

const CLOSE: &str = "&end=1";
const KEEP: &str = "";

/// A response of a server, how the server ends it, the body that a client gets, and its `Content-Length`.
type Framed = (String, &'static str, &'static str, Option<&'static str>);

async fn assert_bodies_end(responses: &[Framed]) {
    for (bytes, end, body, announced) in responses {
        let (reply, _) = answered(Method::GET, bytes, end).await;
        assert_eq!((reply.status(), reply.finished), (200, true), "{bytes:?}");
        assert_eq!(
            (reply.text().as_str(), length(&reply)),
            (*body, *announced),
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn bodies_with_a_length_or_in_chunks_end_where_rfc_9112_6_3_says() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    assert_bodies_end(&[
        // 6: a length.
        (
            format!("{ok}Content-Length: 5\r\n\r\nhello"),
            KEEP,
            "hello",
            Some("5"),
        ),
        (
            format!("{ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
            KEEP,
            "hello",
            Some("5"),
        ),
        (
            format!("{ok}Content-Length: 5, 5\r\n\r\nhello"),
            KEEP,
            "hello",
            Some("5"),
        ),
        // 4: chunked, alone or beside a length, which does not count.
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n{chunks}"),
            KEEP,
            "hello",
            None,
        ),
        (
            format!("{ok}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{chunks}"),
            KEEP,
            "hello",
            None,
        ),
        (
            format!("{ok}Content-Length: 30\r\nTransfer-Encoding: Chunked\r\n\r\n{chunks}"),
            KEEP,
            "hello",
            None,
        ),
    ])
    .await;
}

#[tokio::test]
async fn bodies_until_the_connection_ends_end_where_rfc_9112_6_3_says() {
    let ok = "HTTP/1.1 200 OK\r\n";
    assert_bodies_end(&[
        // 8: until the connection ends.
        (format!("{ok}\r\nhello"), CLOSE, "hello", None),
        (
            "HTTP/1.0 200 OK\r\n\r\nhello".to_owned(),
            CLOSE,
            "hello",
            None,
        ),
        (
            format!("{ok}Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nhello"),
            CLOSE,
            "hello",
            None,
        ),
        (
            format!("{ok}Connection: close\r\nContent-Length: 5\r\n\r\nhello"),
            CLOSE,
            "hello",
            Some("5"),
        ),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello".into(),
            KEEP,
            "hello",
            Some("5"),
        ),
    ])
    .await;
}

/// Rule 1: a response without content ends after its head, whatever the headers say. Bytes after it are discarded.
#[tokio::test]
async fn a_response_without_a_body_ends_after_its_head() {
    let coded = "Transfer-Encoding: chunked\r\n\r\n";
    for (method, status, rest, announced) in [
        (
            Method::HEAD,
            200,
            "Content-Length: 1234\r\n\r\n",
            Some("1234"),
        ),
        (Method::HEAD, 200, coded, None),
        (
            Method::GET,
            304,
            "Content-Length: 1234\r\n\r\n",
            Some("1234"),
        ),
        (Method::GET, 304, coded, None),
        (Method::GET, 204, "\r\n", None),
        (Method::GET, 204, "\r\nleft over", None),
    ] {
        let bytes = format!("HTTP/1.1 {status} X\r\n{rest}");
        let (reply, _) = answered(method, &bytes, KEEP).await;
        assert_eq!(
            (reply.status(), reply.finished),
            (status, true),
            "{bytes:?}"
        );
        assert_eq!(
            (reply.text().as_str(), length(&reply)),
            ("", announced),
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn bytes_after_a_response_are_not_a_response_to_the_next_request() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for first in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let (reply, _) = answered(Method::GET, &format!("{first}{poison}"), KEEP).await;
        assert_eq!(
            (reply.text().as_str(), reply.finished),
            ("hello", true),
            "{first:?}"
        );
    }
}

#[tokio::test]
async fn a_response_with_invalid_framing_is_refused() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for bytes in [
        format!("{ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        format!("{ok}Content-Length: 5, 6\r\n\r\nhello!"),
        format!("{ok}Content-Length: five\r\n\r\nhello"),
        format!("{ok}Content-Length: -5\r\n\r\nhello"),
        format!("{ok}Content-Length: 99999999999999999999999\r\n\r\nhello"),
        format!("{ok}Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        format!("{ok}Transfer-Encoding: chunked, gzip\r\n\r\nhello"),
        format!("{ok}Transfer-Encoding: gzip\r\n\r\nhello"),
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".into(),
        format!("{ok}{}\r\n", "a: b\r\n".repeat(2_000)),
    ] {
        let (reply, _) = answered(Method::GET, &bytes, CLOSE).await;
        assert!(
            reply.is_rejected() && reply.head.is_none() && !reply.finished,
            "{bytes:.80?}"
        );
    }
}

#[tokio::test]
async fn a_truncated_body_is_not_complete() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for bytes in [
        format!("{ok}Content-Length: 50\r\n\r\nhello"),
        format!("{ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        format!("{ok}Transfer-Encoding: chunked\r\n\r\n50\r\nhello"),
    ] {
        let (reply, _) = answered(Method::GET, &bytes, CLOSE).await;
        assert_eq!(
            (reply.text().as_str(), reply.finished),
            ("hello", false),
            "{bytes:?}"
        );
    }
}

/// The end of a program closes its connections. This does not complete a body that ends with its connection.
#[tokio::test]
async fn a_program_end_does_not_complete_a_body_without_length() {
    for _ in 0..20 {
        let mut host = server("answers_raw", &[]).await;
        let bytes = "HTTP/1.1 200 OK\r\n\r\nhalf";
        let (dyno, reply) = asked(&mut host, Method::GET, bytes, "&end=exit").await;
        assert!(dyno.is_none() && !reply.finished, "{reply:?}");
    }
}

/// RFC 9110, 15.2: interim responses come before the response. A 101 without an upgrade request is invalid.
#[tokio::test]
async fn interim_responses_are_passed_on_before_the_response() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
                 HTTP/1.1 102 Processing\r\n\r\n";
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let (reply, _) = answered(Method::GET, &format!("{hints}{response}"), KEEP).await;
    assert_eq!((reply.text().as_str(), reply.finished), ("hello", true));
    assert_eq!(
        reply.interim,
        [(103, Some("</a.css>; rel=preload".to_owned())), (102, None)]
    );
}

/// RFC 9110, 2.5: requests have the HTTP version of the host, not of the client.
#[tokio::test]
async fn requests_to_servers_are_http_1_1() {
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
        let mut host = server("answers_raw", &[]).await;
        let mut request = get("/");
        *request.version_mut() = version;
        let (_, reply) = ask(host.up().await, request).await;
        assert_eq!(reply.text(), "connections=1 requests=1 HTTP/1.1");
    }
}
