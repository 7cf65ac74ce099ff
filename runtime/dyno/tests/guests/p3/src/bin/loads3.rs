//! On WASI 0.3: exports the boot hook, which acts as `LOAD` says; answers `/` with `loaded`. The host must call the
//! hook once in each instance, before the first request, and treat its failure as a failed boot.

use guests_loading::Hook;
use guests_p3::{Answer, text};
use wasip3::http::types::Request;

guests_p3::guest!(handle);
guests_loading::export!(Hook with_types_in guests_loading);

async fn handle(_request: Request) -> Answer {
    text(200, "loaded\n")
}
