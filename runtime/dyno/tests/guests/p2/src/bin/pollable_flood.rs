//! Makes `?n=N` (1,000,000) timers and drops none; with `?poll=1` it then waits for all of them in one call.
//! The host must stop it at the limit of its resource table, without using more memory itself.

use guests_p2::raw;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

const HOUR_NS: u64 = 3_600_000_000_000;

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let n = raw::number(&request, "n", 1_000_000);
    let mut timers: Vec<_> = (0..n).map(|_| subscribe_duration(HOUR_NS)).collect();
    if raw::number(&request, "poll", 0) == 1 {
        timers.push(subscribe_duration(0));
        wasip2::io::poll::poll(&timers.iter().collect::<Vec<_>>());
    }
    std::mem::forget(timers);
    raw::reply(out, 200, &format!("made={n}\n"));
}
