//! A ledger in memory whose faults a test chooses, and what several tests do with it.

use super::*;
use crate::handle::ControlError;
use crate::ledger::{EntryId, LedgerCause, LedgerChange, LedgerEntry, ReadError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use grid::desired::Fact;
use std::future::pending;
use tokio::sync::watch;

/// How the ledger behaves from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LedgerFault {
    /// Appends succeed.
    #[default]
    None,
    /// Appends fail: the disk is full.
    Full,
    /// The next append is stored but not confirmed; later appends succeed.
    Unsaid,
    /// The next append is lost without an error; later appends succeed.
    Lost,
    /// The ledger is unreachable. The first append is in flight, and arrives when the fault is over.
    Dark,
    /// As `Dark`, but reads succeed until the first append.
    Darkens,
    /// Appends never return, and store nothing.
    Hangs,
    /// Appends are stored at once, and return after this time.
    Slow(Duration),
    /// Appends succeed, but reads fail.
    Unreadable,
    /// Appends succeed, but reads find nothing new.
    Stale,
}

#[derive(Debug, Default)]
pub(super) struct FaultyLedger {
    pub(super) inner: MemoryLedger,
    fault: Mutex<LedgerFault>,
    late: Mutex<Option<(Seq, LedgerEntry)>>,
    /// The limits of all reads.
    reads: Mutex<Vec<usize>>,
}

fn cause() -> LedgerCause {
    Arc::new(std::io::Error::other("a fault"))
}

impl FaultyLedger {
    pub(super) fn set(&self, fault: LedgerFault) {
        *self.fault.lock().expect("not poisoned") = fault;
    }

    fn fault(&self) -> LedgerFault {
        *self.fault.lock().expect("not poisoned")
    }

    /// Drops the append that is in flight.
    pub(super) fn lose_late(&self) {
        *self.late.lock().expect("not poisoned") = None;
    }

    /// The limits of the reads since the last call.
    pub(super) fn take_reads(&self) -> Vec<usize> {
        std::mem::take(&mut *self.reads.lock().expect("not poisoned"))
    }

    async fn try_append(&self, after: Seq, entry: &LedgerEntry) -> Result<Seq, AppendError> {
        match self.fault() {
            LedgerFault::None => {
                let late = self.late.lock().expect("not poisoned").take();
                if let Some((after, entry)) = late {
                    let _ = self.inner.append(after, &entry).await;
                }
                self.inner.append(after, entry).await
            }
            LedgerFault::Unreadable | LedgerFault::Stale => self.inner.append(after, entry).await,
            LedgerFault::Full => Err(AppendError::Unavailable(cause())),
            LedgerFault::Unsaid => {
                self.set(LedgerFault::None);
                self.inner.append(after, entry).await?;
                Err(AppendError::Ambiguous(cause()))
            }
            LedgerFault::Lost => {
                self.set(LedgerFault::None);
                Err(AppendError::Ambiguous(cause()))
            }
            LedgerFault::Dark | LedgerFault::Darkens => {
                self.set(LedgerFault::Dark);
                let mut late = self.late.lock().expect("not poisoned");
                late.get_or_insert_with(|| (after, entry.clone()));
                Err(AppendError::Ambiguous(cause()))
            }
            LedgerFault::Hangs => pending().await,
            LedgerFault::Slow(pause) => {
                let at = self.inner.append(after, entry).await?;
                sleep(pause).await;
                Ok(at)
            }
        }
    }
}

impl Ledger for FaultyLedger {
    fn append<'a>(
        &'a self,
        after: Seq,
        entry: &'a LedgerEntry,
    ) -> BoxFuture<'a, Result<Seq, AppendError>> {
        self.try_append(after, entry).boxed()
    }

    fn read(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Seq, LedgerEntry)>, ReadError>> {
        self.reads.lock().expect("not poisoned").push(limit);
        match self.fault() {
            LedgerFault::Dark | LedgerFault::Unreadable => {
                async { Err(ReadError::Unavailable(cause())) }.boxed()
            }
            LedgerFault::Stale => async { Ok(Vec::new()) }.boxed(),
            _ => self.inner.read(after, limit),
        }
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.inner.watch()
    }
}

pub(super) fn maintenance(on: bool) -> Command {
    Command::SetMaintenance { app: app(), on }
}

/// Appends an entry with these facts, as another writer does.
pub(super) async fn append_foreign(ledger: &dyn Ledger, facts: impl IntoIterator<Item = Fact>) {
    let entry = LedgerEntry {
        id: EntryId::random(),
        at_ms: 1,
        by: "another".into(),
        key: None,
        changes: facts.into_iter().map(LedgerChange::Fact).collect(),
    };
    let last = *ledger.watch().borrow();
    ledger.append(last, &entry).await.expect("appends");
}

impl Bench {
    pub(super) async fn try_command(
        &self,
        command: Command,
    ) -> Result<AcceptedChange, ControlError> {
        self.control.execute_command(command, me(), None).await
    }

    pub(super) fn maintained(&self) -> bool {
        self.control.view().desired.apps[&app()].maintenance
    }

    /// Crashes the first dyno, and waits for its replacement.
    pub(super) async fn crash_and_recover(&self) {
        let before = self.served();
        let report = crashed(before[0].clone(), CrashCause::Trap);
        self.control.send_report(report).await.expect("listens");
        sleep(Duration::from_secs(1)).await;
        let after = self.served();
        assert_eq!(after.len(), before.len());
        assert_ne!(after[0], before[0]);
    }
}
