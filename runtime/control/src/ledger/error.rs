//! What a ledger refuses, and why it fails.
//!
//! Owns the errors of all ledgers, and the one bound that they share. Must not know what a ledger is kept in.

use super::sequence::Seq;
use std::sync::Arc;

/// Bytes of an encoded entry at most: what a message of the usual message systems holds, with room for
/// the seal.
pub const ENTRY_BYTES_MAX: usize = 1_000_000;

/// What stood in the way underneath: a disk, a connection.
pub type LedgerCause = Arc<dyn std::error::Error + Send + Sync>;

/// Why an entry was not appended, or why that is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Someone else appended since: read on, and decide again. Nothing was written.
    #[error("the ledger has {actual} entries, not {expected}: there is another writer")]
    Conflict {
        /// The last entry that the writer had read.
        expected: Seq,
        /// The last one there is.
        actual: Seq,
    },
    /// Nothing was written; it may work later.
    #[error("the ledger cannot be written now")]
    Unavailable(#[source] LedgerCause),
    /// It may have been written or not, and it may still turn up: read on to know.
    #[error("it is not known whether the ledger was written")]
    Ambiguous(#[source] LedgerCause),
    /// No ledger takes an entry of this size. Nothing was written.
    #[error("an entry of the ledger has at most {ENTRY_BYTES_MAX} bytes, not {bytes}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Why entries could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// It may work later.
    #[error("the ledger cannot be read now")]
    Unavailable(#[source] LedgerCause),
    /// An entry is not what was written, or was written with another key.
    #[error(
        "entry {at} of the ledger cannot be opened: it was changed, or sealed with another key"
    )]
    Sealed {
        /// Which one.
        at: Seq,
    },
    /// An entry was opened and is not understood: a newer version wrote it.
    #[error("entry {at} of the ledger is not understood: was it written by a newer version?")]
    Unknown {
        /// Which one.
        at: Seq,
        /// What is wrong with it.
        #[source]
        source: LedgerCause,
    },
    /// An entry is missing.
    #[error("entry {at} of the ledger is missing")]
    Missing {
        /// Which one.
        at: Seq,
    },
}
