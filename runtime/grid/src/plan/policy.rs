//! What the operator decides for all apps.
//!
//! Owns the settings that a plan is made under. Must not know where they are read from.

use std::time::Duration;

/// Releases of an app that are kept for rollback when nobody said how many.
pub const RELEASES_KEPT: usize = 50;

/// The operator's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// After so long without a request a dyno gives its memory back, unless its app says otherwise;
    /// none: never.
    pub idle_after: Option<Duration>,
    /// A dyno that has been up for so long, and up to a tenth longer, is replaced; none: never.
    pub cycle_after: Option<Duration>,
    /// Releases of each app that are kept, the newest ones; those that are needed are kept besides.
    pub releases_kept: usize,
}

impl Default for Policy {
    /// Nothing sleeps, nothing is cycled, fifty releases are kept.
    fn default() -> Self {
        Policy {
            idle_after: None,
            cycle_after: None,
            releases_kept: RELEASES_KEPT,
        }
    }
}
