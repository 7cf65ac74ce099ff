//! Returns normally without a response: the out-parameter is dropped, or with `?how=keep` leaked, or with `?how=error`
//! set to an error. The host must answer with an error page.

use guests_p2::raw;
use wasip2::http::types::{ErrorCode, IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    match raw::param(&request, "how").as_deref() {
        Some("keep") => std::mem::forget(out),
        Some("error") => {
            let secret = "the password is hunter2".to_owned();
            ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(secret))));
        }
        _ => drop(out),
    }
}
