//! Makes `?n=N` (5,000,000) host resources (empty header maps) and drops none. The host must stop it at the limit of
//! its resource table, without using more memory itself.

use guests_p2::raw;
use wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let n = raw::number(&request, "n", 5_000_000);
    (0..n).for_each(|_| std::mem::forget(Fields::new()));
    raw::reply(out, 200, &format!("made={n}\n"));
}
