//! Measures the clocks: the resolution that they report, and the smallest step within `?n=N` (100,000) readings. The
//! host must not offer a timer finer than a microsecond.

use guests_p2::raw;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let n = raw::number(&request, "n", 100_000);
    let wall = || {
        let now = wall_clock::now();
        now.seconds * 1_000_000_000 + u64::from(now.nanoseconds)
    };
    let claimed = wall_clock::resolution();
    let claimed_ns = claimed.seconds * 1_000_000_000 + u64::from(claimed.nanoseconds);
    let text = format!(
        "monotonic_resolution_ns={}\nmonotonic_step_ns={}\nwall_resolution_ns={claimed_ns}\nwall_step_ns={}\n",
        monotonic_clock::resolution(),
        least_step(n, monotonic_clock::now),
        least_step(n, wall),
    );
    raw::reply(out, 200, &text);
}

/// The smallest difference other than zero between two consecutive readings.
fn least_step(readings: u64, read: impl Fn() -> u64) -> u64 {
    let mut last = read();
    let steps = (0..readings).map(|_| {
        let now = read();
        let step = now.saturating_sub(last);
        last = now;
        step
    });
    steps.filter(|step| *step > 0).min().unwrap_or(0)
}
