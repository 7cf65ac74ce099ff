//! The errors of a reconciler: at its start, and while it runs.
//!
//! Owns the error texts that operators read. Must not know when an error occurs.

use crate::ledger::{AppendError, ReadError, Seq};
use grid::desired::FactError;

/// The reason for which a reconciler did not start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReconcilerStartError {
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Read(#[from] ReadError),
    /// An entry contradicts the entries before it.
    #[error("entry {at} of the ledger does not fit those before it")]
    Replay {
        /// The place of the entry.
        at: Seq,
        /// The contradiction.
        #[source]
        source: FactError,
    },
    /// The ledger cannot be written.
    #[error("cannot write to the ledger")]
    Ledger(#[source] AppendError),
}

/// The reason for which a reconciler ended without a shutdown.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReconcilerRunError {
    /// Another reconciler has started, or the ledger has lost entries.
    #[error("the ledger has another writer")]
    Ledger(#[source] AppendError),
    /// An entry that was written contradicts the entries before it.
    #[error("the ledger holds a fact that does not fit")]
    Misfit(#[from] FactError),
    /// The receiver of the steps was dropped.
    #[error("nobody carries out the steps")]
    NoExecutor,
}
