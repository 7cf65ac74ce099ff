//! The handle to a running reconciler.
//!
//! Owns how to ask and how to wait for what comes of it. Must not know how it is decided.

mod dyno_status;
mod error;
mod message;

pub use dyno_status::DynoStatus;
pub use error::{ControlError, ReconcilerEnded};
pub(crate) use message::{ChangeRequest, QueuedChange, ReconcilerEvent};

use crate::access::{Token, TokenId};
use crate::actor::Actor;
use crate::command::{AcceptedChange, Command};
use crate::ledger::{IdempotencyKey, LedgerCause};
use crate::once::{OneOffRequest, RunningOneOff};
use crate::view::{LedgerView, ReleaseOutcome};
use grid::name::{AppName, DynoId, SlugId, Version};
use grid::protocol::{Report, Step};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// The way in to a reconciler. A clone leads to the same one.
#[derive(Clone, Debug)]
pub struct Control {
    requests: mpsc::Sender<QueuedChange>,
    events: mpsc::Sender<ReconcilerEvent>,
    views: watch::Receiver<Arc<LedgerView>>,
    trouble: watch::Receiver<Option<LedgerCause>>,
    published: watch::Receiver<PublishedReleases>,
}

/// Which release the router sends each app's requests to; none while it has no dynos to send them to.
pub type PublishedReleases = BTreeMap<AppName, Option<Version>>;

/// A route that was planned is published within this time, unless nobody carries out steps.
const PUBLISH_MAX: Duration = Duration::from_secs(5);

impl Control {
    pub(crate) fn new(
        requests: mpsc::Sender<QueuedChange>,
        events: mpsc::Sender<ReconcilerEvent>,
        views: watch::Receiver<Arc<LedgerView>>,
        trouble: watch::Receiver<Option<LedgerCause>>,
        published: watch::Receiver<PublishedReleases>,
    ) -> Self {
        Control {
            requests,
            events,
            views,
            trouble,
            published,
        }
    }

    /// Has a command carried out: it is in the ledger, and in the view, when this returns.
    ///
    /// A request with a key that was used before gives what came of the first one, and is not carried out
    /// again.
    pub async fn command(
        &self,
        command: Command,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<AcceptedChange, ControlError> {
        self.request(ChangeRequest::Command(command), actor, key)
            .await
    }

    /// Lets the holder of a token in, from now on; see [`access::mint`].
    pub async fn create_token(
        &self,
        token: Token,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<AcceptedChange, ControlError> {
        self.request(ChangeRequest::CreateToken(token), actor, key)
            .await
    }

    /// Makes a token worthless, unless it is the last one that may do everything.
    pub async fn revoke_token(
        &self,
        id: TokenId,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<AcceptedChange, ControlError> {
        self.request(ChangeRequest::RevokeToken(id), actor, key)
            .await
    }

    /// Lets tokens for one app see a slug that one of them uploaded.
    pub async fn note_upload(
        &self,
        app: AppName,
        slug: SlugId,
        actor: Actor,
    ) -> Result<AcceptedChange, ControlError> {
        self.request(ChangeRequest::NoteUpload(app, slug), actor, None)
            .await
    }

    async fn request(
        &self,
        wish: ChangeRequest,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<AcceptedChange, ControlError> {
        let (reply, answer) = oneshot::channel();
        let request = QueuedChange {
            wish,
            actor,
            key,
            reply,
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| ReconcilerEnded)?;
        answer.await.map_err(|_| ReconcilerEnded)?
    }

    /// What a command would do if all went well, in order. Nothing is changed.
    pub async fn preview(&self, command: Command) -> Result<Vec<Step>, ControlError> {
        self.ask(|reply| ReconcilerEvent::Preview(command, reply))
            .await?
    }

    /// Has something run once. It starts, or is on its way to its node, when this returns.
    pub async fn run(&self, wanted: OneOffRequest) -> Result<RunningOneOff, ControlError> {
        self.ask(|reply| ReconcilerEvent::Run(Box::new(wanted), reply))
            .await?
    }

    /// Ends a dyno that runs once. Says whether there was such a dyno.
    pub async fn stop_once(
        &self,
        app: &AppName,
        dyno: &DynoId,
        by: &str,
    ) -> Result<bool, ReconcilerEnded> {
        self.ask(|reply| ReconcilerEvent::StopOnce(app.clone(), dyno.clone(), by.to_owned(), reply))
            .await
    }

    /// Drains every dyno for at most `grace` and ends the reconciler; returns when that is done.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), ReconcilerEnded> {
        self.ask(|reply| ReconcilerEvent::Shutdown { grace, reply })
            .await
    }

    /// Passes on what a node reports.
    pub async fn report(&self, report: Report) -> Result<(), ReconcilerEnded> {
        let event = ReconcilerEvent::Report(report);
        self.events.send(event).await.map_err(|_| ReconcilerEnded)
    }

    /// The dynos of all apps, in order.
    pub async fn dynos(&self) -> Result<Vec<DynoStatus>, ReconcilerEnded> {
        self.ask(|reply| ReconcilerEvent::Dynos(None, reply)).await
    }

    /// The dynos of one app, in order.
    pub async fn dynos_of(&self, app: &AppName) -> Result<Vec<DynoStatus>, ReconcilerEnded> {
        self.ask(|reply| ReconcilerEvent::Dynos(Some(app.clone()), reply))
            .await
    }

    async fn ask<T>(
        &self,
        event: impl FnOnce(oneshot::Sender<T>) -> ReconcilerEvent,
    ) -> Result<T, ReconcilerEnded> {
        let (reply, answer) = oneshot::channel();
        self.events
            .send(event(reply))
            .await
            .map_err(|_| ReconcilerEnded)?;
        answer.await.map_err(|_| ReconcilerEnded)
    }

    /// All that the ledger says now.
    pub fn view(&self) -> Arc<LedgerView> {
        Arc::clone(&self.views.borrow())
    }

    /// All that the ledger says, now and at each change.
    pub fn views(&self) -> watch::Receiver<Arc<LedgerView>> {
        self.views.clone()
    }

    /// What the last attempt to write the ledger failed at; none if it did not. After a failure there is
    /// an attempt about every second, so that this is known to be over soon after it is.
    pub fn trouble(&self) -> watch::Receiver<Option<LedgerCause>> {
        self.trouble.clone()
    }

    /// What the router has, as whoever carries out the steps says.
    pub fn published(&self) -> watch::Receiver<PublishedReleases> {
        self.published.clone()
    }

    /// Waits until the router sends an app's requests to this release, or to a later one: a moment after it is
    /// known that it serves.
    pub async fn until_published(&self, app: &AppName, version: Version) {
        let mut published = self.published.clone();
        let there =
            |published: &PublishedReleases| published.get(app).is_some_and(|v| *v >= Some(version));
        // Without anybody who says so there is nothing to wait for.
        let _ = tokio::time::timeout(PUBLISH_MAX, published.wait_for(there)).await;
    }

    /// Waits until it is known what becomes of a release.
    pub async fn outcome(
        &self,
        app: &AppName,
        version: Version,
    ) -> Result<ReleaseOutcome, ReconcilerEnded> {
        let mut views = self.views.clone();
        loop {
            let known = views.borrow_and_update().outcome(app, version);
            if let Some(outcome) = known {
                return Ok(outcome);
            }
            views.changed().await.map_err(|_| ReconcilerEnded)?;
        }
    }
}
