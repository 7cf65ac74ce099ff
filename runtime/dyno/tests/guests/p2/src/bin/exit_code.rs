//! Calls `exit(?code=N)` (0) within a request, or with `?after=head` after the response head. WASI 0.2 passes on only
//! whether the code was 0. The host must treat every code as a crash and replace the dyno.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let code = raw::number(&request, "code", 0);
    let _body = raw::param(&request, "after").map(|_| raw::head(out, 200, &[]));
    std::process::exit(code as i32)
}
