//! Streams an endless body, as fast as the host accepts it, and returns normally when a write fails. The host must end
//! the call by its own limits, and buffer little of the body for a slow client.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let body = raw::head(out, 200, &[]);
    let stream = body.write().expect("the stream is taken once");
    while raw::write(&stream, &[b'x'; 4096]).is_ok() {}
}
