//! Panics with a text that no client may see. The host must answer with a coded page, log the text as the app's
//! own line, and replace the dyno.

use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    panic!("the password is hunter2");
}
