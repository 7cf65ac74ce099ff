//! Clients that hang up.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use exchange::{Kill, Reply};
use grid::protocol::Refusal;
use http_body_util::BodyExt;

use crate::raw::Raw;
use crate::world::{End, World, app, connect, eventually, head, say, send};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_guest_that_ends_soon_after_a_hangup_keeps_its_dyno() {
    let started = Arc::new(AtomicUsize::new(0));
    let seen = started.clone();
    let world = World::new(1, move |_, mut reply: Reply, _| {
        seen.fetch_add(1, SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            reply.send_head(head(200)).unwrap();
            // Far more than is buffered. Without a client it is discarded.
            for _ in 0..64 {
                send(&mut reply, Bytes::from(vec![0; 64 * 1024])).await;
            }
            reply.finish(None);
            End::Free
        }
    });
    let mut raw = Raw::new(world.pipe());
    raw.send(REQUEST).await;
    eventually(|| started.load(SeqCst) == 1).await;
    drop(raw);
    eventually(|| world.router.load(&app()).unwrap().free == 1).await;
    assert!(world.kills().is_empty());
    let lines = world.lines(1).await;
    assert!(lines[0].starts_with("at=warning code=H27"), "{}", lines[0]);
    assert!(lines[0].contains("dyno=web.1") && lines[0].contains("status=499 bytes=0"));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_runs_on_after_a_hangup_is_killed_after_the_grace_time() {
    let started = Arc::new(AtomicUsize::new(0));
    let seen = started.clone();
    let world = World::new(1, move |_, _reply: Reply, _| {
        seen.fetch_add(1, SeqCst);
        async move {
            let _held = _reply;
            pending::<End>().await
        }
    });
    let mut raw = Raw::new(world.pipe());
    raw.send(REQUEST).await;
    eventually(|| started.load(SeqCst) == 1).await;
    drop(raw);
    world.recorded(1).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(world.kills().is_empty());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.kills(), [Kill::Hangup]);
}

/// The request is in the app's log, although serving it never began.
#[tokio::test]
async fn a_request_is_logged_when_its_client_leaves_before_serving_begins() {
    let world = World::new(1, |_, reply, _| async move { say(reply, 200, "hello") });
    let mut raw = Raw::new(world.pipe());
    raw.send(REQUEST).await;
    drop(raw);
    let records = world.recorded(1).await;
    assert_eq!(records[0].code, Some(Refusal::ClientInterrupted));
    assert_eq!((records[0].status, &records[0].app), (499, &Some(app())));
    assert_eq!(records[0].dyno, None);
}

#[tokio::test]
async fn a_hangup_within_a_response_is_logged_and_frees_the_dyno() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        reply.send_head(head(200)).unwrap();
        for _ in 0..1000 {
            send(&mut reply, Bytes::from(vec![0; 64 * 1024])).await;
        }
        reply.finish(None);
        End::Free
    });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send(REQUEST).await;
    let mut some = [0; 100_000];
    tokio::io::AsyncReadExt::read_exact(&mut raw.io, &mut some)
        .await
        .unwrap();
    drop(raw);
    let records = world.recorded(1).await;
    assert_eq!(records[0].code, Some(Refusal::ClientInterrupted));
    assert!(records[0].bytes > 0 && records[0].status == 499);
    eventually(|| world.router.load(&app()).unwrap().free == 1).await;
}

#[tokio::test]
async fn an_aborted_upload_is_not_a_complete_body() {
    for framing in [
        "content-length: 1000000\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        let outcome = Arc::new(std::sync::Mutex::new(None));
        let seen = outcome.clone();
        let world = World::new(
            1,
            move |request: http::Request<exchange::RequestBody>, reply, _| {
                let seen = seen.clone();
                async move {
                    let read = request.into_body().collect().await;
                    *seen.lock().unwrap() = Some(read.is_ok());
                    say(reply, 200, "read")
                }
            },
        );
        let server = world.listen().await;
        let mut raw = Raw::new(connect(&server).await);
        raw.send(format!(
            "POST / HTTP/1.1\r\nhost: hello.localhost\r\n{framing}\r\n186a0\r\n"
        ))
        .await;
        raw.send("x".repeat(100_000)).await;
        eventually(|| world.router.load(&app()).unwrap().free == 0).await;
        drop(raw);
        eventually(|| outcome.lock().unwrap().is_some()).await;
        assert_eq!(*outcome.lock().unwrap(), Some(false), "{framing}");
        eventually(|| world.router.load(&app()).unwrap().free == 1).await;
        let records = world.recorded(1).await;
        assert_eq!(records[0].code, Some(Refusal::ClientInterrupted));
    }
}

#[tokio::test]
async fn a_hangup_within_a_small_body_takes_no_dyno() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send("POST / HTTP/1.1\r\nhost: hello.localhost\r\ncontent-length: 10\r\n\r\nabc")
        .await;
    drop(raw);
    let records = world.recorded(1).await;
    assert!(records[0].dyno.is_none());
    assert_eq!(world.router.load(&app()).unwrap().free, 1);
}

#[tokio::test]
async fn a_panic_of_a_dyno_fails_only_its_request() {
    let world = World::new(2, |request: http::Request<_>, reply, _| async move {
        if request.uri().path() == "/late" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(request.uri().path(), "/", "this panic is meant");
        say(reply, 200, "reached")
    });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send("GET /now HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    assert!(raw.is_closed().await);
    assert_eq!(world.recorded(1).await[0].code, Some(Refusal::Platform));
    let mut raw = Raw::new(connect(&server).await);
    let answer = raw.get("/late").await;
    assert!(answer.body.contains("H13"), "{}", answer.body);
    // Both handles were lost in the panics.
    world.serve(&[crate::world::key(1, 2)], &[crate::world::key(1, 2)]);
    assert_eq!(raw.get("/").await.status, 200);
}
