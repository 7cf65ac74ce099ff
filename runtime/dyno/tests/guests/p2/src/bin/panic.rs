//! Panics with a text that no client may see. The host must answer with an error page, log the text as a line of the
//! app, and replace the dyno.

use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    panic!("the password is hunter2");
}
