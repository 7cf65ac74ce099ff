//! The place of an entry in its ledger.
//!
//! Owns the numbering. Must not know entries.

use std::fmt;

/// The place of an entry in its ledger. The first one has 1, each further one the next number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first entry.
    pub const START: Seq = Seq(0);

    /// The place behind this one.
    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
