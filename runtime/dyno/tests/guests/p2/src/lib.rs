//! Shared code of the WASI 0.2 guests: query parameters, plain answers, and a thin layer over the raw
//! `wasi:http` bindings for guests that break rules which `wstd` enforces.
//!
//! Must not know single guests or the host.

use std::sync::atomic::{AtomicU64, Ordering};

pub mod raw;
pub mod web;

#[doc(hidden)]
pub use wasip2;

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Counts a call: returns 1 for the first call of this instance.
pub fn count_call() -> u64 {
    CALLS.fetch_add(1, Ordering::SeqCst) + 1
}

/// Makes a function the handler of this guest. Every guest also answers `/ok` with `ok N`, where N is the
/// number of this call in this instance: 1 means a fresh instance.
#[macro_export]
macro_rules! guest {
    ($handle:path) => {
        $crate::guest!(raw |request, out, call| match $crate::raw::path(&request).as_str() {
            "/ok" => $crate::raw::reply(out, 200, &format!("ok {call}\n")),
            _ => $handle(request, out),
        });
    };
    (raw |$request:ident, $out:ident, $call:ident| $body:expr) => {
        struct Guest;

        impl $crate::wasip2::exports::http::incoming_handler::Guest for Guest {
            fn handle(
                $request: $crate::wasip2::http::types::IncomingRequest,
                $out: $crate::wasip2::http::types::ResponseOutparam,
            ) {
                let $call = $crate::count_call();
                $body
            }
        }

        $crate::wasip2::http::proxy::export!(Guest with_types_in $crate::wasip2);

        fn main() {}
    };
}
