//! The options of a reconciler.
//!
//! Owns their fields. Must not know where the values come from.

use grid::plan::Policy;

/// The options of a reconciler.
#[derive(Clone, Debug, Default)]
pub struct ReconcilerOptions {
    /// Seed of the back-off jitter. Different at every start, except in tests.
    pub seed: u64,
    /// The operator's settings for all apps.
    pub policy: Policy,
}
