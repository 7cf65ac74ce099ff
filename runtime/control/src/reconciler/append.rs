//! One append to the ledger, until its outcome is known.
//!
//! Owns the handling of failed and ambiguous appends. Must not know the content of the entry.

use crate::ledger::{AppendError, EntryId, Ledger, LedgerCause, LedgerEntry, Seq};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Maximum number of entries that are read after a conflict: the reconciler's own entries are among the first.
const READ_ON_MAX: usize = 64;
/// Number of attempts to learn the outcome of an ambiguous append.
const SETTLE_TRIES: usize = 3;
/// Pause before each attempt.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// The actor's name in entries that the reconciler itself writes.
pub(super) const SELF: &str = "reconciler";

/// The outcome of an append, as far as it is known.
#[derive(Debug)]
pub(super) struct AppendOutcome {
    /// The entries found from the intended place on. May be empty if the ledger cannot be read.
    pub(super) found: Vec<(Seq, LedgerEntry)>,
    /// The ids that were sent: of the entry, and of a marker entry if one was needed.
    pub(super) sent: Vec<EntryId>,
    /// The reason for which the entry is not among the entries found.
    pub(super) failed: Option<AppendError>,
}

/// Appends an entry, and determines the outcome.
pub(super) async fn append_and_settle(
    ledger: Arc<dyn Ledger>,
    after: Seq,
    entry: LedgerEntry,
) -> AppendOutcome {
    let mut sent = vec![entry.id];
    let (found, failed) = match ledger.append(after, &entry).await {
        Ok(at) => (vec![(at, entry)], None),
        Err(error @ AppendError::Conflict { .. }) => {
            read_after_conflict(&*ledger, after, error).await
        }
        Err(AppendError::Ambiguous(cause)) => {
            let mark = new_mark(entry.at_ms);
            sent.push(mark.id);
            settle_ambiguous(&*ledger, after, mark, cause).await
        }
        Err(error @ (AppendError::Unavailable(_) | AppendError::TooLarge { .. })) => {
            (Vec::new(), Some(error))
        }
    };
    AppendOutcome {
        found,
        sent,
        failed,
    }
}

type FoundEntries = (Vec<(Seq, LedgerEntry)>, Option<AppendError>);

async fn read_after_conflict(
    ledger: &dyn Ledger,
    after: Seq,
    conflict: AppendError,
) -> FoundEntries {
    match ledger.read(after, READ_ON_MAX).await {
        Ok(found) => (found, Some(conflict)),
        Err(error) => (Vec::new(), Some(AppendError::Unavailable(Arc::new(error)))),
    }
}

/// Determines the outcome of an ambiguous append. An entry can still appear as long as its place is free. If it is
/// not there, a marker entry without changes takes the place, and the entry can no longer appear.
async fn settle_ambiguous(
    ledger: &dyn Ledger,
    after: Seq,
    mark: LedgerEntry,
    cause: LedgerCause,
) -> FoundEntries {
    for _ in 0..SETTLE_TRIES {
        sleep(SETTLE_PAUSE).await;
        match ledger.read(after, READ_ON_MAX).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => return (found, Some(AppendError::Unavailable(cause))),
            Err(_) => continue,
        }
        // After a conflict, the next read shows the entry that took the place.
        if let Ok(at) = ledger.append(after, &mark).await {
            return (vec![(at, mark)], Some(AppendError::Unavailable(cause)));
        }
    }
    (Vec::new(), Some(AppendError::Ambiguous(cause)))
}

fn new_mark(at_ms: u64) -> LedgerEntry {
    LedgerEntry {
        id: EntryId::random(),
        at_ms,
        by: SELF.to_owned(),
        key: None,
        changes: Vec::new(),
    }
}
