//! Answers without reading the body of the request. The response must arrive, and bytes of the body must not be
//! parsed as the next request on the connection.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    raw::reply(out, 200, "not interested\n");
}
