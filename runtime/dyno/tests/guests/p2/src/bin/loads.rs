//! Exports the boot hook, which does what `LOAD` says (see `loading.rs`); answers `/` with `loaded`. The host must call
//! the hook once in each instance, before the first request, and take its failure for a failed boot.

#[path = "../loading.rs"]
mod loading;

use guests_p2::raw;
use loading::Hook;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);
loading::export!(Hook with_types_in loading);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    raw::reply(out, 200, "loaded\n");
}
