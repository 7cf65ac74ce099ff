//! The handle to a running reconciler.
//!
//! Owns how to ask and how to wait for what comes of it. Must not know how it is decided.

mod dyno_status;
mod error;
mod message;

pub use dyno_status::DynoStatus;
pub use error::{Gone, Refused};
pub(crate) use message::{Event, Request, Wish};

use crate::access::{Token, TokenId};
use crate::actor::Actor;
use crate::command::{Accepted, Command};
use crate::ledger::{Cause, IdempotencyKey};
use crate::once::{Begun, Wanted};
use crate::view::{Outcome, View};
use grid::name::{AppName, DynoId, SlugId, Version};
use grid::protocol::{Report, Step};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// The way in to a reconciler. A clone leads to the same one.
#[derive(Clone, Debug)]
pub struct Control {
    requests: mpsc::Sender<Request>,
    events: mpsc::Sender<Event>,
    views: watch::Receiver<Arc<View>>,
    trouble: watch::Receiver<Option<Cause>>,
    published: watch::Receiver<Published>,
}

/// Which release the router sends each app's requests to; none while it has no dynos to send them to.
pub type Published = BTreeMap<AppName, Option<Version>>;

/// A route that was planned is published within this time, unless nobody carries out steps.
const PUBLISH_MAX: Duration = Duration::from_secs(5);

impl Control {
    pub(crate) fn new(
        requests: mpsc::Sender<Request>,
        events: mpsc::Sender<Event>,
        views: watch::Receiver<Arc<View>>,
        trouble: watch::Receiver<Option<Cause>>,
        published: watch::Receiver<Published>,
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
    ) -> Result<Accepted, Refused> {
        self.request(Wish::Command(command), actor, key).await
    }

    /// Lets the holder of a token in, from now on; see [`access::mint`].
    pub async fn create_token(
        &self,
        token: Token,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted, Refused> {
        self.request(Wish::CreateToken(token), actor, key).await
    }

    /// Makes a token worthless, unless it is the last one that may do everything.
    pub async fn revoke_token(
        &self,
        id: TokenId,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted, Refused> {
        self.request(Wish::RevokeToken(id), actor, key).await
    }

    /// Lets tokens for one app see a slug that one of them uploaded.
    pub async fn note_upload(
        &self,
        app: AppName,
        slug: SlugId,
        actor: Actor,
    ) -> Result<Accepted, Refused> {
        self.request(Wish::NoteUpload(app, slug), actor, None).await
    }

    async fn request(
        &self,
        wish: Wish,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted, Refused> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            wish,
            actor,
            key,
            reply,
        };
        self.requests.send(request).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)?
    }

    /// What a command would do if all went well, in order. Nothing is changed.
    pub async fn preview(&self, command: Command) -> Result<Vec<Step>, Refused> {
        self.ask(|reply| Event::Preview(command, reply)).await?
    }

    /// Has something run once. It starts, or is on its way to its node, when this returns.
    pub async fn run(&self, wanted: Wanted) -> Result<Begun, Refused> {
        self.ask(|reply| Event::Run(Box::new(wanted), reply))
            .await?
    }

    /// Ends a dyno that runs once. Says whether there was such a dyno.
    pub async fn stop_once(&self, app: &AppName, dyno: &DynoId, by: &str) -> Result<bool, Gone> {
        self.ask(|reply| Event::StopOnce(app.clone(), dyno.clone(), by.to_owned(), reply))
            .await
    }

    /// Drains every dyno for at most `grace` and ends the reconciler; returns when that is done.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), Gone> {
        self.ask(|reply| Event::Shutdown { grace, reply }).await
    }

    /// Passes on what a node reports.
    pub async fn report(&self, report: Report) -> Result<(), Gone> {
        let event = Event::Report(report);
        self.events.send(event).await.map_err(|_| Gone)
    }

    /// The dynos of all apps, in order.
    pub async fn dynos(&self) -> Result<Vec<DynoStatus>, Gone> {
        self.ask(|reply| Event::Dynos(None, reply)).await
    }

    /// The dynos of one app, in order.
    pub async fn dynos_of(&self, app: &AppName) -> Result<Vec<DynoStatus>, Gone> {
        self.ask(|reply| Event::Dynos(Some(app.clone()), reply))
            .await
    }

    async fn ask<T>(&self, event: impl FnOnce(oneshot::Sender<T>) -> Event) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.events.send(event(reply)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    /// All that the ledger says now.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.views.borrow())
    }

    /// All that the ledger says, now and at each change.
    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }

    /// What the last attempt to write the ledger failed at; none if it did not. After a failure there is
    /// an attempt about every second, so that this is known to be over soon after it is.
    pub fn trouble(&self) -> watch::Receiver<Option<Cause>> {
        self.trouble.clone()
    }

    /// What the router has, as whoever carries out the steps says.
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.clone()
    }

    /// Waits until the router sends an app's requests to this release, or to a later one: a moment after it is
    /// known that it serves.
    pub async fn until_published(&self, app: &AppName, version: Version) {
        let mut published = self.published.clone();
        let there = |published: &Published| published.get(app).is_some_and(|v| *v >= Some(version));
        // Without anybody who says so there is nothing to wait for.
        let _ = tokio::time::timeout(PUBLISH_MAX, published.wait_for(there)).await;
    }

    /// Waits until it is known what becomes of a release.
    pub async fn outcome(&self, app: &AppName, version: Version) -> Result<Outcome, Gone> {
        let mut views = self.views.clone();
        loop {
            let known = views.borrow_and_update().outcome(app, version);
            if let Some(outcome) = known {
                return Ok(outcome);
            }
            views.changed().await.map_err(|_| Gone)?;
        }
    }
}
