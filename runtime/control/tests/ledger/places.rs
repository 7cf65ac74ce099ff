//! Storage for ledgers under test, and how each kind is reopened.

use control::ledger::{
    EntryId, Ledger, LedgerChange, LedgerEntry, MemoryLedger, Seq, SqliteLedger,
};
use grid::desired::Fact;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// Storage of one ledger.
pub(crate) trait Place {
    /// Opens the ledger again.
    fn open(&self) -> Arc<dyn Ledger>;
}

#[derive(Default)]
pub(crate) struct InMemory(MemoryLedger);

impl Place for InMemory {
    fn open(&self) -> Arc<dyn Ledger> {
        Arc::new(self.0.clone())
    }
}

pub(crate) struct InSqlite(TempDir);

impl Default for InSqlite {
    fn default() -> Self {
        InSqlite(tempfile::tempdir().expect("a folder"))
    }
}

impl InSqlite {
    pub(crate) fn database(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.path().join("ledger.key")
    }

    pub(crate) fn sqlite(&self) -> SqliteLedger {
        SqliteLedger::open(&self.database(), &self.key()).expect("opens")
    }
}

impl Place for InSqlite {
    fn open(&self) -> Arc<dyn Ledger> {
        Arc::new(self.sqlite())
    }
}

/// An entry by the actor `by`, with one change.
pub(crate) fn entry(by: &str) -> LedgerEntry {
    LedgerEntry {
        id: EntryId::random(),
        at_ms: 1_700_000_000_000,
        by: by.to_owned(),
        key: None,
        changes: vec![LedgerChange::Fact(Fact::MaintenanceSet {
            app: "hello".parse().expect("valid"),
            on: true,
        })],
    }
}

/// All entries of a ledger.
pub(crate) async fn all(ledger: &dyn Ledger) -> Vec<(Seq, LedgerEntry)> {
    ledger.read(Seq::START, usize::MAX).await.expect("reads")
}
