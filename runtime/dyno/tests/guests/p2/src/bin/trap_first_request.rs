//! Traps in the first request of each instance, for every path, so no instance ever completes a request. The host must
//! replace the dyno at once each time, because crashes caused by requests cause no back-off.

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
