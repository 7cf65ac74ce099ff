//! Sends a complete response and then sleeps, or with `?how=spin` computes, for `?ms=N` (2000) before it returns. The
//! client must get the response at once; the dyno must get no request until the call has returned.

use std::time::{Duration, Instant};

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let rest = Duration::from_millis(raw::number(&request, "ms", 2000));
    let spin = raw::param(&request, "how").as_deref() == Some("spin");
    raw::reply(out, 200, "done\n");
    let start = Instant::now();
    match spin {
        true => while start.elapsed() < rest {},
        false => std::thread::sleep(rest),
    }
}
