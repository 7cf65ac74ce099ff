//! Responses without content: the head is the whole response, and is not changed (RFC 9110, 8.6, 9.3.2, 15.3.5 and
//! 15.4.5).

use crate::protocol::http2::client;
use crate::raw::{Answer, Raw};
use crate::world::{End, World, connect, eventually, head, say, send};
use bytes::Bytes;
use exchange::{Kill, Reply, RequestBody};
use http::{HeaderValue, Request};
use std::time::Duration;

/// The guest's action after the head.
#[derive(Clone, Copy, Debug)]
enum Rest {
    /// Sends nothing, and ends.
    Nothing,
    /// Sends more than announced, and ends.
    TooMuch,
    /// Sends some data, and traps.
    Trap,
    /// Sends data without an end.
    Endless,
}

/// Announces 4 bytes with the status that the path names, and goes on with `rest`.
async fn answer(request: Request<RequestBody>, mut reply: Reply, rest: Rest) -> End {
    let mut head = head(request.uri().path()[1..].parse().unwrap());
    let length = HeaderValue::from_static("4");
    head.headers.insert("content-length", length);
    reply.send_head(head).unwrap();
    match rest {
        Rest::Nothing => {}
        Rest::TooMuch => {
            for _ in 0..1000 {
                send(&mut reply, Bytes::from_static(&[b'x'; 4096])).await;
            }
        }
        Rest::Trap => {
            send(&mut reply, Bytes::from_static(b"b")).await;
            return End::Trap;
        }
        Rest::Endless => {
            send(&mut reply, Bytes::from_static(b"b")).await;
            std::future::pending().await
        }
    }
    reply.finish(None);
    End::Free
}

const ALL: [Rest; 4] = [Rest::Nothing, Rest::TooMuch, Rest::Trap, Rest::Endless];

/// The method, the status, and the length that the client reads.
const CASES: [(&str, u16, Option<&str>); 5] = [
    ("HEAD", 200, Some("4")),
    ("HEAD", 304, Some("4")),
    ("HEAD", 204, None),
    ("GET", 304, Some("4")),
    ("GET", 204, None),
];

/// One dyno for each request.
fn world(rest: Rest) -> World {
    let dynos = u32::try_from(CASES.len()).unwrap();
    World::new(dynos, move |request, reply, _| answer(request, reply, rest))
}

/// Checks that each request has the expected answer, and that none was broken off.
async fn all_are_whole(world: &World, rest: Rest) {
    let records = world.recorded(CASES.len()).await;
    for (record, (method, status, _)) in records.iter().zip(CASES) {
        let what = format!("{rest:?}: {record}");
        assert_eq!(
            (record.method.as_str(), record.status),
            (method, status),
            "{what}"
        );
        assert_eq!((record.code, record.bytes), (None, 0), "{what}");
    }
}

#[tokio::test]
async fn over_http1_the_length_is_kept_and_the_connection_stays_open() {
    for rest in ALL {
        let world = world(rest);
        let server = world.listen().await;
        let mut raw = Raw::new(connect(&server).await);
        for (method, status, length) in CASES {
            let request = format!("{method} /{status} HTTP/1.1\r\nhost: hello.localhost\r\n\r\n");
            raw.send(request).await;
            let answer: Answer = raw.answer_to(true).await;
            let what = format!("{rest:?} {method} {status}");
            assert_eq!(answer.status, status, "{what}");
            assert_eq!(answer.header("content-length"), length, "{what}");
            assert_eq!(answer.header("transfer-encoding"), None, "{what}");
            assert_eq!(answer.header("connection"), None, "{what}");
        }
        all_are_whole(&world, rest).await;
    }
}

#[tokio::test]
async fn over_http2_no_stream_is_reset() {
    for rest in ALL {
        let world = world(rest);
        let server = world.listen().await;
        let mut client = client(connect(&server).await).await;
        for (method, status, length) in CASES {
            let request = Request::builder()
                .method(method)
                .uri(format!("http://hello.localhost/{status}"))
                .body(())
                .unwrap();
            let what = format!("{rest:?} {method} {status}");
            let (response, _) = client.send_request(request, true).unwrap();
            let response = response.await.unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(response.status(), status, "{what}");
            let told = response.headers().get("content-length");
            assert_eq!(told.map(|told| told.to_str().unwrap()), length, "{what}");
            let data = response.into_body().data().await;
            assert!(data.is_none_or(|data| data.unwrap().is_empty()), "{what}");
        }
        all_are_whole(&world, rest).await;
    }
}

/// A body that never ends holds the dyno of a HEAD no longer than that of a client that has left.
#[tokio::test(start_paused = true)]
async fn a_head_request_of_an_endless_body_frees_the_dyno() {
    let world = World::new(1, |request, mut reply: Reply, _| async move {
        if request.method() == "GET" {
            return say(reply, 200, "still here");
        }
        reply.send_head(head(200)).unwrap();
        loop {
            send(&mut reply, Bytes::from_static(b"data: tick\n\n")).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut raw = Raw::new(world.pipe());
    raw.send("HEAD / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    assert_eq!(raw.answer_to(true).await.status, 200);
    eventually(|| !world.kills().is_empty()).await;
    assert_eq!(world.kills(), [Kill::Hangup]);
    let record = &world.recorded(1).await[0];
    assert_eq!((record.status, record.code), (200, None), "{record}");
}

/// A length of zero is not sent if a GET would not have it (RFC 9110, 8.6).
#[tokio::test]
async fn a_head_response_without_a_length_gets_no_length() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        reply.send_head(head(200)).unwrap();
        reply.finish(None);
        End::Free
    });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send("HEAD / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    let answer = raw.answer_to(true).await;
    assert_eq!(answer.header("content-length"), None);
}
