//! Bounds on what a command may ask for.
//!
//! Owns the numbers. Must not know which command each bound belongs to.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Dynos of one process type at most: a slip of the finger must not fill a grid.
pub(super) const DYNOS_PER_TYPE_MAX: u32 = 1_000;
/// All names and values of an app's config vars together, in bytes.
pub(super) const CONFIG_BYTES_MAX: usize = 64 * 1024;
/// Linear memory of a dyno in bytes: from 1 MiB to all that 32 bits can address, as in a slug's manifest.
pub const MEMORY_BYTES: RangeInclusive<u64> = 1024 * 1024..=4 * 1024 * 1024 * 1024;
/// What an app may set as its time to the first byte of a response.
pub(super) const REQUEST_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10 * 60);
/// What an app may set as the time after which its dynos sleep: up to thirty days.
pub(super) const IDLE_AFTER: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 60 * 60);
/// Add-ons that an app has at most, its own and shared ones.
pub(super) const ADDONS_PER_APP_MAX: usize = 20;
/// Add-ons of a server at most.
pub(super) const ADDONS_MAX: usize = 10_000;
