//! Sizes, durations, times and prices as the API writes and reads them.
//!
//! Owns their text forms. Must not know what they are of.

use crate::failure::Failure;
use grid::time::Time;
use std::time::{Duration, SystemTime};

/// Bytes of one MiB.
const MIB: u64 = 1 << 20;
/// Millionths of a dollar.
const MICROS: u64 = 1_000_000;

/// `128MiB`, or in bytes where it is not a whole number of them.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes % (1 << 30) == 0 && bytes > 0 => format!("{}GiB", bytes >> 30),
        bytes if bytes % MIB == 0 => format!("{}MiB", bytes / MIB),
        bytes => format!("{bytes}B"),
    }
}

/// Reads a size of memory such as `128MiB`, in bytes.
pub(crate) fn memory(text: &str) -> Result<u64, Failure> {
    slugs::manifest::ProcessLimits::parse_memory(text).map_err(|error| invalid(error.to_string()))
}

/// `30s`, `10m`
pub(crate) fn duration(duration: Duration) -> String {
    humantime::format_duration(duration)
        .to_string()
        .replace(' ', "")
}

/// Reads a duration such as `30s` or `10m`.
pub(crate) fn parsed_duration(text: &str) -> Result<Duration, Failure> {
    let bad = || {
        invalid(format!(
            "{text:?} is no time: write a number and a unit, such as 30s or 10m"
        ))
    };
    if text.len() > 32 {
        return Err(bad());
    }
    humantime::parse_duration(text).map_err(|_| bad())
}

fn invalid(message: String) -> Failure {
    Failure::invalid("invalid_value", message)
}

/// Milliseconds since 1970 as `2026-11-21T19:09:12.345Z`.
pub(crate) fn millis(ms: u64) -> String {
    time(SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)))
}

/// A time of usage, to the second.
pub(crate) fn usage_time(time: Time) -> String {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(time.micros()));
    at.filter(|at| *at < latest()).map_or_else(
        || "9999-12-31T23:59:59Z".to_owned(),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}

/// A time of the wall clock with milliseconds.
pub(crate) fn time(at: Option<SystemTime>) -> String {
    let at = at.filter(|at| *at < latest());
    let at = at.unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_millis(at).to_string()
}

/// The end of the year 9999, after which RFC 3339 has no times.
fn latest() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800)
}

/// Reads `2026-11-21` or `2026-11-21T19:09:12Z`.
pub(crate) fn parsed_time(text: &str) -> Result<Time, Failure> {
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.replace("+00:00", "Z"),
    };
    let read = humantime::parse_rfc3339(&full);
    read.map(control::usage::unix).map_err(|_| {
        let message = format!("{text:?} is no date: write 2026-11-21 or 2026-11-21T19:09:12Z");
        Failure::bad_request("bad_query", message)
    })
}

/// The first second of the month that a time is in.
pub(crate) fn month_start(time: Time) -> Time {
    let text = usage_time(time);
    let month = text.get(..7).unwrap_or("1970-01");
    parsed_time(&format!("{month}-01")).unwrap_or(Time::ZERO)
}

/// Seconds as hours with four decimals, `1.2583`.
pub(crate) fn hours(seconds: u64) -> String {
    format!("{:.4}", seconds as f64 / 3_600.0)
}

/// Millionths of a dollar as `0.15`: two decimals, or as many as it takes.
pub(crate) fn dollars(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / MICROS, micros % MICROS);
    let needed = text.trim_end_matches('0').len();
    let least = text.len() - 4;
    text[..needed.max(least)].to_owned()
}

#[cfg(test)]
mod tests;
