//! Why a reconciler does not start, or ends.
//!
//! Owns the texts that operators read. Must not know when an error occurs.

use crate::ledger::{AppendError, ReadError, Seq};
use grid::desired::FactError;

/// Why a reconciler did not start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReconcilerStartError {
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Read(#[from] ReadError),
    /// The ledger does not make sense.
    #[error("entry {at} of the ledger does not fit those before it")]
    Replay {
        /// Which entry.
        at: Seq,
        /// What is wrong with it.
        #[source]
        source: FactError,
    },
    /// The ledger cannot be written.
    #[error("cannot write to the ledger")]
    Ledger(#[source] AppendError),
}

/// Why a reconciler ended before it was told to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReconcilerRunError {
    /// Another reconciler has taken over.
    #[error("the ledger has another writer")]
    Ledger(#[source] AppendError),
    /// What was written does not make sense.
    #[error("the ledger holds a fact that does not fit")]
    Misfit(#[from] FactError),
    /// Nobody takes the steps any more.
    #[error("nobody carries out the steps")]
    NoExecutor,
}
