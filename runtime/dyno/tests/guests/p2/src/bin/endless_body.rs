//! Streams a body without end, as fast as the host takes it, and stops in good order when a write fails. The host
//! must end it by its own limits, and keep little of it in memory for a slow client.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let body = raw::head(out, 200, &[]);
    let stream = body.write().expect("the stream is taken once");
    while raw::write(&stream, &[b'x'; 4096]).is_ok() {}
}
