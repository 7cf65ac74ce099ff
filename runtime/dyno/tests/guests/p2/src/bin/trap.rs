//! Executes `unreachable` before the response. The host must answer with an error page and replace the dyno.

use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    core::arch::wasm32::unreachable()
}
