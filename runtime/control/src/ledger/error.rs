//! The errors of all ledgers.
//!
//! Owns the errors, and the size limit of entries that all ledgers share. Must not know any storage engine.

use super::sequence::Seq;
use std::sync::Arc;

/// Maximum size in bytes of an encoded entry: fits a message of common message systems (1 MiB), with room for the
/// seal.
pub const ENTRY_BYTES_MAX: usize = 1_000_000;

/// The cause of a failure below the ledger, such as an error of the disk or of a connection.
pub type LedgerCause = Arc<dyn std::error::Error + Send + Sync>;

/// The reason for which an entry was not appended, or for which the outcome is unknown.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Another writer appended since the last read: read further and decide again. Nothing was written.
    #[error("the ledger has {actual} entries, not {expected}: there is another writer")]
    Conflict {
        /// The last entry that this writer had read.
        expected: Seq,
        /// The last entry of the ledger.
        actual: Seq,
    },
    /// Nothing was written. A later attempt may succeed.
    #[error("the ledger cannot be written now")]
    Unavailable(#[source] LedgerCause),
    /// The entry may have been written or not, and may still appear: read further to find out.
    #[error("it is not known whether the ledger was written")]
    Ambiguous(#[source] LedgerCause),
    /// The entry is above the size limit. Nothing was written.
    #[error("an entry of the ledger has at most {ENTRY_BYTES_MAX} bytes, not {bytes}")]
    TooLarge {
        /// The size in bytes.
        bytes: usize,
    },
}

/// The reason for which entries could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// A later attempt may succeed.
    #[error("the ledger cannot be read now")]
    Unavailable(#[source] LedgerCause),
    /// An entry was changed after it was written, or was sealed with another key.
    #[error(
        "entry {at} of the ledger cannot be opened: it was changed, or sealed with another key"
    )]
    Sealed {
        /// The place of the entry.
        at: Seq,
    },
    /// An entry cannot be parsed: a newer version wrote it.
    #[error("entry {at} of the ledger is not understood: was it written by a newer version?")]
    Unknown {
        /// The place of the entry.
        at: Seq,
        /// The contradiction.
        #[source]
        source: LedgerCause,
    },
    /// An entry is missing.
    #[error("entry {at} of the ledger is missing")]
    Missing {
        /// The place of the entry.
        at: Seq,
    },
}
