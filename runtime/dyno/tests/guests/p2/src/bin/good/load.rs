//! Routes that use time, CPU or memory on purpose.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::SystemTime;

use futures_lite::stream::unfold;
use guests_p2::web::{Answer, number, text};
use wstd::http::body::Bytes;
use wstd::http::{Body, Response, Uri};
use wstd::time::{Duration, Instant};

/// Size of the chunks of a large body.
const CHUNK_BYTES: u64 = 64 * 1024;

static COUNT: AtomicU64 = AtomicU64::new(0);
static IN_FLIGHT: AtomicU32 = AtomicU32::new(0);

/// `/sleep?ms=N`: waits without using the CPU.
pub async fn sleep(uri: &Uri) -> Answer {
    let ms = number(uri, "ms", 50);
    wstd::task::sleep(Duration::from_millis(ms)).await;
    text(200, format!("slept {ms}\n"))
}

/// `/spin?ms=N`: computes for N milliseconds, with no host calls except the clock.
pub fn spin(uri: &Uri) -> Answer {
    let ms = number(uri, "ms", 50);
    let until = std::time::Duration::from_millis(ms);
    let start = std::time::Instant::now();
    let mut rounds = 0u64;
    while start.elapsed() < until {
        rounds = (0..10_000).fold(rounds, |sum, i| {
            std::hint::black_box(sum ^ i).rotate_left(1)
        });
    }
    text(200, format!("spun {ms} {:x}\n", rounds & 1))
}

/// `/overlap?ms=N`: 500 if another call is in progress in this instance.
pub async fn overlap(uri: &Uri) -> Answer {
    let others = IN_FLIGHT.fetch_add(1, Ordering::SeqCst);
    wstd::task::sleep(Duration::from_millis(number(uri, "ms", 50))).await;
    IN_FLIGHT.fetch_sub(1, Ordering::SeqCst);
    match others {
        0 => text(200, "alone\n"),
        _ => text(500, format!("overlapped with {others}\n")),
    }
}

/// `/count`: the number of calls of this instance.
pub fn count() -> Answer {
    text(
        200,
        format!("{}\n", COUNT.fetch_add(1, Ordering::SeqCst) + 1),
    )
}

/// `/big?bytes=N`: a body of N times `x`; with `length=1` the length is announced.
pub fn big(uri: &Uri) -> Answer {
    let bytes = number(uri, "bytes", 1024 * 1024);
    let chunks = unfold(bytes, |left| async move {
        let now = left.min(CHUNK_BYTES);
        (now > 0).then(|| (Bytes::from(vec![b'x'; now as usize]), left - now))
    });
    let mut response = Response::builder();
    if number(uri, "length", 0) == 1 {
        response = response.header("content-length", bytes);
    }
    Ok(response.body(Body::from_stream(chunks))?)
}

/// `/stream?chunks=N&bytes=M&ms=T`: N chunks of M bytes, one every T milliseconds.
pub fn stream(uri: &Uri) -> Answer {
    let pause = Duration::from_millis(number(uri, "ms", 10));
    let chunk = Bytes::from(vec![b'x'; number(uri, "bytes", 10) as usize]);
    let chunks = unfold(number(uri, "chunks", 10), move |left| {
        let chunk = chunk.clone();
        async move {
            let next = left.checked_sub(1)?;
            wstd::task::sleep(pause).await;
            Some((chunk, next))
        }
    });
    Ok(Response::new(Body::from_stream(chunks)))
}

/// `/time`: the wall clock in milliseconds since 1970, and the duration of the reading by the monotonic clock.
pub fn time() -> Answer {
    let start = Instant::now();
    let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let spent = Instant::now().duration_since(start);
    text(
        200,
        format!(
            "unix_ms={} spent_ns={}\n",
            wall.as_millis(),
            spent.as_nanos()
        ),
    )
}
