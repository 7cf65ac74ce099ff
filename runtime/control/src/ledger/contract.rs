//! The ledger: what happened, in order, and kept.
//!
//! Owns how entries are appended, read and watched, whatever they are kept in. Must not know what an
//! entry means.
//!
//! The trait asks for no more than a stream of messages can give: one entry is one message, it is there
//! as a whole or not at all, and it is appended only behind the one that the writer read last. There is
//! no transaction over two entries, and an append may end without anyone knowing whether it was done.

mod entry;
mod memory;
mod sqlite;

pub use entry::{Change, ENTRY_BYTES_MAX, Entry, EntryId, IdempotencyKey, KEY_BYTES_MAX, KeyError};
pub use memory::Memory;
pub use sqlite::{OpenError, Sqlite};

use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

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

/// What stood in the way underneath: a disk, a connection.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

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
    Unavailable(#[source] Cause),
    /// It may have been written or not, and it may still turn up: read on to know.
    #[error("it is not known whether the ledger was written")]
    Ambiguous(#[source] Cause),
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
    Unavailable(#[source] Cause),
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
        source: Cause,
    },
    /// An entry is missing.
    #[error("entry {at} of the ledger is missing")]
    Missing {
        /// Which one.
        at: Seq,
    },
}

/// An append-only list of entries with many readers and, at a time, one writer that wins.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Appends an entry, if `after` is the last one there is. It survives whatever happens once this
    /// returned its place.
    fn append<'a>(
        &'a self,
        after: Seq,
        entry: &'a Entry,
    ) -> BoxFuture<'a, Result<Seq, AppendError>>;

    /// At most `limit` entries behind `after`, in order; fewer only if there are no more.
    fn read(&self, after: Seq, limit: usize)
    -> BoxFuture<'_, Result<Vec<(Seq, Entry)>, ReadError>>;

    /// Says which entry is the last whenever there is a new one. It may skip some, and lag behind.
    fn watch(&self) -> watch::Receiver<Seq>;
}
