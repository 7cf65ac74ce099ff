//! Opens standard output as a stream `?n=N` (1,000,000) times and closes none. The host must stop it at the limit of
//! its resource table, without using more memory itself.

use guests_p2::raw;
use wasip2::cli::stdout::get_stdout;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let n = raw::number(&request, "n", 1_000_000);
    (0..n).for_each(|_| std::mem::forget(get_stdout()));
    raw::reply(out, 200, &format!("made={n}\n"));
}
