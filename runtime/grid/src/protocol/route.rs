//! What the routers know of an app.
//!
//! Owns the shape of a route. Must not know how a router uses it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::name::{AppName, DynoKey, Generation, Hostname, Version};

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
    pub target: RouteTarget,
}

/// What becomes of an app's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum RouteTarget {
    /// A free one of these dynos takes it, else it waits. Never empty; all are up; sorted.
    Dynos(Vec<DynoKey>),
    /// It waits for the first dyno to come up.
    Booting,
    /// It is answered at once, and so are those that wait.
    Refuse(Refusal),
}

/// What becomes of requests: `send requests to v4 (2 dynos)`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |f: &mut fmt::Formatter<'_>| match self.version {
            Some(version) => write!(f, "{version}"),
            None => f.write_str(self.app.as_str()),
        };
        match &self.target {
            RouteTarget::Dynos(dynos) => {
                f.write_str("send requests to ")?;
                version(f)?;
                let plural = if dynos.len() == 1 { "" } else { "s" };
                write!(f, " ({} dyno{plural})", dynos.len())
            }
            RouteTarget::Booting => f.write_str("hold requests until a dyno is up"),
            RouteTarget::Refuse(refusal) => write!(f, "refuse requests with {refusal}"),
        }
    }
}
