//! Recurses without end. The host must turn that into a trap of this guest alone, and replace the dyno.

use std::hint::black_box;

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let depth = dive(black_box(0));
    raw::reply(out, 200, &format!("came back from {depth}\n"));
}

fn dive(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if frame[0] == u64::MAX {
        return depth;
    }
    dive(depth + 1) + black_box(frame)[63]
}
