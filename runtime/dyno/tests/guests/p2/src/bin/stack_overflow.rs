//! Endless recursion: plain calls, or with `?how=memory` calls with large frames in linear memory. The host must turn
//! both into a trap of this guest only, and replace the dyno.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

/// Never reached, but the compiler must not know that.
static BOTTOM: AtomicU64 = AtomicU64::new(u64::MAX);

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let depth = match raw::param(&request, "how").as_deref() {
        Some("memory") => dive_with_frames(0),
        _ => dive(0),
    };
    raw::reply(out, 200, &format!("came back with {depth}\n"));
}

/// Uses only the stack of the engine.
fn dive(depth: u64) -> u64 {
    if depth == BOTTOM.load(Ordering::Relaxed) {
        return depth;
    }
    dive(depth + 1).rotate_left(3) ^ BOTTOM.load(Ordering::Relaxed)
}

/// Uses up the stack that the program keeps in its linear memory.
fn dive_with_frames(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if frame[0] == BOTTOM.load(Ordering::Relaxed) {
        return depth;
    }
    dive_with_frames(depth + 1) + black_box(frame)[63]
}
