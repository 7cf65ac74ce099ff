//! A one-off dyno that a node is to start.
//!
//! Owns the shape of the order. Must not know the user, nor the program of the dyno.

use serde::{Deserialize, Serialize};

use crate::name::{DynoKey, NodeId, ReleaseId};

/// A one-off dyno that may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneOff {
    /// The node that starts the dyno.
    pub node: NodeId,
    /// The dyno, such as `run.1`. Its run was never used before.
    pub dyno: DynoKey,
    /// The release of the dyno: the serving one, or the newest if no release ever served.
    pub release: ReleaseId,
    /// Memory that is set aside for the dyno, in bytes.
    pub memory_bytes: u64,
}
