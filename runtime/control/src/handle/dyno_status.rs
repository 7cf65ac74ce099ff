//! One dyno, as a user sees it.
//!
//! Owns what is told of a dyno. Must not know how that is found out.

use grid::lifecycle::DynoState;
use grid::name::{DynoKey, NodeId, Version};
use grid::time::Time;

/// One dyno, as a user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynoStatus {
    /// The dyno.
    pub dyno: DynoKey,
    /// Its release.
    pub version: Version,
    /// What it does.
    pub state: DynoState,
    /// Since when, on the reconciler's clock.
    pub since: Time,
    /// How long that is, in whole seconds.
    pub for_secs: u64,
    /// Where, unless it crashed and waits.
    pub node: Option<NodeId>,
}
