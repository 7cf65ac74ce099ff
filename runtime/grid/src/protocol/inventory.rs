//! All that one node has.
//!
//! Owns the shape of an inventory. Must not know what it is compared with.

use serde::{Deserialize, Serialize};

use crate::lifecycle::DynoState;
use crate::name::{AppName, DynoKey, NodeId, Run, Version};

/// Whether a node that says nothing is to be taken for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heartbeats {
    /// It sends one every second; three seconds of silence mean that it is dead.
    Expected,
    /// It shares a process with the reconciler: it lives while there is someone to ask.
    Needless,
}

/// All that a node has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The node.
    pub node: NodeId,
    /// Rises with each start of the node's program, which leaves no dyno of before. A step that was meant
    /// for an earlier one must not reach it.
    pub incarnation: u64,
    /// Rises with each inventory of an incarnation: one that is overtaken says nothing.
    pub serial: u64,
    /// Whether silence means death.
    pub heartbeats: Heartbeats,
    /// Memory for dynos, in bytes: the sum of their limits stays within it.
    pub memory_bytes: u64,
    /// Dynos at most.
    pub dynos_max: u32,
    /// The highest run that this incarnation was ever asked to start. A dyno with a lower or equal run
    /// that is not listed is gone.
    pub last_run: Run,
    /// Every dyno that is there.
    pub dynos: Vec<InventoryDyno>,
    /// Every release that is ready to start.
    pub releases: Vec<(AppName, Version)>,
}

impl Inventory {
    /// A fresh node within the reconciler's own process, with room for all that memory holds.
    pub fn new_local(node: NodeId, memory_bytes: u64, dynos_max: u32) -> Self {
        Inventory {
            node,
            incarnation: 0,
            serial: 0,
            heartbeats: Heartbeats::Needless,
            memory_bytes,
            dynos_max,
            last_run: Run(0),
            dynos: Vec::new(),
            releases: Vec::new(),
        }
    }
}

/// One dyno of an [`Inventory`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryDyno {
    /// The dyno.
    pub dyno: DynoKey,
    /// The release that it runs.
    pub version: Version,
    /// What it does: `Starting`, `Up`, `Idle`, or `Draining` since a `Drain`.
    pub state: DynoState,
    /// Memory that is set aside for it, in bytes.
    pub memory_bytes: u64,
}
