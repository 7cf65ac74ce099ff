//! Follows the ledger: reads the entries that other writers append.
//!
//! Owns when the ledger is read, and the pauses between failed reads. Must not know what an entry means, nor whose it
//! is.

use crate::ledger::{Ledger, LedgerEntry, ReadError, Seq};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Maximum number of entries in one page, so that events are handled between two pages.
const PAGE_ENTRIES_MAX: usize = 256;
/// Pause after the first failed read. Each further failure doubles the pause.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Maximum pause between two failed reads.
const RETRY_LAST: Duration = Duration::from_secs(10);

/// Consecutive entries with their places.
pub(super) type LedgerPage = Vec<(Seq, LedgerEntry)>;

/// Reads entries as they appear in the ledger.
pub(super) struct EntryFollower {
    ledger: Arc<dyn Ledger>,
    last: watch::Receiver<Seq>,
    /// The read in progress.
    reading: Option<BoxFuture<'static, Result<LedgerPage, ReadError>>>,
    /// Time of the next read after a failed one.
    retry_at: Option<Instant>,
    /// Pause after the next failed read.
    pause: Duration,
}

impl fmt::Debug for EntryFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryFollower").finish_non_exhaustive()
    }
}

impl EntryFollower {
    pub(super) fn new(ledger: Arc<dyn Ledger>) -> Self {
        EntryFollower {
            last: ledger.watch(),
            ledger,
            reading: None,
            retry_at: None,
            pause: RETRY_FIRST,
        }
    }

    /// Waits for entries after `after`, and reads them. A read does not start before `not_before`.
    ///
    /// May return entries up to `after` as well, from a read that was started with an earlier `after`. Nothing is lost
    /// when the future is dropped.
    pub(super) async fn next_page(
        &mut self,
        after: Seq,
        not_before: Option<Instant>,
    ) -> LedgerPage {
        loop {
            let Some(reading) = &mut self.reading else {
                self.wait_for_entries(after, not_before).await;
                let ledger = Arc::clone(&self.ledger);
                let read = async move { ledger.read(after, PAGE_ENTRIES_MAX).await };
                self.reading = Some(read.boxed());
                continue;
            };
            let read = reading.await;
            self.reading = None;
            match read {
                Ok(page) if !page.is_empty() => {
                    self.retry_at = None;
                    self.pause = RETRY_FIRST;
                    return page;
                }
                // An empty page is the answer of a server that lags behind.
                Ok(_) | Err(_) => {
                    self.retry_at = Some(Instant::now() + self.pause);
                    self.pause = (self.pause * 2).min(RETRY_LAST);
                }
            }
        }
    }

    async fn wait_for_entries(&mut self, after: Seq, not_before: Option<Instant>) {
        if self.last.wait_for(|last| *last > after).await.is_err() {
            // The ledger ends with this reconciler.
            pending::<()>().await;
        }
        let earliest = [self.retry_at, not_before].into_iter().flatten().max();
        if let Some(earliest) = earliest {
            sleep_until(earliest).await;
        }
    }
}
