//! A ledger in memory, which is lost when the process ends.
//!
//! Owns a list of encoded entries. Must not know the meaning of an entry.

use super::contract::Ledger;
use super::entry::LedgerEntry;
use super::error::{AppendError, ReadError};
use super::sequence::Seq;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

/// Maximum number of entries of a ledger in memory: more than ten days at one entry a second.
const ENTRIES_MAX: usize = 1_000_000;

/// A ledger in memory. Clones share the same entries.
#[derive(Clone, Debug)]
pub struct MemoryLedger {
    /// Encoded entries, so that the size limit applies as for a ledger on disk.
    entries: Arc<Mutex<Vec<Vec<u8>>>>,
    last: Arc<watch::Sender<Seq>>,
}

/// The ledger has the maximum number of entries.
#[derive(Debug, thiserror::Error)]
#[error("a ledger in memory holds {ENTRIES_MAX} entries")]
struct MemoryLedgerFull;

impl Default for MemoryLedger {
    fn default() -> Self {
        MemoryLedger::new()
    }
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        MemoryLedger {
            entries: Arc::default(),
            last: Arc::new(watch::channel(Seq::START).0),
        }
    }

    fn push(&self, after: Seq, entry: &LedgerEntry) -> Result<Seq, AppendError> {
        let bytes = entry.encode()?;
        let mut entries = self.entries.lock();
        let actual = seq(entries.len());
        if actual != after {
            return Err(AppendError::Conflict {
                expected: after,
                actual,
            });
        }
        if entries.len() >= ENTRIES_MAX {
            return Err(AppendError::Unavailable(Arc::new(MemoryLedgerFull)));
        }
        entries.push(bytes);
        // Sent while the lock is held, so that the value sent last is the last entry.
        self.last.send_replace(after.next());
        Ok(after.next())
    }

    fn list(&self, after: Seq, limit: usize) -> Result<Vec<(Seq, LedgerEntry)>, ReadError> {
        let entries = self.entries.lock();
        let first = usize::try_from(after.0).unwrap_or(usize::MAX);
        let rest = entries.get(first..).unwrap_or_default();
        let listed = rest.iter().zip(first + 1..).take(limit);
        listed
            .map(|(bytes, number)| {
                let at = seq(number);
                let entry = LedgerEntry::decode(bytes).map_err(|source| ReadError::Unknown {
                    at,
                    source: Arc::new(source),
                })?;
                Ok((at, entry))
            })
            .collect()
    }
}

fn seq(number: usize) -> Seq {
    Seq(number as u64)
}

impl Ledger for MemoryLedger {
    fn append<'a>(
        &'a self,
        after: Seq,
        entry: &'a LedgerEntry,
    ) -> BoxFuture<'a, Result<Seq, AppendError>> {
        ready(self.push(after, entry)).boxed()
    }

    fn read(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Seq, LedgerEntry)>, ReadError>> {
        ready(self.list(after, limit)).boxed()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.last.subscribe()
    }
}
