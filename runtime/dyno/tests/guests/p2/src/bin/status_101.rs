//! Answers with status 101 and no body. If the host refuses the number, the guest says so with a 200; otherwise the
//! host must refuse the response.

use guests_p2::raw;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    if response.set_status_code(101).is_err() {
        return raw::reply(out, 200, "refused\n");
    }
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let _ = OutgoingBody::finish(body, None);
}
