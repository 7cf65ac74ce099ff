//! What goes from a handle to its reconciler.
//!
//! Owns the shape of messages. Must not know what becomes of them.

use super::dyno_status::DynoStatus;
use super::error::ControlError;
use crate::access::{Token, TokenId};
use crate::actor::Actor;
use crate::command::{AcceptedChange, Command};
use crate::ledger::IdempotencyKey;
use crate::once::{OneOffRequest, RunningOneOff};
use grid::name::{AppName, DynoId, SlugId};
use grid::protocol::{Report, Step};
use std::time::Duration;
use tokio::sync::oneshot;

/// Something that a user wants to be changed.
#[derive(Debug)]
pub(crate) enum ChangeRequest {
    Command(Command),
    CreateToken(Token),
    RevokeToken(TokenId),
    NoteUpload(AppName, SlugId),
}

/// A wish, who has it, and where the answer goes.
#[derive(Debug)]
pub(crate) struct QueuedChange {
    pub(crate) wish: ChangeRequest,
    pub(crate) actor: Actor,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) reply: oneshot::Sender<Result<AcceptedChange, ControlError>>,
}

/// Something that the reconciler acts on at once.
#[derive(Debug)]
pub(crate) enum ReconcilerEvent {
    /// A node reports something.
    Report(Report),
    /// Someone asks which dynos there are, of one app or of all.
    Dynos(Option<AppName>, oneshot::Sender<Vec<DynoStatus>>),
    /// Someone asks what a command would do.
    Preview(Command, oneshot::Sender<Result<Vec<Step>, ControlError>>),
    /// Someone wants something to be run once.
    Run(Box<OneOffRequest>, OneOffReply),
    /// Someone wants a dyno that runs once to end; the answer says whether there was one.
    StopOnce(AppName, DynoId, String, oneshot::Sender<bool>),
    /// Every dyno is to be drained; the answer goes back when that is done.
    Shutdown {
        grace: Duration,
        reply: oneshot::Sender<()>,
    },
}

/// Where the answer goes.
pub(crate) type OneOffReply = oneshot::Sender<Result<RunningOneOff, ControlError>>;
