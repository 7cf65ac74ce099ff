//! The steps of a plan.
//!
//! Owns the shapes of the steps, which nodes and routers carry out. Must not know why a step was chosen.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Route;
use crate::desired::{Fact, Release};
use crate::name::{AppName, DynoKey, NodeId, ReleaseId};

/// One thing to do. Steps are carried out in order. To carry one out twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Get the slug of a release and compile it. The node answers with `Report::Fetched`.
    Fetch {
        /// The node that carries the step out.
        node: NodeId,
        /// The app.
        app: AppName,
        /// The release to get.
        release: ReleaseId,
        /// Its slug, config vars and process types.
        contents: Arc<Release>,
    },
    /// Start a dyno of a release that the node has fetched. The node answers with `Up` or `Crashed`, or with `Idle` if
    /// the dyno starts asleep.
    Start {
        /// The node that carries the step out.
        node: NodeId,
        /// The new dyno; its run was never used before.
        dyno: DynoKey,
        /// The release that it runs.
        release: ReleaseId,
        /// The dyno may sleep until its first request. Its release served before, so a boot would show nothing new.
        asleep: bool,
    },
    /// Run the release process of a release that the node has fetched, once. The node answers with `Up` when the
    /// process runs, and with `Exited` when it has ended.
    Run {
        /// The node that carries the step out.
        node: NodeId,
        /// The new dyno; its run was never used before.
        dyno: DynoKey,
        /// The release whose process it is.
        release: ReleaseId,
    },
    /// Replace the whole route of an app in every router.
    Publish {
        /// The new route.
        route: Route,
    },
    /// Forget a destroyed app in every router. Its host names then answer "no such app".
    Withdraw {
        /// The app.
        app: AppName,
    },
    /// Give the dyno no new work, and end it as soon as it has finished. The node answers with `Down`.
    Drain {
        /// The node that carries the step out.
        node: NodeId,
        /// The dyno; no route names it any more.
        dyno: DynoKey,
        /// The release that it runs.
        release: ReleaseId,
        /// The time until a `Stop` follows. A duration, since the clocks of machines differ.
        grace: Duration,
    },
    /// End the dyno now, whatever it does. The node answers with `Down`, even if the dyno ended long ago.
    Stop {
        /// The node that carries the step out.
        node: NodeId,
        /// The dyno.
        dyno: DynoKey,
        /// The release that it runs.
        release: ReleaseId,
        /// Why the dyno is stopped.
        reason: StopReason,
    },
    /// The node no longer needs the release. It may keep the release in caches.
    Forget {
        /// The node that carries the step out.
        node: NodeId,
        /// The app.
        app: AppName,
        /// The release.
        release: ReleaseId,
    },
    /// Append a fact to the ledger.
    Record {
        /// The fact.
        fact: Fact,
    },
}

impl Step {
    /// The app that the step is about, if it is about one.
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
    /// The dyno was not ready in time: R10.
    BootTimeout,
    /// The dyno had not finished when its time to drain was over: R12.
    DrainTimeout,
    /// The dyno was still starting when it was no longer needed.
    Unwanted,
    /// A process that runs once took longer than it may.
    TimeLimit,
    /// A user stopped a process that runs once.
    Requested,
}

/// One line for people, such as `start web.1 of v4`. It leaves out the app, which the reader knows from the context.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Fetch { release, .. } => write!(f, "fetch {release}"),
            Step::Start { dyno, release, .. } => write!(f, "start {} of {release}", dyno.dyno),
            Step::Run { dyno, release, .. } => write!(f, "run {} of {release}", dyno.dyno),
            Step::Publish { route } => fmt::Display::fmt(route, f),
            Step::Withdraw { app } => write!(f, "answer no requests for {app}"),
            Step::Drain { dyno, release, .. } => write!(f, "drain {} of {release}", dyno.dyno),
            Step::Stop { dyno, release, .. } => write!(f, "stop {} of {release}", dyno.dyno),
            Step::Forget { release, .. } => write!(f, "forget {release}"),
            Step::Record { .. } => f.write_str("write it down"),
        }
    }
}
