//! The operator's settings for all apps.
//!
//! Owns the settings and their defaults. Must not know where the settings are read from.

use std::time::Duration;

/// The default number of releases of an app that are kept for rollback.
pub const RELEASES_KEPT: usize = 50;

/// The operator's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// After this time without a request a dyno gives its memory back, unless its app has its own setting; none: never.
    pub idle_after: Option<Duration>,
    /// A dyno that has been up for this time, plus up to a tenth as jitter, is replaced; none: never.
    pub cycle_after: Option<Duration>,
    /// The number of newest releases of each app that are kept. Older releases that serve are kept as well.
    pub releases_kept: usize,
}

impl Default for Policy {
    /// No dyno sleeps, no dyno is cycled, fifty releases are kept.
    fn default() -> Self {
        Policy {
            idle_after: None,
            cycle_after: None,
            releases_kept: RELEASES_KEPT,
        }
    }
}
