//! What every ledger promises.
//!
//! Owns the trait. Must not know what a ledger is kept in, nor what an entry means.
//!
//! The trait asks for no more than a stream of messages can give: one entry is one message, it is there
//! as a whole or not at all, and it is appended only behind the one that the writer read last. There is
//! no transaction over two entries, and an append may end without anyone knowing whether it was done.

use super::entry::LedgerEntry;
use super::error::{AppendError, ReadError};
use super::sequence::Seq;
use futures_util::future::BoxFuture;
use std::fmt;
use tokio::sync::watch;

/// An append-only list of entries with many readers and, at a time, one writer that wins.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Appends an entry, if `after` is the last one there is. It survives whatever happens once this
    /// returned its place.
    fn append<'a>(
        &'a self,
        after: Seq,
        entry: &'a LedgerEntry,
    ) -> BoxFuture<'a, Result<Seq, AppendError>>;

    /// At most `limit` entries behind `after`, in order; fewer only if there are no more.
    fn read(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Seq, LedgerEntry)>, ReadError>>;

    /// Says which entry is the last whenever there is a new one. It may skip some, and lag behind.
    fn watch(&self) -> watch::Receiver<Seq>;
}
