//! Owns the limits that an app may ask for itself: texts such as `128MiB` and `30s` to checked numbers.
//! Must not know how a limit is enforced, nor the defaults (those are `grid`'s).

use std::time::Duration;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Linear memory: from what a small Rust app needs to all that 32 bits can address.
const MEMORY_BYTES: (u64, u64) = (MIB, 4 * GIB);
/// Time to the first byte of a response: 1 s to 10 min.
const TIMEOUT_MS: (u64, u64) = (1_000, 600_000);
/// Files in `./tmp` and `./log`: 0 makes them read-only.
const DISK_BYTES: (u64, u64) = (0, 64 * GIB);
/// Outbound connections at a time: a dyno never gets more than 64.
const CONNECTIONS: (u64, u64) = (0, 64);

/// What an app sets itself; `None` leaves the platform's default. Checked: always within range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
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
    /// Not a size.
    #[error(
        "`{text}` is no size: write a whole number and a unit, such as `128MiB`, `1GiB` or `500kB`"
    )]
    Size {
        /// As written.
        text: String,
    },
    /// Not a time.
    #[error("`{text}` is no time: write a whole number and a unit, such as `500ms`, `30s` or `5m`")]
    Time {
        /// As written.
        text: String,
    },
    /// Outside of what is allowed.
    #[error("`{limit}` is {given}, and it must be from {least} to {most}")]
    Range {
        /// Which limit.
        limit: &'static str,
        /// As written, or as a number of its unit.
        given: String,
        /// Smallest allowed.
        least: &'static str,
        /// Largest allowed.
        most: &'static str,
    },
}

impl Limits {
    /// Checks the ranges of values that come from outside as numbers.
    pub fn check(&self) -> Result<(), LimitError> {
        let bytes = |value: u64| format!("{value} bytes");
        if let Some(value) = self.memory_bytes {
            within("memory", value, bytes(value))?;
        }
        if let Some(value) = self.timeout_ms {
            within("timeout", value, format!("{value}ms"))?;
        }
        if let Some(value) = self.disk_bytes {
            within("disk", value, bytes(value))?;
        }
        if let Some(value) = self.connections {
            within("connections", value.into(), value.to_string())?;
        }
        Ok(())
    }

    /// Reads an amount of linear memory such as `128MiB`, in bytes.
    pub fn memory(text: &str) -> Result<u64, LimitError> {
        memory(text)
    }

    /// The platform's limits with what is set here put over them.
    pub fn over(&self, mut base: grid::desired::Limits) -> grid::desired::Limits {
        base.memory_bytes = self.memory_bytes.unwrap_or(base.memory_bytes);
        base.request_timeout = self
            .timeout_ms
            .map_or(base.request_timeout, Duration::from_millis);
        base.disk_bytes = self.disk_bytes.unwrap_or(base.disk_bytes);
        base.connections = self.connections.unwrap_or(base.connections);
        base
    }

    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Checks one limit by name; `given` is how the user wrote it.
fn within(limit: &'static str, value: u64, given: String) -> Result<u64, LimitError> {
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

pub(super) fn memory(text: &str) -> Result<u64, LimitError> {
    within("memory", size(text)?, text.to_owned())
}

pub(super) fn disk(text: &str) -> Result<u64, LimitError> {
    within("disk", size(text)?, text.to_owned())
}

pub(super) fn timeout(text: &str) -> Result<u64, LimitError> {
    within("timeout", time(text)?, text.to_owned())
}

pub(super) fn connections(number: i64) -> Result<u32, LimitError> {
    let given = number.to_string();
    // A negative number is out of range like one too large.
    let value = within(
        "connections",
        u64::try_from(number).unwrap_or(u64::MAX),
        given,
    )?;
    Ok(u32::try_from(value).unwrap_or(u32::MAX))
}

/// A size in bytes; a bare number is one of bytes.
fn size(text: &str) -> Result<u64, LimitError> {
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
    quantity(text, unit).ok_or_else(|| LimitError::Size {
        text: text.to_owned(),
    })
}

/// A time in milliseconds; the unit must be there.
fn time(text: &str) -> Result<u64, LimitError> {
    let unit = |unit: &str| match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" | "min" => Some(60_000),
        _ => None,
    };
    quantity(text, unit).ok_or_else(|| LimitError::Time {
        text: text.to_owned(),
    })
}

/// `30 s` to 30 times the unit's worth.
fn quantity(text: &str, unit: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let text = text.trim();
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(end);
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(unit(suffix.trim_start())?)
}
