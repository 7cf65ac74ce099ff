//! `Control`, the handle to a running reconciler.
//!
//! Owns how requests are sent and how their results are awaited. Must not know how the reconciler decides.

mod dyno_status;
mod error;
mod message;

pub use dyno_status::DynoStatus;
pub use error::{ControlError, ReconcilerEnded};
pub(crate) use message::{ChangeRequest, QueuedChange, ReconcilerEvent};

use crate::access::{TokenId, TokenSpec};
use crate::actor::Actor;
use crate::command::{AcceptedChange, Command};
use crate::ledger::{IdempotencyKey, LedgerCause};
use crate::once::{OneOffRequest, RunningOneOff};
use crate::view::{LedgerView, ReleaseOutcome};
use grid::name::{AppName, DynoId, LeaderEpoch, SlugId, Version};
use grid::protocol::{Report, Step};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// A handle to one reconciler. Clones lead to the same reconciler.
#[derive(Clone, Debug)]
pub struct Control {
    requests: mpsc::Sender<QueuedChange>,
    events: mpsc::Sender<ReconcilerEvent>,
    views: watch::Receiver<Arc<LedgerView>>,
    trouble: watch::Receiver<Option<LedgerCause>>,
    published: watch::Receiver<PublishedReleases>,
    epoch: LeaderEpoch,
}

/// The release that the router sends each app's requests to; `None` while the app has no dynos for requests.
pub type PublishedReleases = BTreeMap<AppName, Option<Version>>;

/// Maximum wait for a planned route to be published. Only exceeded when no executor takes the steps.
const PUBLISH_MAX: Duration = Duration::from_secs(5);

impl Control {
    pub(crate) fn new(
        requests: mpsc::Sender<QueuedChange>,
        events: mpsc::Sender<ReconcilerEvent>,
        views: watch::Receiver<Arc<LedgerView>>,
        trouble: watch::Receiver<Option<LedgerCause>>,
        published: watch::Receiver<PublishedReleases>,
        epoch: LeaderEpoch,
    ) -> Self {
        Control {
            requests,
            events,
            views,
            trouble,
            published,
            epoch,
        }
    }

    /// The number of this reconciler's start in the ledger. It never changes: a later reconciler has a handle and an
    /// epoch of its own.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// Executes a command. When this returns, the change is in the ledger and in the view.
    ///
    /// A request with an idempotency key that was used before is not executed again: it returns the result of the
    /// first request.
    pub async fn execute_command(
        &self,
        command: Command,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<AcceptedChange, ControlError> {
        self.request_change(ChangeRequest::Command(command), actor, key)
            .await
    }

    /// Adds a token, which is valid from now on; see [`mint_token`](crate::access::mint_token).
    pub async fn create_token(
        &self,
        token: TokenSpec,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<AcceptedChange, ControlError> {
        self.request_change(ChangeRequest::CreateToken(token), actor, key)
            .await
    }

    /// Revokes a token, unless it is the last admin token for all apps.
    pub async fn revoke_token(
        &self,
        id: TokenId,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<AcceptedChange, ControlError> {
        self.request_change(ChangeRequest::RevokeToken(id), actor, key)
            .await
    }

    /// Records that a token for one app uploaded a slug, so that the app's tokens may use the slug.
    pub async fn record_upload(
        &self,
        app: AppName,
        slug: SlugId,
        actor: Actor,
    ) -> Result<AcceptedChange, ControlError> {
        self.request_change(ChangeRequest::NoteUpload(app, slug), actor, None)
            .await
    }

    async fn request_change(
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

    /// The steps that a command would lead to if none of them failed, in order. Nothing is changed.
    pub async fn preview_steps(&self, command: Command) -> Result<Vec<Step>, ControlError> {
        self.send_event(|reply| ReconcilerEvent::Preview(command, reply))
            .await?
    }

    /// Starts a one-off dyno. When this returns, the dyno is starting or on its way to its node.
    pub async fn start_one_off(
        &self,
        wanted: OneOffRequest,
    ) -> Result<RunningOneOff, ControlError> {
        self.send_event(|reply| ReconcilerEvent::Run(Box::new(wanted), reply))
            .await?
    }

    /// Stops a dyno that runs once. Returns whether there was such a dyno.
    pub async fn stop_one_off(
        &self,
        app: &AppName,
        dyno: &DynoId,
        by: &str,
    ) -> Result<bool, ReconcilerEnded> {
        self.send_event(|reply| {
            ReconcilerEvent::StopOnce(app.clone(), dyno.clone(), by.to_owned(), reply)
        })
        .await
    }

    /// Drains every dyno for at most `grace` and ends the reconciler. Returns when the shutdown is complete.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), ReconcilerEnded> {
        self.send_event(|reply| ReconcilerEvent::Shutdown { grace, reply })
            .await
    }

    /// Passes a node's report to the reconciler.
    pub async fn send_report(&self, report: Report) -> Result<(), ReconcilerEnded> {
        let event = ReconcilerEvent::Report(report);
        self.events.send(event).await.map_err(|_| ReconcilerEnded)
    }

    /// The dynos of all apps, in order.
    pub async fn list_dynos(&self) -> Result<Vec<DynoStatus>, ReconcilerEnded> {
        self.send_event(|reply| ReconcilerEvent::Dynos(None, reply))
            .await
    }

    /// The dynos of one app, in order.
    pub async fn list_dynos_of_app(
        &self,
        app: &AppName,
    ) -> Result<Vec<DynoStatus>, ReconcilerEnded> {
        self.send_event(|reply| ReconcilerEvent::Dynos(Some(app.clone()), reply))
            .await
    }

    async fn send_event<T>(
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

    /// The current view of the ledger.
    pub fn view(&self) -> Arc<LedgerView> {
        Arc::clone(&self.views.borrow())
    }

    /// The view of the ledger, now and after each change.
    pub fn watch_view(&self) -> watch::Receiver<Arc<LedgerView>> {
        self.views.clone()
    }

    /// The cause of the last failed write of the ledger; `None` after a successful write. After a failure the
    /// reconciler tries again about every second, so that recovery is noticed soon.
    pub fn watch_ledger_trouble(&self) -> watch::Receiver<Option<LedgerCause>> {
        self.trouble.clone()
    }

    /// The releases that the router serves, as reported by the executor of the steps.
    pub fn watch_published(&self) -> watch::Receiver<PublishedReleases> {
        self.published.clone()
    }

    /// Waits until the router sends an app's requests to this release or a later one: a moment after the ledger
    /// says that the release serves.
    pub async fn wait_until_published(&self, app: &AppName, version: Version) {
        let mut published = self.published.clone();
        let there =
            |published: &PublishedReleases| published.get(app).is_some_and(|v| *v >= Some(version));
        // Ends after the time limit, since an executor may never report the route.
        let _ = tokio::time::timeout(PUBLISH_MAX, published.wait_for(there)).await;
    }

    /// Waits until the outcome of a release is known.
    pub async fn wait_for_outcome(
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
