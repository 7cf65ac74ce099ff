//! The place of an entry in its ledger.
//!
//! Owns the numbering. Must not know entries.

use std::fmt;

/// The place of an entry in its ledger. Entries are numbered from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The place before the first entry.
    pub const START: Seq = Seq(0);

    /// The next place.
    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }

    /// The place before this one; `None` for [`Seq::START`].
    pub fn previous(self) -> Option<Seq> {
        self.0.checked_sub(1).map(Seq)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
