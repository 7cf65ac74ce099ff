//! Interim responses of server dynos (RFC 9110, 15.2), and `Expect: 100-continue` (10.1.1).

use bytes::Bytes;
use exchange::{Reply, RequestBody};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::io::AsyncReadExt;

use crate::raw::Raw;
use crate::world::{End, World, head, say, send};

/// Servers that send two early hints and other interim responses, then `done`, at once or after a while.
fn hinting() -> World {
    World::servers(
        1,
        |request: Request<RequestBody>, reply: Reply, _| async move {
            let interim = reply.interim_sender();
            let mut headers = HeaderMap::new();
            headers.insert("link", HeaderValue::from_static("</a.css>; rel=preload"));
            headers.insert("connection", HeaderValue::from_static("close, x-private"));
            headers.insert("x-private", HeaderValue::from_static("1"));
            for status in [100, 101, 102, 103, 103, 200] {
                interim(StatusCode::from_u16(status).unwrap(), &headers);
            }
            if request.uri().path() == "/slow" {
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            }
            let end = say(reply, 200, "done");
            // After the head: too late.
            interim(StatusCode::EARLY_HINTS, &headers);
            end
        },
    )
}

fn get(path: &str, version: &str) -> String {
    format!("GET {path} HTTP/{version}\r\nhost: hello.localhost\r\n\r\n")
}

#[tokio::test(start_paused = true)]
async fn early_hints_come_before_the_response() {
    for path in ["/slow", "/fast"] {
        let world = hinting();
        let mut raw = Raw::new(world.pipe());
        // The connection goes on afterwards.
        for _ in 0..3 {
            raw.send(get(path, "1.1")).await;
            let mut seen = Vec::new();
            let last = loop {
                let answer = raw.answer().await;
                if answer.status >= 200 {
                    break answer;
                }
                assert_eq!(answer.header("link"), Some("</a.css>; rel=preload"));
                assert_eq!(
                    (answer.header("connection"), answer.header("x-private")),
                    (None, None)
                );
                seen.push(answer.status);
            };
            assert_eq!(seen, [102, 103, 103], "{path}");
            assert_eq!((last.status, last.body.as_str()), (200, "done"));
        }
        assert!(raw.ahead.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn interim_responses_are_sent_at_once() {
    let world = hinting();
    let mut raw = Raw::new(world.pipe());
    let begun = tokio::time::Instant::now();
    raw.send(get("/slow", "1.1")).await;
    assert_eq!(raw.answer().await.status, 102);
    assert_eq!(begun.elapsed().as_secs(), 0);
}

/// Pipelined requests: the interim responses stand before their own response.
#[tokio::test(start_paused = true)]
async fn interim_responses_come_before_their_own_pipelined_response() {
    let world = hinting();
    let mut raw = Raw::new(world.pipe());
    raw.send(get("/slow", "1.1").repeat(3)).await;
    let mut statuses = Vec::new();
    while statuses.iter().filter(|status| **status == 200).count() < 3 {
        statuses.push(raw.answer().await.status);
    }
    let one = [102, 103, 103, 200];
    assert_eq!(statuses, [one, one, one].concat());
}

/// RFC 9110, 15.2: a server must not send a 1xx to a client of HTTP/1.0.
#[tokio::test(start_paused = true)]
async fn a_client_of_http_1_0_gets_no_interim_response() {
    let world = hinting();
    let mut raw = Raw::new(world.pipe());
    raw.send(get("/slow", "1.0")).await;
    let mut text = String::new();
    raw.io.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.0 200 OK\r\n") && text.ends_with("done"),
        "{text}"
    );
}

/// A response with a length goes out without its trailers, and is complete.
#[tokio::test(start_paused = true)]
async fn trailers_of_a_response_with_a_length_are_dropped() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        let mut head = head(200);
        head.headers
            .insert("content-length", HeaderValue::from_static("5"));
        reply.send_head(head).unwrap();
        for piece in ["he", "llo"] {
            tokio::task::yield_now().await;
            send(&mut reply, Bytes::from_static(piece.as_bytes())).await;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("1"));
        reply.finish(Some(trailers));
        End::Free
    });
    let mut raw = Raw::new(world.pipe());
    for _ in 0..2 {
        let answer = raw.get("/").await;
        assert_eq!((answer.body.as_str(), answer.complete), ("hello", true));
    }
    for line in world.lines(2).await {
        assert!(
            line.starts_with("at=info ") && line.contains(" status=200 bytes=5 "),
            "{line}"
        );
    }
}

/// The number of a response's headers is bounded, whatever their size; the log has the reason.
#[tokio::test]
async fn a_response_with_too_many_headers_is_refused() {
    for (count, fits) in [(1_000, true), (1_001, false), (2_000, false)] {
        let world = World::new(1, move |_, mut reply: Reply, _| async move {
            let mut head = head(200);
            for n in 0..count {
                let name = http::HeaderName::try_from(format!("x{n}")).unwrap();
                head.headers.insert(name, HeaderValue::from_static("1"));
            }
            let sent = reply.send_head(head);
            assert_eq!(sent.is_ok(), fits);
            if let Err(bad) = sent {
                assert!(bad.to_string().contains("at most 1000"), "{bad}");
                assert!(bad.reason().contains("1,000 headers"));
            }
            reply.finish(None);
            End::Free
        });
        let mut raw = Raw::new(world.pipe());
        let answer = raw.get("/").await;
        assert_eq!(answer.status, if fits { 200 } else { 502 });
        let line = &world.lines(1).await[0];
        let why = " code=H17 desc=\"Poorly formatted HTTP response\" cause=too-many-headers ";
        assert_eq!(line.contains(why), !fits, "{line}");
    }
}

/// The response of a server dyno that uses HTTP/1.0 is sent as HTTP/1.1.
#[tokio::test(start_paused = true)]
async fn responses_have_the_http_version_of_the_router() {
    let world = World::servers(1, |_, mut reply: Reply, _| async move {
        let mut head = head(200);
        head.version = http::Version::HTTP_10;
        reply.send_head(head).unwrap();
        tokio::task::yield_now().await;
        send(&mut reply, Bytes::from_static(b"old")).await;
        reply.finish(None);
        End::Free
    });
    let mut raw = Raw::new(world.pipe());
    for _ in 0..2 {
        raw.send(get("/", "1.1")).await;
        let mut start = [0; 12];
        raw.io.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        raw.ahead = start.to_vec();
        let answer = raw.answer().await;
        assert_eq!((answer.body.as_str(), answer.complete), ("old", true));
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    }
}
