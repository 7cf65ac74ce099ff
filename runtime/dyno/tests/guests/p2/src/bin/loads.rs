//! Exports the boot hook, which acts as `LOAD` says (see `guests_loading`); answers `/` with `loaded`. The host must
//! call the hook once in each instance, before the first request, and treat its failure as a failed boot.

use guests_loading::Hook;
use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);
guests_loading::export!(Hook with_types_in guests_loading);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    raw::reply(out, 200, "loaded\n");
}
