//! What a reconciler is told once.
//!
//! Owns its options. Must not know where they come from.

use grid::plan::Policy;

/// What a reconciler is told once.
#[derive(Clone, Debug, Default)]
pub struct ReconcilerOptions {
    /// Gives back-off its jitter: different in every run, unless it is a test's.
    pub seed: u64,
    /// What the operator decides for all apps.
    pub policy: Policy,
}
