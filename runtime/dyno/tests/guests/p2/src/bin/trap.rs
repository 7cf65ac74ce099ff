//! Executes `unreachable` before it has answered. The host must answer with a coded page and replace the dyno.

use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    core::arch::wasm32::unreachable()
}
