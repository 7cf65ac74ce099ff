//! What nodes report.
//!
//! Owns the shapes of reports. Must not know what follows from one.
//!
//! Reports may be lost, repeated and out of order, except that an [`Inventory`] says what is so.

use crate::lifecycle::State;
use crate::name::{AppName, DynoKey, NodeId, Run, Version};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One message from a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        exit: Exit,
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

/// How a process that runs once ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this exit code.
    Code(u8),
    /// Otherwise: a trap, too much memory, a lost node. Why, for the app's owner to read.
    Failed(String),
}

impl Exit {
    /// That it failed, and why, as the end of a sentence; none if it succeeded.
    pub fn failure(&self) -> Option<String> {
        match self {
            Exit::Code(0) => None,
            Exit::Code(code) => Some(format!("failed with exit code {code}")),
            Exit::Failed(reason) => Some(format!("failed: {reason}")),
        }
    }
}

/// As it stands in a log: `Process exited with status 3`.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "Process exited with status {code}"),
            Exit::Failed(reason) => write!(f, "Process failed: {reason}"),
        }
    }
}

/// What kind of crash took a dyno down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CrashCause {
    /// It failed before it was ready.
    Boot,
    /// It was not ready in time: R10.
    BootTimeout,
    /// The guest trapped.
    Trap,
    /// The guest's process ended, with whatever exit code.
    Exit,
    /// It was killed, since a request took too long.
    Killed,
    /// It outgrew its memory: R15.
    Memory,
    /// It was replaced for no fault of its own: a client hung up and the instance could not be kept.
    /// Never counts for back-off.
    Discarded,
    /// Its node does not have it any more and never said why. Never counts for back-off.
    Lost,
}

impl CrashCause {
    /// Whether the app is to blame. If it is, and no request ended the dyno, the crash counts for back-off and fails a new
    /// release.
    pub const fn counts(self) -> bool {
        !matches!(self, CrashCause::Discarded | CrashCause::Lost)
    }
}

/// Whether a node that says nothing is to be taken for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    pub dynos: Vec<Listed>,
    /// Every release that is ready to start.
    pub releases: Vec<(AppName, Version)>,
}

impl Inventory {
    /// A fresh node within the reconciler's own process, with room for all that memory holds.
    pub fn local(node: NodeId, memory_bytes: u64, dynos_max: u32) -> Self {
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
pub struct Listed {
    /// The dyno.
    pub dyno: DynoKey,
    /// The release that it runs.
    pub version: Version,
    /// What it does: `Starting`, `Up`, `Idle`, or `Draining` since a `Drain`.
    pub state: State,
    /// Memory that is set aside for it, in bytes.
    pub memory_bytes: u64,
}
