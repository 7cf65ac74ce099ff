//! Takes the body of a response that announces 1000 bytes, then sets the status `status` (304), sends the response, and
//! finishes the empty body (`finish: …` on stderr). The host must accept that, because the response has no content.

use guests_p2::raw;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::new();
    let length = headers.append("content-length", b"1000");
    length.expect("a sound header");
    let response = OutgoingResponse::new(headers);
    let body = response.body().expect("the body is taken once");
    let status = raw::number(&request, "status", 304) as u16;
    response.set_status_code(status).expect("a sound status");
    ResponseOutparam::set(out, Ok(response));
    eprintln!("finish: {:?}", OutgoingBody::finish(body, None));
}
