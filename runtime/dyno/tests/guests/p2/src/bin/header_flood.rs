//! Answers with `?n=N` (40,000) headers of `?bytes=M` (32); with `?name=M` all headers have the same name of M bytes,
//! and are added in one call. If the host refuses a header as it is added, the guest reports its number; otherwise the
//! host must refuse the response, and send none of its headers to the client.

use guests_p2::raw;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let n = raw::number(&request, "n", 40_000);
    let value = vec![b'v'; raw::number(&request, "bytes", 32) as usize];
    let name = raw::number(&request, "name", 0) as usize;
    if name > 0 {
        let header = ("x".repeat(name), value);
        let fields = Fields::from_list(&vec![header; n as usize]);
        return answer(fields.expect("sound headers"), out);
    }
    let fields = Fields::new();
    for i in 0..n {
        if let Err(error) = fields.append(&format!("x-flood-{i}"), &value) {
            return raw::reply(out, 200, &format!("refused at={i} {error:?}\n"));
        }
    }
    answer(fields, out);
}

fn answer(fields: Fields, out: ResponseOutparam) {
    let response = OutgoingResponse::new(fields);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let _ = OutgoingBody::finish(body, None);
}
