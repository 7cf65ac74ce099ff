//! Announces 100 bytes and writes 1000. The host must never pass on the rest: the client gets the 100 bytes or an
//! aborted response, and the next response on the connection is valid.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, OutgoingBody, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let body = raw::head(out, 200, &[("content-length", "100")]);
    let stream = body.write().expect("the stream is taken once");
    for _ in 0..10 {
        if let Err(error) = raw::write(&stream, &[b'x'; 100]) {
            eprintln!("write: {error:?}");
            break;
        }
    }
    drop(stream);
    eprintln!("finish: {:?}", OutgoingBody::finish(body, None));
}
