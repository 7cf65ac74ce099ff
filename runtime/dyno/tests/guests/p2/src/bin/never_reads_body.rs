//! Answers without looking at the request's body. The response must arrive, and the next request on the same
//! connection must not be read out of this one's body.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    raw::reply(out, 200, "not interested\n");
}
