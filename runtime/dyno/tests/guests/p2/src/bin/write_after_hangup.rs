//! Streams a line every 10 ms for ever and unwraps each write, like many programs that panic when a client hangs up. A
//! hang-up must not count as a crash of the app: the dyno must be replaced at once.

use guests_p2::raw;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

const PAUSE_NS: u64 = 10_000_000;

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let body = raw::head(out, 200, &[]);
    let stream = body.write().expect("the stream is taken once");
    loop {
        raw::write(&stream, b"tick\n").unwrap();
        subscribe_duration(PAUSE_NS).block();
    }
}
