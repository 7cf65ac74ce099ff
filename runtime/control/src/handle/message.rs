//! The messages from a handle to its reconciler.
//!
//! Owns their fields. Must not know how the reconciler handles them.

use super::dyno_status::DynoStatus;
use super::error::ControlError;
use crate::access::{TokenId, TokenSpec};
use crate::actor::Actor;
use crate::command::{AcceptedChange, Command};
use crate::ledger::IdempotencyKey;
use crate::once::{OneOffRequest, RunningOneOff};
use grid::name::{AppName, DynoId, SlugId};
use grid::protocol::{Report, Step};
use std::time::Duration;
use tokio::sync::oneshot;

/// A change that a user requests.
#[derive(Debug)]
pub(crate) enum ChangeRequest {
    Command(Command),
    CreateToken(TokenSpec),
    RevokeToken(TokenId),
    NoteUpload(AppName, SlugId),
}

/// A change request in the queue, with its actor, its idempotency key and the channel for its result.
#[derive(Debug)]
pub(crate) struct QueuedChange {
    pub(crate) wish: ChangeRequest,
    pub(crate) actor: Actor,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) reply: oneshot::Sender<Result<AcceptedChange, ControlError>>,
}

/// A message that the reconciler handles without writing to the ledger first.
#[derive(Debug)]
pub(crate) enum ReconcilerEvent {
    /// A report of a node.
    Report(Report),
    /// Asks for the dynos of one app, or of all apps.
    Dynos(Option<AppName>, oneshot::Sender<Vec<DynoStatus>>),
    /// Asks for the steps that a command would lead to.
    Preview(Command, oneshot::Sender<Result<Vec<Step>, ControlError>>),
    /// Asks for a one-off dyno.
    Run(Box<OneOffRequest>, OneOffReply),
    /// Asks to stop a dyno that runs once. The reply is whether there was such a dyno.
    StopOnce(AppName, DynoId, String, oneshot::Sender<bool>),
    /// Asks to drain every dyno. The reply is sent when the shutdown is complete.
    Shutdown {
        grace: Duration,
        reply: oneshot::Sender<()>,
    },
}

/// The channel for the result of a request for a one-off dyno.
pub(crate) type OneOffReply = oneshot::Sender<Result<RunningOneOff, ControlError>>;
