//! The steps of a plan.
//!
//! Owns their shapes, which nodes and routers understand. Must not know why a step was chosen.

use crate::desired::{Fact, Release};
use crate::name::{AppName, DynoKey, Generation, Hostname, NodeId, Version};
use crate::routing::Refusal;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    Asked,
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
    /// From the arrival of a request to the first byte of its response; none: the routers' own.
    #[serde(default)]
    pub request_timeout: Option<Duration>,
    /// After so long without a request a dyno gives its memory back; none: never.
    #[serde(default)]
    pub idle_after: Option<Duration>,
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

/// What becomes of requests: `send requests to v4 (2 dynos)`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |f: &mut fmt::Formatter<'_>| match self.version {
            Some(version) => write!(f, "{version}"),
            None => f.write_str(self.app.as_str()),
        };
        match &self.serve {
            Serve::Dynos(dynos) => {
                f.write_str("send requests to ")?;
                version(f)?;
                let plural = if dynos.len() == 1 { "" } else { "s" };
                write!(f, " ({} dyno{plural})", dynos.len())
            }
            Serve::Booting => f.write_str("hold requests until a dyno is up"),
            Serve::Refuse(refusal) => write!(f, "refuse requests with {refusal}"),
        }
    }
}
