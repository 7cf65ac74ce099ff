//! Computes hashes for `?ms=N` (100) and reports the number of rounds. Two of these guests on a core must leave other
//! apps their share.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

/// Rounds between two readings of the clock.
const BATCH: u64 = 10_000;

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let time = Duration::from_millis(raw::number(&request, "ms", 100));
    let (start, mut rounds, mut hasher) = (Instant::now(), 0u64, DefaultHasher::new());
    while start.elapsed() < time {
        (0..BATCH).for_each(|i| i.hash(&mut hasher));
        rounds += BATCH;
    }
    raw::reply(
        out,
        200,
        &format!("rounds={rounds} hash={:016x}\n", hasher.finish()),
    );
}
