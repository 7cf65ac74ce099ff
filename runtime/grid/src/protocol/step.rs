//! The steps of a plan.
//!
//! Owns their shapes, which nodes and routers understand. Must not know why a step was chosen.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Route;
use crate::desired::{Fact, Release};
use crate::name::{AppName, DynoKey, NodeId, Version};
use crate::time::Time;

/// One thing to do. Steps are carried out in order; each may be carried out twice without harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
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
    /// Start a dyno of a release that the node has fetched; answer with `Up` or `Crashed`, or with `Idle` if
    /// it sleeps.
    Start {
        /// Where.
        node: NodeId,
        /// The new dyno; its run was never used before.
        dyno: DynoKey,
        /// The release that it runs.
        version: Version,
        /// It may sleep until its first request. Its release served before, so that nothing is to be learnt
        /// from a boot.
        asleep: bool,
    },
    /// Run the release process of a release that the node has fetched, once; answer with `Up` when it runs, and
    /// with `Exited` when it ended.
    Run {
        /// Where.
        node: NodeId,
        /// The new dyno; its run was never used before.
        dyno: DynoKey,
        /// The release whose process it is.
        version: Version,
    },
    /// Replace the route of an app in every router, whole.
    Publish {
        /// The new route.
        route: Route,
    },
    /// Forget the app in every router: it is gone, and its hosts answer as those of no app.
    Withdraw {
        /// The app.
        app: AppName,
    },
    /// Give the dyno nothing new, and end it as soon as it has finished its work; then `Report::Down`.
    Drain {
        /// Where.
        node: NodeId,
        /// The dyno; no route names it any more.
        dyno: DynoKey,
        /// The release that it runs.
        version: Version,
        /// When a `Stop` will follow.
        deadline: Time,
    },
    /// End the dyno now, whatever it does; answer with `Report::Down`, also if it is long gone.
    Stop {
        /// Where.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
        /// The release that it runs.
        version: Version,
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

impl Step {
    /// The app that it is about, if it is about one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Step::Fetch { app, .. } | Step::Withdraw { app } | Step::Forget { app, .. } => {
                Some(app)
            }
            Step::Start { dyno, .. }
            | Step::Run { dyno, .. }
            | Step::Drain { dyno, .. }
            | Step::Stop { dyno, .. } => Some(&dyno.app),
            Step::Publish { route } => Some(&route.app),
            Step::Record { fact } => fact.app(),
        }
    }
}

/// Why a dyno is stopped without further waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It was not ready in time: R10.
    BootTimeout,
    /// It had not finished when its time to drain was over: R12.
    DrainTimeout,
    /// It was still starting when it was no longer wanted.
    Unwanted,
    /// A process that runs once ran longer than it may.
    TimeLimit,
    /// A process that runs once, and somebody asked for its end.
    Requested,
}

/// One line for a human, such as `start web.1 of v4`. The app is known from where it is read.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Fetch { release, .. } => write!(f, "fetch {}", release.version),
            Step::Start { dyno, version, .. } => write!(f, "start {} of {version}", dyno.dyno),
            Step::Run { dyno, version, .. } => write!(f, "run {} of {version}", dyno.dyno),
            Step::Publish { route } => fmt::Display::fmt(route, f),
            Step::Withdraw { app } => write!(f, "answer no requests for {app}"),
            Step::Drain { dyno, version, .. } => write!(f, "drain {} of {version}", dyno.dyno),
            Step::Stop { dyno, version, .. } => write!(f, "stop {} of {version}", dyno.dyno),
            Step::Forget { version, .. } => write!(f, "forget {version}"),
            Step::Record { .. } => f.write_str("write it down"),
        }
    }
}
