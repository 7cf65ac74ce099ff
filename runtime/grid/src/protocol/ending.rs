//! How dynos end by themselves.
//!
//! Owns the causes of crashes and the results of processes that run once. Must not know what follows from them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a process that runs once ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessExit {
    /// By itself, with this exit code.
    Code(u8),
    /// Otherwise: a trap, too much memory, a lost node. Why, for the app's owner to read.
    Failed(String),
}

impl ProcessExit {
    /// That it failed, and why, as the end of a sentence; none if it succeeded.
    pub fn failure(&self) -> Option<String> {
        match self {
            ProcessExit::Code(0) => None,
            ProcessExit::Code(code) => Some(format!("failed with exit code {code}")),
            ProcessExit::Failed(reason) => Some(format!("failed: {reason}")),
        }
    }
}

/// As it stands in a log: `Process exited with status 3`.
impl fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessExit::Code(code) => write!(f, "Process exited with status {code}"),
            ProcessExit::Failed(reason) => write!(f, "Process failed: {reason}"),
        }
    }
}

/// What kind of crash took a dyno down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    pub const fn is_app_fault(self) -> bool {
        !matches!(self, CrashCause::Discarded | CrashCause::Lost)
    }
}
