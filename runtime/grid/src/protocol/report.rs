//! What nodes report.
//!
//! Owns the shapes of reports. Must not know what follows from one.
//!
//! Reports may be lost, repeated and out of order, except that an [`Inventory`] says what is so.

use serde::{Deserialize, Serialize};

use super::{CrashCause, Inventory, ProcessExit};
use crate::name::{AppName, DynoKey, NodeId, Version};

/// One message from a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// All that the node has: its first message ever, and from time to time so that lost ones do not matter.
    Node(Inventory),
    /// The node lives.
    Heartbeat {
        /// Which node.
        node: NodeId,
        /// See [`Inventory::incarnation`].
        incarnation: u64,
    },
    /// The answer to `Step::Fetch`.
    Fetched {
        /// Which node.
        node: NodeId,
        /// The app.
        app: AppName,
        /// The release.
        version: Version,
        /// That it is ready to start, or why it cannot be had, for the app's owner to read.
        result: Result<(), String>,
    },
    /// The dyno is ready for requests; a process runs.
    Up {
        /// Which node.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
    /// The dyno gave its memory back; the next request wakes it.
    Idle {
        /// Which node.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
    /// The dyno was idle, and is awake.
    Woke {
        /// Which node.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
    /// The dyno ended without being asked to. The node has nothing left of it.
    Crashed {
        /// Which node.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
        /// What happened, for the app's owner to read.
        reason: String,
        /// What kind of crash it was.
        cause: CrashCause,
        /// Whether it had completed a request since its boot.
        served: bool,
        /// Whether a request ended it: by a trap or an exit of a handler or server that had one, or since the request took too
        /// long. That says nothing of its boots, so that it is replaced at once, however often.
        in_request: bool,
    },
    /// A dyno that runs once came to its end by itself. The node has nothing left of it.
    Exited {
        /// Which node.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
        /// How.
        exit: ProcessExit,
    },
    /// The dyno ended as asked by `Drain` or `Stop`. The node has nothing left of it.
    Down {
        /// Which node.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
}

impl Report {
    /// The node that sent it.
    pub fn node(&self) -> &NodeId {
        match self {
            Report::Node(inventory) => &inventory.node,
            Report::Heartbeat { node, .. }
            | Report::Fetched { node, .. }
            | Report::Up { node, .. }
            | Report::Idle { node, .. }
            | Report::Woke { node, .. }
            | Report::Crashed { node, .. }
            | Report::Exited { node, .. }
            | Report::Down { node, .. } => node,
        }
    }
}
