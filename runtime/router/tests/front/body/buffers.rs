//! The memory that slow readers take together is bounded.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use exchange::Reply;
use exchange::limits::{RESPONSE_BUFFER_FREE, RESPONSE_BUFFERS_MAX};

use crate::raw::Raw;
use crate::world::{End, World, app, eventually, head};

/// Bytes of each response: fewer than one response may buffer.
const BODY: usize = 900 * 1024;
const PIECE: usize = 60 * 1024;
/// Responses that are together larger than the memory for all.
const READERS: usize = 400;

/// Sends a body of [`BODY`] bytes, and counts itself in `held` while it waits for room.
async fn pour(mut reply: Reply, held: Arc<AtomicUsize>) -> End {
    static PIECES: [u8; PIECE] = [b'x'; PIECE];
    reply.send_head(head(200)).unwrap();
    for _ in 0..BODY / PIECE {
        let mut waits = false;
        poll_fn(|cx| {
            let room = reply.poll_ready(cx);
            if room.is_pending() && !std::mem::replace(&mut waits, true) {
                held.fetch_add(1, SeqCst);
            }
            room
        })
        .await;
        held.fetch_sub(usize::from(waits), SeqCst);
        // One copy for all responses, which takes no memory of its own.
        reply.send_data(Bytes::from_static(&PIECES));
    }
    reply.finish(None);
    End::Free
}

#[tokio::test]
async fn slow_readers_block_guests_and_do_not_fill_memory() {
    let (begun, held): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    let inside = (begun.clone(), held.clone());
    let count = u32::try_from(READERS).unwrap();
    let world = World::new(count, move |_, reply, _| {
        inside.0.fetch_add(1, SeqCst);
        pour(reply, inside.1.clone())
    });
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut raw = Raw::new(world.pipe());
        raw.send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
            .await;
        readers.push(raw);
    }
    let load = || world.router.load(&app()).unwrap();
    eventually(|| begun.load(SeqCst) == READERS).await;
    // No client reads: each guest has finished, or waits.
    eventually(|| load().free + held.load(SeqCst) == READERS).await;
    let finished = load().free;
    assert!(finished > 0 && finished < READERS, "{finished}");
    let buffered = world.router.statistics().buffered;
    let most = RESPONSE_BUFFERS_MAX + READERS * PIECE;
    assert!(buffered <= most as u64, "{buffered}");
    assert!(buffered > RESPONSE_BUFFERS_MAX as u64 / 2, "{buffered}");

    // Guests that wait go on when their own clients read.
    for raw in readers.iter_mut().rev().take(5) {
        let answer = raw.answer().await;
        assert_eq!((answer.body.len(), answer.complete), (BODY, true));
    }
    drop(readers);
    eventually(|| load().free == READERS).await;
    eventually(|| world.router.statistics().buffered == 0).await;
}

#[tokio::test]
async fn small_responses_do_not_count_towards_the_memory_limit() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let inner = gate.clone();
    let world = World::new(1, move |_, mut reply: Reply, _| {
        let gate = inner.clone();
        async move {
            reply.send_head(head(200)).unwrap();
            reply.send_data(Bytes::from(vec![b'x'; RESPONSE_BUFFER_FREE]));
            gate.acquire().await.unwrap().forget();
            reply.finish(None);
            End::Free
        }
    });
    let mut raw = Raw::new(world.pipe());
    raw.send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| world.router.statistics().calls == 1).await;
    assert_eq!(world.router.statistics().buffered, 0);
    gate.add_permits(1);
    assert_eq!(raw.answer().await.body.len(), RESPONSE_BUFFER_FREE);
}
