//! The ledger: an append-only, durable list of all changes, in order.
//!
//! Owns the contract for appending, reading and watching entries, and its implementations. Must not know the meaning of
//! an entry. Only the reconciler that started last writes, except for tokens that are created offline.
//!
//! | ledger | for |
//! |---|---|
//! | [`MemoryLedger`] | `dyno local`, and tests |
//! | [`SqliteLedger`] | one machine; on many machines, each node's copy |
//! | [`JetStreamLedger`] | many machines |
//!
//! The last two store the same sealed entries. [`copy_sealed`] copies them from one to the other, and a
//! [`LedgerFollower`] keeps such a copy up to date.

mod contract;
mod copy;
mod entry;
mod error;
mod follower;
mod jetstream;
mod memory;
mod sealed;
mod sequence;
mod sqlite;

pub use contract::Ledger;
pub use copy::{CopyError, copy_sealed};
pub use entry::{
    EntryId, IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, IdempotencyKeyError, LedgerChange,
    LedgerEntry,
};
pub use error::{AppendError, ENTRY_BYTES_MAX, LedgerCause, ReadError};
pub use follower::{FollowError, LedgerFollower};
pub use jetstream::{
    CopyCheckError, JetStreamLedger, JetStreamLogin, JetStreamOpenError, JetStreamOptions,
    JetStreamTls, JetStreamVersion, MissingStream, StreamSettingError,
};
pub use memory::MemoryLedger;
pub use sealed::{SealedEntry, SealedStore};
pub use sequence::Seq;
pub use sqlite::{LedgerOpenError, SqliteLedger};
