//! Sizes, durations, times and prices as the API writes and reads them.
//!
//! Owns their text forms. Must not know where they are used.

use crate::failure::ApiFailure;
use grid::time::Time;
use std::time::{Duration, SystemTime};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MICROS_PER_DOLLAR: u64 = 1_000_000;
/// Characters of a duration, at most: the longest useful one is far shorter.
const DURATION_CHARS_MAX: usize = 32;
/// The end of the year 9999 in seconds since 1970. RFC 3339 has no later times.
const YEAR_10000_SECS: u64 = 253_402_300_800;

/// Writes a size as `2GiB` or `128MiB`, or in bytes if it is not a whole number of MiB.
pub(crate) fn format_memory(bytes: u64) -> String {
    match bytes {
        bytes if bytes % GIB == 0 && bytes > 0 => format!("{}GiB", bytes / GIB),
        bytes if bytes % MIB == 0 => format!("{}MiB", bytes / MIB),
        bytes => format!("{bytes}B"),
    }
}

/// Reads a size of memory such as `128MiB`, in bytes.
pub(crate) fn parse_memory(text: &str) -> Result<u64, ApiFailure> {
    slugs::manifest::ProcessLimits::parse_memory(text)
        .map_err(|error| ApiFailure::invalid_value(error.to_string()))
}

/// Writes a duration as `30s` or `1m30s`.
pub(crate) fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration)
        .to_string()
        .replace(' ', "")
}

/// Reads a duration such as `30s` or `10m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, ApiFailure> {
    let refused = || {
        ApiFailure::invalid_value(format!(
            "{text:?} is no time: write a number and a unit, such as 30s or 10m"
        ))
    };
    if text.len() > DURATION_CHARS_MAX {
        return Err(refused());
    }
    humantime::parse_duration(text).map_err(|_| refused())
}

/// Writes milliseconds since 1970 as `2026-11-21T19:09:12.345Z`.
pub(crate) fn format_unix_millis(ms: u64) -> String {
    format_time(SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)))
}

/// Writes a time with milliseconds. A time that RFC 3339 cannot express is written as the start of 1970.
pub(crate) fn format_time(at: Option<SystemTime>) -> String {
    let at = at.filter(|at| *at < year_10000());
    let at = at.unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_millis(at).to_string()
}

/// Writes a time of a usage record, to the second. A time that RFC 3339 cannot express is written as the end of 9999.
pub(crate) fn format_usage_time(time: Time) -> String {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(time.micros()));
    at.filter(|at| *at < year_10000()).map_or_else(
        || "9999-12-31T23:59:59Z".to_owned(),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}

fn year_10000() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(YEAR_10000_SECS)
}

/// Reads `2026-11-21` or `2026-11-21T19:09:12Z` of a query.
pub(crate) fn parse_usage_time(text: &str) -> Result<Time, ApiFailure> {
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.replace("+00:00", "Z"),
    };
    let read = humantime::parse_rfc3339(&full);
    read.map(control::usage::time_since_epoch).map_err(|_| {
        let message = format!("{text:?} is no date: write 2026-11-21 or 2026-11-21T19:09:12Z");
        ApiFailure::bad_request("bad_query", message)
    })
}

/// The first second of the month that a time is in.
pub(crate) fn start_of_month(time: Time) -> Time {
    let text = format_usage_time(time);
    let month = text.get(..7).unwrap_or("1970-01");
    parse_usage_time(&format!("{month}-01")).unwrap_or(Time::ZERO)
}

/// Writes seconds as hours with four decimals, `1.2583`.
pub(crate) fn format_hours(seconds: u64) -> String {
    format!("{:.4}", seconds as f64 / 3_600.0)
}

/// Writes millionths of a dollar as `0.15`: with two decimals, or as many as are needed.
pub(crate) fn format_dollars(micros: u64) -> String {
    let text = format!(
        "{}.{:06}",
        micros / MICROS_PER_DOLLAR,
        micros % MICROS_PER_DOLLAR
    );
    let needed = text.trim_end_matches('0').len();
    let with_two_decimals = text.len() - 4;
    text[..needed.max(with_two_decimals)].to_owned()
}

#[cfg(test)]
mod tests;
