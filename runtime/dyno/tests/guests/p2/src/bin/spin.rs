//! An infinite loop before the response head, or with `?after=head` after it, or with `?after=body` after 10 bytes. The
//! host must end the call at its deadline and replace the dyno, without a delay for other requests.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let after = raw::param(&request, "after").unwrap_or_default();
    let body = (!after.is_empty()).then(|| raw::head(out, 200, &[]));
    if let (Some(body), "body") = (&body, after.as_str()) {
        let stream = body.write().expect("the stream is taken once");
        let _ = raw::write(&stream, b"0123456789");
    }
    let mut rounds = 0u64;
    loop {
        rounds = std::hint::black_box(rounds.wrapping_add(1));
    }
}
