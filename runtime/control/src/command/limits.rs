//! Limits of the values in commands.
//!
//! Owns the numbers and their reasons. Must not know the commands.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Maximum number of dynos of one process type, so that a mistyped count cannot fill a grid.
pub(super) const DYNOS_PER_TYPE_MAX: u32 = 1_000;
/// Maximum size in bytes of all names and values of an app's config vars together.
pub(super) const CONFIG_BYTES_MAX: usize = 64 * 1024;
/// Allowed linear memory of a dyno in bytes: from 1 MiB to the 4 GiB that 32 bits can address, as in a slug's
/// manifest.
pub const MEMORY_BYTES: RangeInclusive<u64> = 1024 * 1024..=4 * 1024 * 1024 * 1024;
/// Allowed request timeout: the time until the first byte of a response.
pub(super) const REQUEST_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10 * 60);
/// Allowed idle time after which dynos sleep: up to thirty days.
pub(super) const IDLE_AFTER: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 60 * 60);
/// Maximum number of add-ons attached to one app, including add-ons of other apps.
pub(super) const ADDONS_PER_APP_MAX: usize = 20;
/// Maximum number of add-ons on one server.
pub(super) const ADDONS_MAX: usize = 10_000;
