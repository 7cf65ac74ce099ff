//! How a dyno ended without being asked to, in words for the app's owner.
//!
//! Must not know what becomes of the dyno afterwards.

use grid::protocol::CrashCause;
use wasmtime::WasmBacktrace;
use wasmtime_wasi::I32Exit;

use crate::guest::stdio::logs::{DynoLog, printable};

/// Longest description of a trap, in bytes.
const REASON_BYTES_MAX: usize = 1_000;

/// Lines of a trap's backtrace that go to the log.
const BACKTRACE_LINES_MAX: usize = 24;

/// How a dyno ended without being asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DynoCrash {
    /// For the app's owner to read.
    pub(crate) reason: String,
    pub(crate) cause: CrashCause,
    /// A request ended it: see [`grid::protocol::Report::Crashed`].
    pub(crate) in_request: bool,
}

/// What a failed boot means for the dyno; where the guest was goes to its log.
pub(crate) fn boot_crash(error: &wasmtime::Error, voice: &DynoLog) -> DynoCrash {
    DynoCrash {
        cause: CrashCause::Boot,
        ..crash(error, voice)
    }
}

/// The same of a failed call, or of a program that ended with an error; as if no request had ended it.
pub(crate) fn crash(error: &wasmtime::Error, voice: &DynoLog) -> DynoCrash {
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return DynoCrash {
            reason: format!("exited with code {code}"),
            cause: CrashCause::Exit,
            in_request: false,
        };
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        // Names in it are the guest's own words.
        for line in backtrace.to_string().lines().take(BACKTRACE_LINES_MAX) {
            voice.platform(line);
        }
    }
    let cause = error.chain().last().map(ToString::to_string);
    let mut reason = printable(cause.unwrap_or_default().trim_end().as_bytes());
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    DynoCrash {
        reason,
        cause: CrashCause::Trap,
        in_request: false,
    }
}
