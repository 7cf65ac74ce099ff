//! The ledger: what happened, in order, and kept.
//!
//! Owns how entries are appended, read and watched, whatever they are kept in. Must not know what an
//! entry means.

mod contract;
mod entry;
mod error;
mod memory;
mod sequence;
mod sqlite;

pub use contract::Ledger;
pub use entry::{
    EntryId, IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, IdempotencyKeyError, LedgerChange,
    LedgerEntry,
};
pub use error::{AppendError, ENTRY_BYTES_MAX, LedgerCause, ReadError};
pub use memory::MemoryLedger;
pub use sequence::Seq;
pub use sqlite::{LedgerOpenError, SqliteLedger};
