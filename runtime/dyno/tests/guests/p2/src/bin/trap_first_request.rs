//! Traps in the first request of each instance, whatever its path: no instance ever completes one. The host must
//! back off from starting it again and again.

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
