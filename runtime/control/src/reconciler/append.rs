//! One append, until it is known what came of it.
//!
//! Owns what follows an append that failed or ended in the dark. Must not know what the entry is for.

use crate::ledger::{AppendError, EntryId, Ledger, LedgerCause, LedgerEntry, Seq};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Entries that are read on after a conflict: the own ones are among the first.
const READ_ON_MAX: usize = 64;
/// Attempts to learn what came of an append.
const SETTLE_TRIES: usize = 3;
/// The pause before each of them.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// Who the reconciler is, in entries of its own.
pub(super) const SELF: &str = "reconciler";

/// What is known after an append.
#[derive(Debug)]
pub(super) struct AppendOutcome {
    /// What the ledger holds behind the place where the entry was to be, as far as that is known.
    pub(super) found: Vec<(Seq, LedgerEntry)>,
    /// What was sent: the entry, and a mark if one was needed.
    pub(super) sent: Vec<EntryId>,
    /// Why the entry is not there, where it is not among those found.
    pub(super) failed: Option<AppendError>,
}

/// Appends an entry, and finds out what came of it.
pub(super) async fn append(
    ledger: Arc<dyn Ledger>,
    after: Seq,
    entry: LedgerEntry,
) -> AppendOutcome {
    let mut sent = vec![entry.id];
    let (found, failed) = match ledger.append(after, &entry).await {
        Ok(at) => (vec![(at, entry)], None),
        Err(error @ AppendError::Conflict { .. }) => read_on(&*ledger, after, error).await,
        Err(AppendError::Ambiguous(cause)) => {
            let mark = mark(entry.at_ms);
            sent.push(mark.id);
            settle(&*ledger, after, mark, cause).await
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

async fn read_on(ledger: &dyn Ledger, after: Seq, conflict: AppendError) -> FoundEntries {
    match ledger.read(after, READ_ON_MAX).await {
        Ok(found) => (found, Some(conflict)),
        Err(error) => (Vec::new(), Some(AppendError::Unavailable(Arc::new(error)))),
    }
}

/// An entry may turn up late as long as its place is free. So, if it is not there, its place is taken by a
/// mark, which changes nothing: then it is not there for good.
async fn settle(
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
        // After a conflict, the next read tells what took the place.
        if let Ok(at) = ledger.append(after, &mark).await {
            return (vec![(at, mark)], Some(AppendError::Unavailable(cause)));
        }
    }
    (Vec::new(), Some(AppendError::Ambiguous(cause)))
}

fn mark(at_ms: u64) -> LedgerEntry {
    LedgerEntry {
        id: EntryId::random(),
        at_ms,
        by: SELF.to_owned(),
        key: None,
        changes: Vec::new(),
    }
}
