//! The handle to a running reconciler.
//!
//! Owns how to ask and how to wait for what comes of it. Must not know how it is decided.

use crate::command::{Accepted, Command, Rejected};
use crate::reconcile::Event;
use grid::lifecycle::State;
use grid::name::{AppName, DynoKey, NodeId, Version};
use grid::plan::Report;
use grid::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// What became of each app's releases.
pub type Standings = BTreeMap<AppName, Standing>;

/// What became of an app's releases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest release.
    pub newest: Option<Version>,
    /// The one that is published.
    pub serving: Option<Version>,
    /// Those that did not come up, and why.
    pub failed: BTreeMap<Version, String>,
}

/// What became of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is published.
    Serving,
    /// It did not come up, for this reason. What served before goes on serving.
    Failed(String),
    /// A newer one, this, was made before it was published.
    Superseded(Version),
}

/// One dyno, as a user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynoStatus {
    /// The dyno.
    pub dyno: DynoKey,
    /// Its release.
    pub version: Version,
    /// What it does.
    pub state: State,
    /// Since when, on the reconciler's clock.
    pub since: Time,
    /// How long that is, in whole seconds.
    pub for_secs: u64,
    /// Where, unless it crashed and waits.
    pub node: Option<NodeId>,
}

/// The reconciler has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reconciler has ended")]
pub struct Gone;

/// Why a command came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was not accepted.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// There is no one to accept it.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// The way in to a reconciler. A clone leads to the same one.
#[derive(Clone, Debug)]
pub struct Control {
    events: mpsc::Sender<Event>,
    standings: watch::Receiver<Arc<Standings>>,
}

impl Control {
    pub(crate) fn new(
        events: mpsc::Sender<Event>,
        standings: watch::Receiver<Arc<Standings>>,
    ) -> Self {
        Control { events, standings }
    }

    /// Has a command carried out: it is in the ledger when this returns.
    pub async fn command(&self, command: Command) -> Result<Accepted, Refused> {
        let (reply, answer) = oneshot::channel();
        self.events
            .send(Event::Command(command, reply))
            .await
            .map_err(|_| Gone)?;
        Ok(answer.await.map_err(|_| Gone)??)
    }

    /// Passes on what a node reports.
    pub async fn report(&self, report: Report) -> Result<(), Gone> {
        self.events
            .send(Event::Report(report))
            .await
            .map_err(|_| Gone)
    }

    /// The dynos of all apps, in order.
    pub async fn dynos(&self) -> Result<Vec<DynoStatus>, Gone> {
        let (reply, answer) = oneshot::channel();
        self.events
            .send(Event::Dynos(reply))
            .await
            .map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    /// What became of every app's releases, now and at each change.
    pub fn standings(&self) -> watch::Receiver<Arc<Standings>> {
        self.standings.clone()
    }

    /// Waits until it is known what becomes of a release.
    pub async fn outcome(&self, app: &AppName, version: Version) -> Result<Outcome, Gone> {
        let mut standings = self.standings.clone();
        loop {
            let known = standings
                .borrow_and_update()
                .get(app)
                .and_then(|s| s.outcome(version));
            if let Some(outcome) = known {
                return Ok(outcome);
            }
            standings.changed().await.map_err(|_| Gone)?;
        }
    }
}

impl Standing {
    /// What became of a release, if that is known yet.
    pub fn outcome(&self, version: Version) -> Option<Outcome> {
        if self.serving == Some(version) {
            return Some(Outcome::Serving);
        }
        if let Some(reason) = self.failed.get(&version) {
            return Some(Outcome::Failed(reason.clone()));
        }
        self.newest
            .filter(|newest| *newest > version)
            .map(Outcome::Superseded)
    }
}
