//! Faults of the runtime and of the log streams: the R and L codes.
//!
//! Owns the codes and their descriptions. Must not know who detects a fault, or what follows from it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A fault that is written into an app's log stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// R10: a dyno was not ready within its boot time.
    BootTimeout,
    /// R12: a dyno was still running when its time to stop was over.
    ExitTimeout,
    /// R14: a guest asked for more memory than its limit; growth was refused.
    MemoryQuotaExceeded,
    /// R15: a dyno was stopped for its use of memory.
    MemoryQuotaVastlyExceeded,
    /// R17: a slug does not match its digest.
    ChecksumError,
    /// L10: lines for a log drain were dropped.
    DrainOverflow,
    /// L11: lines for a client that follows the log were dropped.
    TailOverflow,
}

impl Fault {
    /// Every fault, in order of code.
    pub const ALL: [Fault; 7] = [
        Fault::DrainOverflow,
        Fault::TailOverflow,
        Fault::BootTimeout,
        Fault::ExitTimeout,
        Fault::MemoryQuotaExceeded,
        Fault::MemoryQuotaVastlyExceeded,
        Fault::ChecksumError,
    ];

    /// The code as users know it.
    pub const fn code(self) -> &'static str {
        match self {
            Fault::BootTimeout => "R10",
            Fault::ExitTimeout => "R12",
            Fault::MemoryQuotaExceeded => "R14",
            Fault::MemoryQuotaVastlyExceeded => "R15",
            Fault::ChecksumError => "R17",
            Fault::DrainOverflow => "L10",
            Fault::TailOverflow => "L11",
        }
    }

    /// The meaning of the code, in a few words.
    pub const fn desc(self) -> &'static str {
        match self {
            Fault::BootTimeout => "Boot timeout",
            Fault::ExitTimeout => "Exit timeout",
            Fault::MemoryQuotaExceeded => "Memory quota exceeded",
            Fault::MemoryQuotaVastlyExceeded => "Memory quota vastly exceeded",
            Fault::ChecksumError => "Checksum error",
            Fault::DrainOverflow => "Drain buffer overflow",
            Fault::TailOverflow => "Tail buffer overflow",
        }
    }
}

/// The beginning of a log line: `Error R10 (Boot timeout)`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error {} ({})", self.code(), self.desc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_codes_are_distinct_and_sorted() {
        assert!(
            Fault::ALL
                .windows(2)
                .all(|pair| pair[0].code() < pair[1].code())
        );
    }

    #[test]
    fn a_fault_prints_as_in_log_lines() {
        assert_eq!(Fault::BootTimeout.to_string(), "Error R10 (Boot timeout)");
    }
}
