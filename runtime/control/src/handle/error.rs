//! Why a request to the reconciler comes to nothing.
//!
//! Owns the texts that users read. Must not know how a request is decided.

use crate::access;
use crate::command::CommandError;
use crate::ledger::{AppendError, LedgerCause};
use std::sync::Arc;

/// The reconciler has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reconciler has ended")]
pub struct ReconcilerEnded;

/// Why a command came to nothing. Nothing was changed, except where it says so.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    /// It was not accepted.
    #[error(transparent)]
    Rejected(#[from] CommandError),
    /// Access cannot be changed like this.
    #[error(transparent)]
    Access(#[from] access::AccessError),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request: use a new one")]
    KeyReused,
    /// The ledger cannot be written: a full disk, or an engine out of reach. Apps run on.
    #[error("the server cannot write down changes now: nothing was changed; try again later")]
    Unavailable(#[source] LedgerCause),
    /// The ledger may have been written: the change may be made or not.
    #[error(
        "the server lost touch with its ledger: it is not known whether the change was made; look, or \
         try again with the same idempotency key"
    )]
    Unsure(#[source] LedgerCause),
    /// No ledger takes a change of this size.
    #[error("the change is too large to be written down: {bytes} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// There is no one to accept it.
    #[error(transparent)]
    Gone(#[from] ReconcilerEnded),
}

impl From<AppendError> for ControlError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Unavailable(cause) => ControlError::Unavailable(cause),
            AppendError::Ambiguous(cause) => ControlError::Unsure(cause),
            AppendError::TooLarge { bytes } => ControlError::TooLarge { bytes },
            error @ AppendError::Conflict { .. } => ControlError::Unavailable(Arc::new(error)),
        }
    }
}
