//! Owns the limits that an app may set: it parses texts such as `128MiB` and `30s`, and checks the range.
//! Must not know how a limit is enforced, nor the defaults, which `grid` has.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Linear memory: from the need of a small Rust app to the 32-bit address space.
const MEMORY_BYTES: (u64, u64) = (MIB, 4 * GIB);
/// Time to the first byte of a response: 1 s to 10 min.
const TIMEOUT_MS: (u64, u64) = (1_000, 600_000);
/// Files in `./tmp` and `./log`: 0 makes them read-only.
const DISK_BYTES: (u64, u64) = (0, 64 * GIB);
/// Outbound connections at a time. A dyno never gets more than 64.
const CONNECTIONS: (u64, u64) = (0, 64);

/// The limits that an app sets. `None` means the platform's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessLimits {
    /// Linear memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Time to the first byte of a response, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Bytes in `./tmp` and `./log` together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Open outbound connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
}

/// Why a limit cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The text is not a size.
    #[error(
        "`{text}` is not a size: write a whole number and a unit, such as `128MiB`, `1GiB` or `500kB`"
    )]
    Size {
        /// The text as written.
        text: String,
    },
    /// The text is not a time.
    #[error(
        "`{text}` is not a time: write a whole number and a unit, such as `500ms`, `30s` or `5m`"
    )]
    Time {
        /// The text as written.
        text: String,
    },
    /// The value is out of range.
    #[error("`{limit}` is {given}, but it must be from {least} to {most}")]
    Range {
        /// The name of the limit.
        limit: &'static str,
        /// The value as written, or as a number with its unit.
        given: String,
        /// The smallest value.
        least: &'static str,
        /// The largest value.
        most: &'static str,
    },
}

impl ProcessLimits {
    /// Checks the ranges of values that were read as numbers.
    pub fn check(&self) -> Result<(), LimitError> {
        let bytes = |value: u64| format!("{value} bytes");
        if let Some(value) = self.memory_bytes {
            check_range("memory", value, bytes(value))?;
        }
        if let Some(value) = self.timeout_ms {
            check_range("timeout", value, format!("{value}ms"))?;
        }
        if let Some(value) = self.disk_bytes {
            check_range("disk", value, bytes(value))?;
        }
        if let Some(value) = self.connections {
            check_range("connections", value.into(), value.to_string())?;
        }
        Ok(())
    }

    /// Parses an amount of linear memory such as `128MiB`, in bytes.
    pub fn parse_memory(text: &str) -> Result<u64, LimitError> {
        parse_memory(text)
    }

    /// Replaces the platform's limits by those that are set here.
    pub fn override_limits(&self, mut base: grid::desired::Limits) -> grid::desired::Limits {
        base.memory_bytes = self.memory_bytes.unwrap_or(base.memory_bytes);
        base.request_timeout = self
            .timeout_ms
            .map_or(base.request_timeout, Duration::from_millis);
        base.disk_bytes = self.disk_bytes.unwrap_or(base.disk_bytes);
        base.connections = self.connections.unwrap_or(base.connections);
        base
    }

    /// Whether no limit is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Checks the range of a limit. `given` is the value as the user wrote it.
fn check_range(limit: &'static str, value: u64, given: String) -> Result<u64, LimitError> {
    let ((from, to), least, most) = match limit {
        "memory" => (MEMORY_BYTES, "1MiB", "4GiB"),
        "timeout" => (TIMEOUT_MS, "1s", "10m"),
        "disk" => (DISK_BYTES, "0", "64GiB"),
        _ => (CONNECTIONS, "0", "64"),
    };
    if (from..=to).contains(&value) {
        return Ok(value);
    }
    Err(LimitError::Range {
        limit,
        given,
        least,
        most,
    })
}

pub(super) fn parse_memory(text: &str) -> Result<u64, LimitError> {
    check_range("memory", parse_size(text)?, text.to_owned())
}

pub(super) fn parse_disk(text: &str) -> Result<u64, LimitError> {
    check_range("disk", parse_size(text)?, text.to_owned())
}

pub(super) fn parse_timeout(text: &str) -> Result<u64, LimitError> {
    check_range("timeout", parse_time(text)?, text.to_owned())
}

pub(super) fn check_connections(number: i64) -> Result<u32, LimitError> {
    let given = number.to_string();
    // A negative number becomes one that is too large, and so is out of range.
    let value = check_range(
        "connections",
        u64::try_from(number).unwrap_or(u64::MAX),
        given,
    )?;
    Ok(u32::try_from(value).unwrap_or(u32::MAX))
}

/// Parses a size, in bytes. A number without a unit is a number of bytes.
fn parse_size(text: &str) -> Result<u64, LimitError> {
    let unit = |unit: &str| match unit {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "KiB" => Some(1 << 10),
        "MiB" => Some(MIB),
        "GiB" => Some(GIB),
        _ => None,
    };
    parse_quantity(text, unit).ok_or_else(|| LimitError::Size {
        text: text.to_owned(),
    })
}

/// Parses a time, in milliseconds. The unit is required.
fn parse_time(text: &str) -> Result<u64, LimitError> {
    let unit = |unit: &str| match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" | "min" => Some(60_000),
        _ => None,
    };
    parse_quantity(text, unit).ok_or_else(|| LimitError::Time {
        text: text.to_owned(),
    })
}

/// Parses a whole number with a unit, such as `30 s`, and multiplies it by the value of the unit.
fn parse_quantity(text: &str, unit: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let text = text.trim();
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(end);
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(unit(suffix.trim_start())?)
}
