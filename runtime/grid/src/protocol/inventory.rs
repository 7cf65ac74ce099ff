//! The dynos and releases that one node has.
//!
//! Owns the shape of an inventory. Must not know what it is compared with.

use serde::{Deserialize, Serialize};

use crate::lifecycle::DynoState;
use crate::name::{AppName, DynoKey, NodeId, ReleaseId, Run};

/// Whether a silent node counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heartbeats {
    /// The node sends a heartbeat every second. After three seconds of silence it counts as dead.
    Expected,
    /// The node shares a process with the reconciler, and lives as long as it does.
    Needless,
}

/// Everything that a node has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The node.
    pub node: NodeId,
    /// Rises with each start of the node's program. No dyno outlives its incarnation, and a step for an earlier
    /// incarnation must not reach a later one.
    pub incarnation: u64,
    /// Rises with each inventory of an incarnation. An inventory that arrives after a later one is ignored.
    pub serial: u64,
    /// Whether the node counts as dead when it is silent.
    pub heartbeats: Heartbeats,
    /// Memory for dynos, in bytes. The sum of their limits stays below it.
    pub memory_bytes: u64,
    /// The most dynos that the node takes.
    pub dynos_max: u32,
    /// The highest run that this incarnation was ever told to start. A dyno of this run or a lower one that is not
    /// listed has ended.
    pub last_run: Run,
    /// Every dyno of the node.
    pub dynos: Vec<InventoryDyno>,
    /// Every release that is ready to start.
    pub releases: Vec<(AppName, ReleaseId)>,
}

impl Inventory {
    /// The inventory of an empty node within the reconciler's own process.
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
    pub release: ReleaseId,
    /// One of `Starting`, `Up`, `Idle`, and, after a `Step::Drain`, `Draining`.
    pub state: DynoState,
    /// Memory that is set aside for the dyno, in bytes.
    pub memory_bytes: u64,
}
