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
pub use entry::{Change, Entry, EntryId, IdempotencyKey, KEY_BYTES_MAX, KeyError};
pub use error::{AppendError, Cause, ENTRY_BYTES_MAX, ReadError};
pub use memory::Memory;
pub use sequence::Seq;
pub use sqlite::{OpenError, Sqlite};
