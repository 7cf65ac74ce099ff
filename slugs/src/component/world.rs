//! Owns the worlds that a component may be made for. Must not know how a file is read.

use std::fmt;

use grid::desired::ProcessKind;
use grid::name::ProcessType;
use serde::{Deserialize, Serialize};

/// Module that WASI preview 1 functions are imported from.
pub(super) const WASIP1_MODULE: &str = "wasi_snapshot_preview1";

/// A contract between a component and its host. The variants are in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum World {
    /// Answers HTTP requests, WASI 0.3.
    #[serde(rename = "wasi:http/handler@0.3")]
    Handler03,
    /// Answers HTTP requests, WASI 0.2.
    #[serde(rename = "wasi:http/incoming-handler@0.2")]
    Handler02,
    /// A command, WASI 0.3.
    #[serde(rename = "wasi:cli/run@0.3")]
    Run03,
    /// A command, WASI 0.2.
    #[serde(rename = "wasi:cli/run@0.2")]
    Run02,
    /// A command as a core module, WASI preview 1. Its only socket to listen on is the one that a dyno gives it.
    #[serde(rename = "wasip1")]
    Wasip1,
}

impl World {
    /// The text form, as in `slug.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handler03 => "wasi:http/handler@0.3",
            Self::Handler02 => "wasi:http/incoming-handler@0.2",
            Self::Run03 => "wasi:cli/run@0.3",
            Self::Run02 => "wasi:cli/run@0.2",
            Self::Wasip1 => "wasip1",
        }
    }

    /// Whether it answers HTTP requests without a socket.
    pub fn is_handler(self) -> bool {
        matches!(self, Self::Handler03 | Self::Handler02)
    }

    /// The kind of process that a component of this world becomes; `None` if it cannot run as this process type.
    pub(super) fn kind(self, process: &ProcessType, can_listen: bool) -> Option<ProcessKind> {
        match (self.is_handler(), process.is_web()) {
            (true, true) => Some(ProcessKind::Handler),
            (true, false) => None,
            (false, true) => can_listen.then_some(ProcessKind::Server),
            (false, false) => Some(ProcessKind::Process),
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
