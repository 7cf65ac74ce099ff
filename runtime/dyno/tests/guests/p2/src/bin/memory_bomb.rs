//! Allocates and touches memory, one megabyte at a time, until the host refuses: then reports the amount, or with
//! `?then=trap` traps like a program that expects no refusal. The host must enforce the limit.

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

const STEP_BYTES: usize = 1024 * 1024;

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(STEP_BYTES).is_err() {
            break;
        }
        block.resize(STEP_BYTES, 0xa5);
        held.push(block);
    }
    if raw::param(&request, "then").as_deref() == Some("trap") {
        std::hint::black_box(vec![0xa5u8; held.len() * STEP_BYTES]);
    }
    let mib = held.len();
    drop(held);
    raw::reply(out, 200, &format!("refused at mib={mib}\n"));
}
