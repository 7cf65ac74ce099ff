//! How a dyno ended unexpectedly, described for the app's owner.
//!
//! Must not know what happens to the dyno afterwards.

use grid::protocol::CrashCause;
use wasmtime::WasmBacktrace;
use wasmtime_wasi::I32Exit;

use crate::guest::stdio::logs::{DynoLog, escape_unprintable};

/// The longest description of a trap, in bytes.
const REASON_BYTES_MAX: usize = 1_000;

/// The most lines of a trap's backtrace that are logged.
const BACKTRACE_LINES_MAX: usize = 24;

/// How a dyno ended unexpectedly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DynoCrash {
    /// The description, for the app's owner.
    pub(crate) reason: String,
    pub(crate) cause: CrashCause,
    /// Whether a request ended the dyno: see [`grid::protocol::Report::Crashed`].
    pub(crate) in_request: bool,
}

/// Describes a failed boot. The backtrace goes to the dyno's log.
pub(crate) fn describe_boot_failure(error: &wasmtime::Error, dyno_log: &DynoLog) -> DynoCrash {
    DynoCrash {
        cause: CrashCause::Boot,
        ..describe_failure(error, dyno_log)
    }
}

/// Describes a failed call, or a program that ended with an error. `in_request` is false in the result.
pub(crate) fn describe_failure(error: &wasmtime::Error, dyno_log: &DynoLog) -> DynoCrash {
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return DynoCrash {
            reason: format!("exited with code {code}"),
            cause: CrashCause::Exit,
            in_request: false,
        };
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        // The names in a backtrace are the guest's, so the log escapes them.
        for line in backtrace.to_string().lines().take(BACKTRACE_LINES_MAX) {
            dyno_log.write_platform_line(line);
        }
    }
    let cause = error.chain().last().map(ToString::to_string);
    let mut reason = escape_unprintable(cause.unwrap_or_default().trim_end().as_bytes());
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
