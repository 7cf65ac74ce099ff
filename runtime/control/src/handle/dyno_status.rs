//! The status of one dyno, as users see it.
//!
//! Owns the fields of the status. Must not know how they are determined.

use grid::lifecycle::DynoState;
use grid::name::{DynoKey, NodeId, Version};
use grid::time::Time;

/// The status of one dyno, as users see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynoStatus {
    /// The dyno.
    pub dyno: DynoKey,
    /// The release that the dyno runs.
    pub version: Version,
    /// The state in the dyno's life cycle.
    pub state: DynoState,
    /// Start of this state, on the reconciler's clock.
    pub since: Time,
    /// Age of this state, in whole seconds.
    pub for_secs: u64,
    /// The node; `None` for a crashed dyno that waits for its back-off.
    pub node: Option<NodeId>,
}
