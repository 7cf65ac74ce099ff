//! A one-off dyno that a node is to start.
//!
//! Owns its shape. Must not know who asked for it, nor what it runs.

use serde::{Deserialize, Serialize};

use crate::name::{DynoKey, NodeId, Version};

/// A one-off dyno that may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneOff {
    /// Where.
    pub node: NodeId,
    /// The dyno: `run.1`, and so on; its run was never used before.
    pub dyno: DynoKey,
    /// The release that it runs: the one that serves, or the newest where none ever did.
    pub version: Version,
    /// Memory that is set aside for it, in bytes.
    pub memory_bytes: u64,
}
