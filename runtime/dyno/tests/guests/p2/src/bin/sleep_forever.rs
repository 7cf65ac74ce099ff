//! Waits for ever without using the CPU, before the head, or `?after=head` behind it, or `?after=body` behind
//! 10 bytes. The host must end the call at its deadline (or by its idle timeout) and replace the dyno.

use guests_p2::raw;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

/// About three hundred years.
const FOREVER_NS: u64 = i64::MAX as u64;

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let after = raw::param(&request, "after").unwrap_or_default();
    let body = (!after.is_empty()).then(|| raw::head(out, 200, &[]));
    if let (Some(body), "body") = (&body, after.as_str()) {
        let stream = body.write().expect("the stream is taken once");
        let _ = raw::write(&stream, b"0123456789");
    }
    subscribe_duration(FOREVER_NS).block();
}
