//! The errors of requests to the reconciler.
//!
//! Owns the error texts that users read. Must not know how the reconciler decides.

use crate::access;
use crate::command::CommandError;
use crate::ledger::{AppendError, LedgerCause};
use std::sync::Arc;

/// The reconciler's task has ended, so nothing can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reconciler has ended")]
pub struct ReconcilerEnded;

/// The reason for which a change failed. Nothing was changed, except where a variant says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    /// The command is not valid in the current state.
    #[error(transparent)]
    Rejected(#[from] CommandError),
    /// The change of access tokens is not valid.
    #[error(transparent)]
    Access(#[from] access::AccessError),
    /// The idempotency key belongs to an earlier, different request.
    #[error("the idempotency key was used for another request: use a new one")]
    KeyReused,
    /// The ledger cannot be written, for example because the disk is full. Apps keep running.
    #[error("the server cannot write down changes now: nothing was changed; try again later")]
    Unavailable(#[source] LedgerCause),
    /// The result of the write is unknown: the change may have been made or not.
    #[error(
        "the server lost touch with its ledger: it is not known whether the change was made; look, or \
         try again with the same idempotency key"
    )]
    Unsure(#[source] LedgerCause),
    /// The change is larger than the maximum size of a ledger entry.
    #[error("the change is too large to be written down: {bytes} bytes")]
    TooLarge {
        /// The size in bytes.
        bytes: usize,
    },
    /// The reconciler has ended: the change may have been made or not.
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
