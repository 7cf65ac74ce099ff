//! How dynos end by themselves.
//!
//! Owns the causes of crashes and the results of processes that run once. Must not know what follows from them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a process that runs once ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessExit {
    /// The process ended by itself, with this exit code.
    Code(u8),
    /// The process ended otherwise: by a trap, for its use of memory, or with its node. The text gives the reason, for
    /// the app's owner.
    Failed(String),
}

impl ProcessExit {
    /// The failure as the end of a sentence, such as `failed with exit code 3`; none if the process succeeded.
    pub fn failure(&self) -> Option<String> {
        match self {
            ProcessExit::Code(0) => None,
            ProcessExit::Code(code) => Some(format!("failed with exit code {code}")),
            ProcessExit::Failed(reason) => Some(format!("failed: {reason}")),
        }
    }
}

/// A log line: `Process exited with status 3`.
impl fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessExit::Code(code) => write!(f, "Process exited with status {code}"),
            ProcessExit::Failed(reason) => write!(f, "Process failed: {reason}"),
        }
    }
}

/// The cause of a dyno's crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashCause {
    /// The dyno failed before it was ready.
    Boot,
    /// The dyno was not ready in time: R10.
    BootTimeout,
    /// The guest trapped.
    Trap,
    /// The guest's process ended, with whatever exit code.
    Exit,
    /// The dyno was killed because a request took too long.
    Killed,
    /// The dyno used more memory than its limit: R15.
    Memory,
    /// The dyno was replaced for no fault of the app: a client hung up, and the instance could not be kept. Never
    /// counts for back-off.
    Discarded,
    /// The node no longer has the dyno and never reported why. Never counts for back-off.
    Lost,
}

impl CrashCause {
    /// Whether the app is at fault. Such a crash counts for back-off and fails a new release, unless a request ended
    /// the dyno.
    pub const fn is_app_fault(self) -> bool {
        !matches!(self, CrashCause::Discarded | CrashCause::Lost)
    }
}
