//! Serves two requests and traps in the third, for every path. Since each instance has served before its trap, the host
//! must replace the dyno at once, each time.

guests_p2::guest!(
    raw | _request,
    out,
    call | {
        match call % 3 {
            0 => core::arch::wasm32::unreachable(),
            _ => guests_p2::raw::reply(out, 200, &format!("ok {call}\n")),
        }
    }
);
