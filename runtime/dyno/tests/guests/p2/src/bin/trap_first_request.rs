//! Traps in the first request of each instance, whatever its path: no instance ever completes one. The host must
//! start it again at once each time: what a request does makes no back-off.

guests_p2::guest!(
    raw | _request,
    out,
    call | {
        match call {
            1 => core::arch::wasm32::unreachable(),
            _ => guests_p2::raw::reply(out, 200, &format!("ok {call}\n")),
        }
    }
);
