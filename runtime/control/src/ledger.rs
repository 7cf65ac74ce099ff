//! The ledger: an append-only, durable list of all changes, in order.
//!
//! Owns the contract for appending, reading and watching entries, and its implementations. Must not know the meaning of
//! an entry. In a running server, only the reconciler writes.

mod contract;
mod entry;
mod error;
mod jetstream;
mod memory;
mod sealed;
mod sequence;
mod sqlite;

pub use contract::Ledger;
pub use entry::{
    EntryId, IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, IdempotencyKeyError, LedgerChange,
    LedgerEntry,
};
pub use error::{AppendError, ENTRY_BYTES_MAX, LedgerCause, ReadError};
pub use jetstream::{
    CopyCheckError, EngineLogin, EngineTls, EngineVersion, JetStreamLedger, JetStreamOpenError,
    JetStreamOptions, MissingStream, StreamSettingError,
};
pub use memory::MemoryLedger;
pub use sealed::{SealedEntry, SealedStore};
pub use sequence::Seq;
pub use sqlite::{LedgerOpenError, SqliteLedger};
