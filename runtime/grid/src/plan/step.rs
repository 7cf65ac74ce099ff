//! The steps of a plan.
//!
//! Owns their shapes, which nodes and routers understand. Must not know why a step was chosen.

use crate::desired::{Fact, Release};
use crate::name::{AppName, DynoKey, Generation, Hostname, NodeId, Version};
use crate::routing::Refusal;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One thing to do. Steps are carried out in order; each may be carried out twice without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Have the slug on the node and compiled; answer with `Report::Fetched`.
    Fetch {
        /// Where.
        node: NodeId,
        /// The app.
        app: AppName,
        /// What to have.
        release: Arc<Release>,
    },
    /// Start a dyno of a release that the node has fetched; answer with `Up` or `Crashed`.
    Start {
        /// Where.
        node: NodeId,
        /// The new dyno; its run was never used before.
        dyno: DynoKey,
        /// The release that it runs.
        version: Version,
    },
    /// Replace the route of an app in every router, whole.
    Publish {
        /// The new route.
        route: Route,
    },
    /// Give the dyno nothing new, and end it as soon as it has finished its work; then `Report::Down`.
    Drain {
        /// Where.
        node: NodeId,
        /// The dyno; no route names it any more.
        dyno: DynoKey,
        /// When a `Stop` will follow.
        deadline: Time,
    },
    /// End the dyno now, whatever it does; answer with `Report::Down`, also if it is long gone.
    Stop {
        /// Where.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
        /// Why.
        reason: StopReason,
    },
    /// The release is not needed on the node any more. It may stay in caches.
    Forget {
        /// Where.
        node: NodeId,
        /// The app.
        app: AppName,
        /// The release.
        version: Version,
    },
    /// Append a fact to the ledger.
    Record {
        /// What was found to be so.
        fact: Fact,
    },
}

/// Why a dyno is stopped without further waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StopReason {
    /// It was not ready in time: R10.
    BootTimeout,
    /// It had not finished when its time to drain was over: R12.
    DrainTimeout,
    /// It was still starting when it was no longer wanted.
    Unwanted,
}

/// What every router knows of one app.
///
/// A dyno that leaves a route is not thereby stopped: the routers stop handing it requests, no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The app.
    pub app: AppName,
    /// Routers refuse a route with a lower number than the one they have.
    pub generation: Generation,
    /// Where the app answers, sorted.
    pub hostnames: Vec<Hostname>,
    /// The release that is published; none before the first one serves.
    pub version: Option<Version>,
    /// Requests that may wait at once in this app; see `routing::backlog_max`.
    pub backlog_max: u32,
    /// What becomes of a request.
    pub serve: Serve,
}

/// What becomes of an app's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Serve {
    /// A free one of these dynos takes it, else it waits. Never empty; all are up; sorted.
    Dynos(Vec<DynoKey>),
    /// It waits for the first dyno to come up.
    Booting,
    /// It is answered at once, and so are those that wait.
    Refuse(Refusal),
}
