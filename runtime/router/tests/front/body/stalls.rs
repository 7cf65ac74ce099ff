//! Slow readers, slow writers, and silence.

use std::time::Duration;

use bytes::Bytes;
use exchange::Reply;
use grid::protocol::Refusal;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};

use crate::raw::Raw;
use crate::world::{End, World, app, connect, eventually, head, say, send};

/// Answers with the number of bytes that the path names.
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
    // Nothing was read yet, and the dyno serves other requests.
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

/// A client that reads nothing, or almost nothing, of a response larger than the buffer frees its dyno after the
/// patience for readers, whatever the app's time limit is.
#[tokio::test(start_paused = true)]
async fn a_reader_below_the_minimum_rate_is_cut_off_and_frees_the_dyno() {
    for bytes_in_5_s in [0, 100, 20_000] {
        let world = large(1);
        let mut slow = Raw::new(world.pipe());
        slow.send(get("/3000000")).await;
        let begun = Instant::now();
        let mut piece = vec![0; bytes_in_5_s];
        eventually(|| !world.recorded_free()).await;
        while !world.recorded_free() {
            sleep(Duration::from_secs(5)).await;
            let _ =
                tokio::time::timeout(Duration::from_secs(1), slow.io.read_exact(&mut piece)).await;
        }
        let held = begun.elapsed().as_secs();
        assert!((10..=35).contains(&held), "{held} s");
        let records = world.recorded(1).await;
        assert_eq!(records[0].code, Some(Refusal::ClientIdle));
        assert_eq!(records[0].status, 499);
        // The guest could finish, and its output was discarded.
        assert!(world.kills().is_empty());
        let mut next = Raw::new(world.pipe());
        assert_eq!(next.get("/1000").await.status, 200);
    }
}

/// A guest that never ends its response is killed after such a client.
#[tokio::test(start_paused = true)]
async fn an_endless_response_is_killed_after_its_slow_reader() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        reply.send_head(head(200)).unwrap();
        loop {
            send(&mut reply, Bytes::from(vec![b'x'; 100_000])).await;
            sleep(Duration::from_millis(10)).await;
        }
    });
    let mut slow = Raw::new(world.pipe());
    slow.send(get("/")).await;
    eventually(|| world.kills() == [exchange::Kill::Hangup]).await;
    assert_eq!(world.recorded(1).await[0].code, Some(Refusal::ClientIdle));
}

/// 30 KB/s is a slow mobile network, and fast enough.
#[tokio::test(start_paused = true)]
async fn a_reader_above_the_minimum_rate_has_unlimited_time() {
    for (bytes, seconds) in [(30_000, 1), (90_000, 9), (150_000, 5)] {
        let world = large(1);
        let mut slow = Raw::new(world.pipe());
        slow.send(get("/3000000")).await;
        let mut piece = vec![0; bytes];
        for _ in 0..3_000_000 / bytes {
            sleep(Duration::from_secs(seconds)).await;
            slow.io.read_exact(&mut piece).await.unwrap();
        }
        let end = tokio::time::timeout(Duration::from_secs(1), slow.io.read_to_end(&mut piece));
        let _ = end.await;
        let records = world.recorded(1).await;
        assert_eq!(
            (records[0].code, records[0].bytes),
            (None, 3_000_000),
            "{bytes}"
        );
    }
}

/// A client is not too slow while the app has produced nothing.
#[tokio::test(start_paused = true)]
async fn a_response_that_the_app_produces_slowly_is_not_cut_off() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        reply.send_head(head(200)).unwrap();
        for _ in 0..100 {
            send(&mut reply, Bytes::from_static(b"data: tick\n\n")).await;
            sleep(Duration::from_secs(50)).await;
        }
        reply.finish(None);
        End::Free
    });
    let mut raw = Raw::new(world.pipe());
    let answer = raw.get("/").await;
    assert!(answer.complete);
    assert_eq!(answer.body.len(), 1200);
    assert_eq!(world.recorded(1).await[0].code, None);
}

/// With the kernel's buffers in between, which hide the client's pace.
#[tokio::test]
async fn slow_readers_over_sockets_do_not_hold_all_dynos() {
    let world = large(2);
    let server = world.listen().await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut raw = Raw::new(connect(&server).await);
        raw.send(get("/30000000")).await;
        slow.push(raw);
    }
    eventually(|| world.router.load(&app()).unwrap().waiting == 2).await;
    // The request waits for the four before it, for two windows.
    let mut raw = Raw::new(connect(&server).await);
    assert_eq!(raw.get("/1000").await.body.len(), 1000);
    let records = world.recorded(5).await;
    let cut = records
        .iter()
        .filter(|r| r.code == Some(Refusal::ClientIdle));
    assert_eq!(cut.count(), 4);
}

#[tokio::test]
async fn three_hundred_stalled_clients_do_not_delay_other_clients() {
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
    // On a slow machine, connections without a complete head may be closed already.
    assert!(world.router.statistics().connections >= 201);
}

#[tokio::test(start_paused = true)]
async fn a_request_head_must_arrive_in_time() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    for first in [
        "",
        "GET",
        "GET / HTTP/1.1\r\nhost: hello.localhost\r\nx: y\r\n",
    ] {
        let mut raw = Raw::new(world.pipe());
        let begun = Instant::now();
        raw.send(first).await;
        // Single bytes do not extend the time.
        for _ in 0..4 {
            sleep(Duration::from_secs(2)).await;
            raw.try_send(if first.is_empty() { "" } else { "a" }).await;
        }
        assert!(raw.is_closed().await);
        assert_eq!(begun.elapsed().as_secs(), 10, "{first:?}");
    }
    assert!(world.router.statistics().requests == 0);
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
async fn a_connection_with_a_slow_guest_is_not_closed() {
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
async fn a_small_request_body_must_arrive_in_time() {
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
async fn a_stalled_large_upload_is_an_error_of_the_client() {
    let world = World::new(1, |request, reply, _| crate::world::echo(request, reply));
    let mut raw = Raw::new(world.pipe());
    raw.send("POST / HTTP/1.1\r\nhost: hello.localhost\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    raw.send("x".repeat(200_000)).await;
    let answer = raw.answer().await;
    assert_eq!(answer.status, 408);
    let records = world.recorded(1).await;
    assert_eq!(records[0].code, Some(Refusal::ClientIdle));
    // The guest saw the error, and ended.
    eventually(|| world.recorded_free()).await;
    assert!(world.kills().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_steady_upload_is_not_timed_out() {
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
