//! Allocates and touches `?kb=N` (1024) more memory at each request, and reports the total. The host must stop it at
//! the limit and replace the dyno, without an effect on other dynos.

use std::sync::atomic::{AtomicU64, Ordering};

use guests_p2::raw;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

static KEPT_KB: AtomicU64 = AtomicU64::new(0);

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let kb = raw::number(&request, "kb", 1024);
    std::mem::forget(std::hint::black_box(vec![0xa5u8; kb as usize * 1024]));
    let kept = KEPT_KB.fetch_add(kb, Ordering::Relaxed) + kb;
    raw::reply(out, 200, &format!("kept_kb={kept}\n"));
}
