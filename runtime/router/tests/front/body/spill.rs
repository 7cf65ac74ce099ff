//! Responses larger than the buffer wait on disk for slow readers, and their dynos are free.

use crate::protocol::http2::client;
use crate::raw::Raw;
use crate::world::{End, World, app, connect, eventually, head, send};
use bytes::Bytes;
use exchange::{Reply, RequestBody};
use grid::protocol::Refusal;
use http::{HeaderMap, HeaderValue, Request};
use router::RouterConfig;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// A pattern in which each byte depends on its position.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 7 % 251) as u8).collect()
}

/// A folder that is removed at the end of the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("dyno-router-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Answers with the number of bytes of the pattern that the path names. `?length` announces them, `?pause` stops in the
/// middle, `?half` breaks off there.
fn patterned(spill: &Path, dynos: u32) -> World {
    let config = RouterConfig {
        spill: Some(spill.to_owned()),
        ..RouterConfig::default()
    };
    World::with_config(
        config,
        dynos,
        |request: Request<RequestBody>, mut reply: Reply, _| async move {
            let size: usize = request.uri().path()[1..].parse().unwrap();
            let how = request.uri().query().unwrap_or_default();
            let mut head = head(200);
            if how == "length" {
                head.headers.insert("content-length", size.into());
            }
            reply.send_head(head).unwrap();
            let whole = Bytes::from(pattern(size));
            for at in (0..size).step_by(10_000) {
                if at >= size / 2 && at < size / 2 + 10_000 {
                    match how {
                        "pause" => tokio::time::sleep(Duration::from_secs(40)).await,
                        "half" => return End::Trap,
                        _ => {}
                    }
                }
                send(&mut reply, whole.slice(at..size.min(at + 10_000))).await;
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-end", HeaderValue::from_static("1"));
            reply.finish(Some(trailers));
            End::Free
        },
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: hello.localhost\r\nconnection: close\r\n\r\n")
}

fn is_free(world: &World) -> bool {
    world.router.load(&app()).unwrap().free == 1
}

/// Reads the body of a response with a length, byte by byte.
async fn body(raw: &mut Raw<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>) -> Vec<u8> {
    let mut all = std::mem::take(&mut raw.ahead);
    raw.io.read_to_end(&mut all).await.unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    all.split_off(end)
}

#[tokio::test]
async fn a_dyno_is_free_when_its_guest_has_finished_however_large_the_response() {
    let folder = Folder::new("free");
    let world = patterned(&folder.0, 1);
    let server = world.listen().await;
    let mut slow = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw::new(connect(&server).await);
        raw.send(get("/20000000?length")).await;
        slow.push(raw);
    }
    // No client reads, and the one dyno has answered all five requests and more.
    let mut next = Raw::new(connect(&server).await);
    next.send(get("/1000?length")).await;
    assert_eq!(body(&mut next).await, pattern(1000));
    eventually(|| is_free(&world)).await;
    assert_eq!(folder.entries(), 0, "the files have no names");
    assert!(world.router.statistics().buffered <= 5 * 1_300_000);
    for raw in &mut slow {
        assert!(body(raw).await == pattern(20_000_000));
    }
    for record in world.recorded(6).await {
        assert_eq!((record.code, record.status), (None, 200));
    }
    assert_eq!(world.router.statistics().buffered, 0);
    assert!(world.kills().is_empty());
}

#[tokio::test(start_paused = true)]
async fn slow_readers_get_every_byte_at_any_pace() {
    let folder = Folder::new("pace");
    for (how, piece, pause) in [
        ("length", 100_000, 30),
        ("length", 999_983, 1),
        ("pause", 70_001, 5),
        ("", 300_000, 50),
    ] {
        let world = patterned(&folder.0, 1);
        let mut raw = Raw::new(world.pipe());
        raw.send(get(&format!("/4000000?{how}"))).await;
        let mut bytes = vec![0; piece];
        // 2 KB/s among them: there is no minimum rate for clients that hold no dyno.
        while raw.ahead.len() < 3_000_000 {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            raw.io.read_exact(&mut bytes).await.unwrap();
            raw.ahead.extend_from_slice(&bytes);
        }
        if how == "length" {
            assert!(body(&mut raw).await == pattern(4_000_000));
        } else {
            // The chunked reader returns text: only the length is compared.
            let answer = raw.answer().await;
            assert!(answer.complete);
            assert_eq!(answer.status, 200);
        }
        assert_eq!(world.recorded(1).await[0].code, None, "{how}");
    }
}

#[tokio::test]
async fn chunked_and_http2_responses_on_disk_arrive_complete() {
    let folder = Folder::new("h2");
    let world = patterned(&folder.0, 1);
    let mut client = client(world.pipe()).await;
    let request = Request::get("http://hello.localhost/5000000")
        .body(())
        .unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let mut stream = response.await.unwrap().into_body();
    // The client keeps the window shut until the dyno is free.
    eventually(|| is_free(&world)).await;
    let mut all = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        stream.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    assert!(all == pattern(5_000_000));
    assert_eq!(stream.trailers().await.unwrap().unwrap()["x-end"], "1");
    assert_eq!(world.recorded(1).await[0].code, None);
}

/// A response that breaks off while it is on disk breaks off for the client, after all bytes before.
#[tokio::test]
async fn an_aborted_response_on_disk_is_aborted_for_the_client() {
    let folder = Folder::new("half");
    let world = patterned(&folder.0, 1);
    let mut raw = Raw::new(world.pipe());
    raw.send(get("/6000000?half")).await;
    let answer = raw.answer().await;
    assert!(!answer.complete);
    assert_eq!(world.recorded(1).await[0].code, Some(Refusal::Interrupted));
}

#[tokio::test]
async fn a_client_that_leaves_releases_its_disk_space() {
    let folder = Folder::new("leaves");
    let world = patterned(&folder.0, 1);
    for _ in 0..20 {
        let mut raw = Raw::new(world.pipe());
        raw.send(get("/3000000?length")).await;
        eventually(|| is_free(&world)).await;
    }
    world.recorded(20).await;
    assert_eq!(world.router.statistics().buffered, 0);
    assert_eq!(folder.entries(), 0);
}

/// If the disk takes nothing, the response does not fail: the guest waits for its client.
#[tokio::test(start_paused = true)]
async fn without_disk_space_the_guest_waits_for_its_client() {
    let world = patterned(Path::new("/nonexistent/folder"), 1);
    let mut raw = Raw::new(world.pipe());
    raw.send(get("/3000000?length")).await;
    let mut bytes = vec![0; 100_000];
    for _ in 0..25 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        raw.io.read_exact(&mut bytes).await.unwrap();
        raw.ahead.extend_from_slice(&bytes);
    }
    assert!(body(&mut raw).await == pattern(3_000_000));
    assert_eq!(world.recorded(1).await[0].code, None);
    let mut stalled = Raw::new(world.pipe());
    stalled.send(get("/3000000?length")).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(world.recorded(2).await[1].code, Some(Refusal::ClientIdle));
    assert_eq!(begun.elapsed().as_secs(), 10);
    let mut next = Raw::new(world.pipe());
    next.send(get("/10?length")).await;
    assert_eq!(body(&mut next).await, pattern(10));
}
