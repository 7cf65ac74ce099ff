//! The reports of nodes.
//!
//! Owns the shapes of reports. Must not know what follows from a report.
//!
//! Reports may be lost, repeated and out of order. An [`Inventory`] makes up for lost ones.

use serde::{Deserialize, Serialize};

use super::{CrashCause, Inventory, ProcessExit};
use crate::name::{AppName, DynoKey, NodeId, ReleaseId};

/// One message from a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// Everything that the node has. A node sends its inventory first, and again from time to time, so that lost
    /// reports do not matter.
    Node(Inventory),
    /// The node lives.
    Heartbeat {
        /// The node that reports.
        node: NodeId,
        /// See [`Inventory::incarnation`].
        incarnation: u64,
    },
    /// The answer to `Step::Fetch`.
    Fetched {
        /// The node that reports.
        node: NodeId,
        /// The app.
        app: AppName,
        /// The release.
        release: ReleaseId,
        /// `Ok` if dynos of the release can start; else the reason why not, for the app's owner.
        result: Result<(), String>,
    },
    /// The node has the `Step::Start` or `Step::Run` of the dyno, and carries it out. A node in the reconciler's own
    /// process has no need to say so.
    Accepted {
        /// The node that reports.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
    /// The dyno is ready for requests, or its process runs.
    Up {
        /// The node that reports.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
    /// The dyno gave its memory back. The next request wakes it.
    Idle {
        /// The node that reports.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
    /// The dyno was idle, and is awake again.
    Woke {
        /// The node that reports.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
    /// The dyno ended without being asked to. The node has nothing left of it.
    Crashed {
        /// The node that reports.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
        /// The reason of the crash, for the app's owner.
        reason: String,
        /// The kind of the crash.
        cause: CrashCause,
        /// Whether the dyno had completed a request since its boot.
        served: bool,
        /// Whether a request ended the dyno: a handler or server trapped or exited during a request, or the request
        /// took too long. Such a crash says nothing about the app's boots, so the dyno is replaced at once, however
        /// often.
        in_request: bool,
    },
    /// A dyno that runs once ended by itself. The node has nothing left of it.
    Exited {
        /// The node that reports.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
        /// How the process ended.
        exit: ProcessExit,
    },
    /// The dyno ended after a `Drain` or a `Stop`. The node has nothing left of it.
    Down {
        /// The node that reports.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
    },
}

impl Report {
    /// The node that sent the report.
    pub fn node(&self) -> &NodeId {
        match self {
            Report::Node(inventory) => &inventory.node,
            Report::Heartbeat { node, .. }
            | Report::Fetched { node, .. }
            | Report::Accepted { node, .. }
            | Report::Up { node, .. }
            | Report::Idle { node, .. }
            | Report::Woke { node, .. }
            | Report::Crashed { node, .. }
            | Report::Exited { node, .. }
            | Report::Down { node, .. } => node,
        }
    }
}
