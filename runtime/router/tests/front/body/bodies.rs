//! The memory that all request bodies take together, before dynos are taken for them, is bounded.

use crate::protocol::http2::client;
use crate::raw::Raw;
use crate::world::{World, app, echo, eventually};
use bytes::Bytes;
use http::Request;
use router::RouterLimits;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::Semaphore;

/// A small limit for the memory of all bodies (bytes).
const MAX: usize = 128 * 1024;
/// Bytes of one body: fewer than may be buffered of one body.
const BODY: usize = 60_000;
/// Bytes of a body that are sent first.
const FIRST: usize = 50_000;
/// Bytes of a body that is buffered in any case.
const SMALL: usize = 8 * 1024;

/// Echoes bodies once the gate is open; `begun` counts the calls.
fn gated(dynos: u32) -> (World, Arc<Semaphore>, Arc<AtomicUsize>) {
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::<AtomicUsize>::default());
    let inner = (gate.clone(), begun.clone());
    let limits = RouterLimits {
        request_buffers_max: MAX,
        ..RouterLimits::default()
    };
    let world = World::with(limits, dynos, move |request, reply, _| {
        let (gate, begun) = inner.clone();
        begun.fetch_add(1, SeqCst);
        async move {
            drop(gate.acquire().await.unwrap());
            echo(request, reply).await
        }
    });
    (world, gate, begun)
}

/// Begins a request, and sends `bytes` of its body.
async fn begin(world: &World, length: usize, bytes: usize) -> Raw<DuplexStream> {
    let mut raw = Raw::new(world.pipe());
    let head = "POST / HTTP/1.1\r\nhost: hello.localhost\r\n";
    raw.send(format!("{head}content-length: {length}\r\n\r\n"))
        .await;
    raw.send("x".repeat(bytes)).await;
    raw
}

/// Without other bodies, a body is read before a dyno is taken.
async fn is_empty(world: &World, begun: &AtomicUsize) {
    let before = begun.load(SeqCst);
    let mut raw = begin(world, BODY, FIRST).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(begun.load(SeqCst), before);
    raw.send("x".repeat(BODY - FIRST)).await;
    assert_eq!(raw.answer().await.body.len(), BODY);
}

#[tokio::test(start_paused = true)]
async fn bodies_beyond_the_memory_limit_are_streamed_and_small_bodies_are_read_first() {
    let (world, gate, begun) = gated(8);
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut raw = begin(&world, BODY, 0).await;
        slow.push(tokio::spawn(async move {
            raw.send("x".repeat(FIRST)).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            raw.send("x".repeat(BODY - FIRST)).await;
            raw.answer().await
        }));
    }
    let mut small = begin(&world, SMALL, SMALL - 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Two buffered bodies leave no room for a third.
    let streamed = begun.load(SeqCst);
    assert!((6..=8).contains(&streamed), "{streamed}");
    gate.add_permits(1);
    for one in slow {
        let answer = one.await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, BODY));
    }
    assert_eq!(begun.load(SeqCst), 8);
    small.send("x").await;
    assert_eq!(small.answer().await.body.len(), SMALL);
    is_empty(&world, &begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_the_queue_releases_its_body_memory() {
    let (world, gate, begun) = gated(1);
    let load = || world.router.load(&app()).unwrap();
    let mut holder = begin(&world, 0, 0).await;
    let mut line = Vec::new();
    for waiting in 1..=2 {
        line.push(begin(&world, BODY, BODY).await);
        eventually(|| load().waiting == waiting).await;
    }
    // There is no room for a third body, which waits unread.
    let mut third = begin(&world, BODY, 0).await;
    eventually(|| load().waiting == 3).await;
    drop(line);
    eventually(|| load().waiting == 1).await;
    gate.add_permits(1);
    assert_eq!(holder.answer().await.status, 200);
    third.send("x".repeat(BODY)).await;
    assert_eq!(third.answer().await.body.len(), BODY);
    is_empty(&world, &begun).await;
}

/// Sends as much of a body as the window allows, and counts it. Returns that, and the length of the response.
async fn pour(client: h2::client::SendRequest<Bytes>, sent: Arc<AtomicUsize>) -> usize {
    let mut client = client.ready().await.unwrap();
    let request = Request::post("http://hello.localhost/").body(()).unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    let mut left = BODY;
    while left > 0 {
        stream.reserve_capacity(left);
        let size = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let size = size.unwrap().unwrap().min(left);
        left -= size;
        sent.fetch_add(size, SeqCst);
        stream
            .send_data(Bytes::from(vec![b'x'; size]), left == 0)
            .unwrap();
    }
    let mut body = response.await.unwrap().into_body();
    let mut length = 0;
    while let Some(data) = body.data().await {
        let size = data.unwrap().len();
        length += size;
        let _ = body.flow_control().release_capacity(size);
    }
    length
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_the_memory_limit_get_no_http2_window() {
    const STREAMS: usize = 60;
    /// Bytes that a connection may have in flight.
    const WINDOW: usize = 1024 * 1024;
    /// The window is given back in steps of this size.
    const SLACK: usize = 64 * 1024;
    let (world, gate, begun) = gated(u32::try_from(STREAMS).unwrap());
    let client = client(world.pipe()).await;
    let sent = Arc::<AtomicUsize>::default();
    let mut all = Vec::new();
    for _ in 0..STREAMS {
        all.push(tokio::spawn(pour(client.clone(), sent.clone())));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held = sent.load(SeqCst);
    assert!((MAX..=MAX + WINDOW + SLACK).contains(&held), "{held}");
    gate.add_permits(1);
    for one in all {
        assert_eq!(one.await.unwrap(), BODY);
    }
    assert_eq!(begun.load(SeqCst), STREAMS);
    is_empty(&world, &begun).await;
}
