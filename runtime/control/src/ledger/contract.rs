//! The contract of every ledger.
//!
//! Owns the trait. Must not know any storage engine, nor the meaning of an entry.
//!
//! The trait requires no more than a message stream can provide: one entry is one message, which is stored
//! completely or not at all, and only directly after the entry that the writer read last. There is no transaction
//! over two entries, and the outcome of an append may be unknown.

use super::entry::LedgerEntry;
use super::error::{AppendError, ReadError};
use super::sequence::Seq;
use futures_util::future::BoxFuture;
use std::fmt;
use tokio::sync::watch;

/// An append-only list of entries with many readers. Of several writers, one wins each place.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Appends an entry if `after` is the last entry. Once this returns the entry's place, the entry is durable.
    fn append<'a>(
        &'a self,
        after: Seq,
        entry: &'a LedgerEntry,
    ) -> BoxFuture<'a, Result<Seq, AppendError>>;

    /// Reads at most `limit` entries after `after`, in order. Returns fewer only if there are no more.
    fn read(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Seq, LedgerEntry)>, ReadError>>;

    /// Watches the last entry. May skip entries, and may lag behind. The reconciler reads entries of other writers
    /// only after they are seen here, so this must not lag for ever.
    fn watch(&self) -> watch::Receiver<Seq>;
}
