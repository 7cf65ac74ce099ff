//! Request bodies: when they are read, and what happens to bodies that no guest reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use http_body::Body;

use crate::raw::Raw;
use crate::world::{World, app, connect, echo, say};

const HOST: &str = "host: hello.localhost\r\n";

#[tokio::test]
async fn a_small_body_is_read_before_a_dyno_is_taken() {
    let world = World::new(1, |request, reply, _| echo(request, reply));
    let server = world.listen().await;
    let mut slow = Raw::new(connect(&server).await);
    slow.send(format!(
        "POST / HTTP/1.1\r\n{HOST}content-length: 65536\r\n\r\n"
    ))
    .await;
    slow.send("x".repeat(65_000)).await;
    // The client goes on sending, and the only dyno is free meanwhile.
    let mut raw = Raw::new(connect(&server).await);
    for _ in 0..20 {
        assert_eq!(raw.get("/").await.status, 200);
        assert_eq!(world.router.load(&app()).unwrap().free, 1);
    }
    slow.send("x".repeat(536)).await;
    assert_eq!(slow.answer().await.body.len(), 65_536);
}

#[tokio::test]
async fn a_guest_knows_the_announced_size_of_a_body() {
    let world = World::new(
        1,
        |request: http::Request<exchange::RequestBody>, reply, _| async move {
            let hint = request.body().size_hint();
            let length = request.headers().get("content-length").cloned();
            let text = format!("{:?} {}", hint.exact(), length.is_some());
            let _ = echo_away(request).await;
            say(reply, 200, &text)
        },
    );
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    for (length, expected) in [
        (0, "Some(0) true"),
        (10, "Some(10) true"),
        (300_000, "Some(300000) true"),
    ] {
        let body = "x".repeat(length);
        let answer = raw
            .ask(format!(
                "POST / HTTP/1.1\r\n{HOST}content-length: {length}\r\n\r\n{body}"
            ))
            .await;
        assert_eq!(answer.body, expected);
    }
    assert_eq!(raw.get("/").await.body, "Some(0) false");
}

async fn echo_away(request: http::Request<exchange::RequestBody>) -> usize {
    use http_body_util::BodyExt;
    let body = request.into_body().collect().await.unwrap();
    body.to_bytes().len()
}

#[tokio::test]
async fn an_unread_body_is_never_parsed_as_a_request() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let world = World::new(1, move |request: http::Request<_>, reply, _| {
        seen.fetch_add(1, SeqCst);
        async move {
            let path = request.uri().path().to_owned();
            drop(request);
            say(reply, 200, &path)
        }
    });
    let server = world.listen().await;
    let inner = format!("GET /smuggled HTTP/1.1\r\n{HOST}\r\n");
    for size in [100, 60_000, 70_000, 300_000, 1_000_000] {
        let mut raw = Raw::new(connect(&server).await);
        let body = inner.repeat(size / inner.len());
        let length = body.len();
        raw.send(format!(
            "POST /first HTTP/1.1\r\n{HOST}content-length: {length}\r\n\r\n"
        ))
        .await;
        raw.try_send(&body).await;
        let answer = raw.answer().await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "/first"),
            "{size}"
        );
        // The connection is usable, or closed.
        raw.try_send(format!("GET /second HTTP/1.1\r\n{HOST}\r\n"))
            .await;
        match raw.try_answer(false).await {
            Some(answer) => assert_eq!(answer.body, "/second", "{size}"),
            None => assert!(size > 65_536, "{size}"),
        }
    }
    assert!(calls.load(SeqCst) <= 10);
}

#[tokio::test]
async fn continue_is_sent_when_the_body_is_needed() {
    let world = World::new(1, |request, reply, _| echo(request, reply));
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    for length in [5, 200_000] {
        let head = format!(
            "POST / HTTP/1.1\r\n{HOST}expect: 100-Continue\r\ncontent-length: {length}\r\n\r\n"
        );
        assert_eq!(raw.ask(head).await.status, 100);
        let body = "x".repeat(length);
        assert_eq!(raw.ask(&body).await.body, body);
    }
    // A request for an unknown host reaches no dyno.
    let mut raw = Raw::new(connect(&server).await);
    let head = "POST / HTTP/1.1\r\nhost: other.localhost\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(raw.ask(head).await.status, 404);
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_not_read() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let refuse = grid::protocol::RouteTarget::Refuse(grid::protocol::Refusal::Maintenance);
    world.publish(refuse, Vec::new(), 100);
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send(format!(
        "POST / HTTP/1.1\r\n{HOST}content-length: 9999999\r\n\r\n"
    ))
    .await;
    raw.try_send("x".repeat(200_000)).await;
    assert!(raw.answer().await.body.contains("H80"));
}
