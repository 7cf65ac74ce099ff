//! Slow readers, slow writers, and silence.

use crate::raw::Raw;
use crate::world::{End, World, app, connect, eventually, head, say, send};
use bytes::Bytes;
use grid::routing::Refusal;
use router::Reply;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};

/// Answers with as much as its path says.
fn large(dynos: u32) -> World {
    World::new(
        dynos,
        |request: http::Request<_>, mut reply: Reply, _| async move {
            let size: usize = request.uri().path()[1..].parse().unwrap();
            reply.send_head(head(200)).unwrap();
            for _ in 0..size / 1000 {
                send(&mut reply, Bytes::from(vec![b'x'; 1000])).await;
            }
            reply.finish(None);
            End::Free
        },
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
}

#[tokio::test]
async fn a_slow_reader_frees_the_dyno() {
    let world = large(1);
    let mut slow = Raw::new(world.pipe());
    slow.send(get("/1000000")).await;
    eventually(|| world.recorded_free()).await;
    // Nothing was read yet, and the dyno serves others.
    let mut raw = Raw::new(world.pipe());
    assert_eq!(raw.get("/1000").await.body.len(), 1000);
    assert_eq!(slow.answer().await.body.len(), 1_000_000);
    world.recorded(2).await;
}

impl World {
    fn recorded_free(&self) -> bool {
        self.router.load(&app()).unwrap().free == 1
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_more_than_the_buffer_holds_the_dyno_until_it_stalls() {
    let world = large(1);
    let mut slow = Raw::new(world.pipe());
    slow.send(get("/3000000")).await;
    let begun = Instant::now();
    let records = world.recorded(1).await;
    assert_eq!(records[0].code, Some(Refusal::ClientIdle));
    assert_eq!(records[0].status, 499);
    assert_eq!(begun.elapsed().as_secs(), 55);
    // The guest was let finish into the void.
    eventually(|| world.recorded_free()).await;
    assert!(world.kills().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_moves_is_not_stalled() {
    let world = large(1);
    let mut slow = Raw::new(world.pipe());
    slow.send(get("/1500000")).await;
    let mut piece = vec![0; 100_000];
    for _ in 0..15 {
        sleep(Duration::from_secs(50)).await;
        slow.io.read_exact(&mut piece).await.unwrap();
    }
    let answer = tokio::time::timeout(Duration::from_secs(1), slow.io.read_to_end(&mut piece));
    let _ = answer.await;
    let records = world.recorded(1).await;
    assert_eq!((records[0].code, records[0].bytes), (None, 1_500_000));
}

#[tokio::test]
async fn three_hundred_stalled_clients_move_nobody() {
    let world = large(2);
    let server = world.listen().await;
    let mut stalled = Vec::new();
    for n in 0..300 {
        let mut raw = Raw::new(connect(&server).await);
        match n % 3 {
            0 => raw.send("GET / HT").await,
            1 => {
                let head =
                    "POST /1000 HTTP/1.1\r\nhost: hello.localhost\r\ncontent-length: 9\r\n\r\nx";
                raw.send(head).await;
            }
            _ => raw.send(get("/1000000")).await,
        }
        stalled.push(raw);
    }
    let mut raw = Raw::new(connect(&server).await);
    for _ in 0..200 {
        assert_eq!(raw.get("/1000").await.status, 200);
    }
    // A slow machine may have closed those that did not finish their head.
    assert!(world.router.stats().connections >= 201);
}

#[tokio::test(start_paused = true)]
async fn a_head_must_be_there_in_time() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    for first in [
        "",
        "GET",
        "GET / HTTP/1.1\r\nhost: hello.localhost\r\nx: y\r\n",
    ] {
        let mut raw = Raw::new(world.pipe());
        let begun = Instant::now();
        raw.send(first).await;
        // Dripping does not help.
        for _ in 0..4 {
            sleep(Duration::from_secs(2)).await;
            raw.try_send(if first.is_empty() { "" } else { "a" }).await;
        }
        assert!(raw.is_closed().await);
        assert_eq!(begun.elapsed().as_secs(), 10, "{first:?}");
    }
    assert!(world.router.stats().requests == 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let mut raw = Raw::new(world.pipe());
    for _ in 0..3 {
        assert_eq!(raw.get("/").await.status, 200);
        sleep(Duration::from_secs(70)).await;
    }
    assert_eq!(raw.get("/").await.status, 200);
    let begun = Instant::now();
    assert!(raw.is_closed().await);
    assert_eq!(begun.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn a_slow_guest_is_not_a_silent_connection() {
    let world = World::new(1, |_, reply, _| async {
        sleep(Duration::from_secs(290)).await;
        say(reply, 200, "reached")
    });
    world.change(Vec::new(), |route| {
        route.request_timeout = Some(Duration::from_secs(300));
    });
    let mut raw = Raw::new(world.pipe());
    raw.send(get("/")).await;
    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_small_body_must_be_there_in_time() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let head = "POST / HTTP/1.1\r\nhost: hello.localhost\r\ncontent-length: 1000\r\n\r\n";
    for (drip, seconds) in [(0, 55), (1, 60)] {
        let mut raw = Raw::new(world.pipe());
        raw.send(head).await;
        let begun = Instant::now();
        if drip > 0 {
            for _ in 0..5 {
                raw.send("x").await;
                sleep(Duration::from_secs(11)).await;
            }
        }
        let answer = raw.answer().await;
        assert_eq!(answer.status, 408);
        assert!(answer.body.contains("H28"));
        assert_eq!(begun.elapsed().as_secs(), seconds);
        assert!(raw.is_closed().await);
    }
    let lines = world.lines(2).await;
    assert!(lines[0].starts_with("at=warning code=H28"), "{}", lines[0]);
    assert!(lines[0].contains("dyno= ") && lines[0].contains("status=499"));
}

#[tokio::test(start_paused = true)]
async fn a_large_upload_that_stops_is_the_clients_fault() {
    let world = World::new(1, |request, reply, _| crate::world::echo(request, reply));
    let mut raw = Raw::new(world.pipe());
    raw.send("POST / HTTP/1.1\r\nhost: hello.localhost\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    raw.send("x".repeat(200_000)).await;
    let answer = raw.answer().await;
    assert_eq!(answer.status, 408);
    let records = world.recorded(1).await;
    assert_eq!(records[0].code, Some(Refusal::ClientIdle));
    // Its guest was told, and ended.
    eventually(|| world.recorded_free()).await;
    assert!(world.kills().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_comes_along_is_not_timed_out() {
    let world = World::new(1, |request, reply, _| crate::world::echo(request, reply));
    let mut raw = Raw::new(world.pipe());
    raw.send("POST / HTTP/1.1\r\nhost: hello.localhost\r\ncontent-length: 2000000\r\n\r\n")
        .await;
    for _ in 0..20 {
        raw.send("x".repeat(100_000)).await;
        sleep(Duration::from_secs(5)).await;
    }
    let answer = raw.answer().await;
    assert_eq!((answer.status, answer.body.len()), (200, 2_000_000));
}
