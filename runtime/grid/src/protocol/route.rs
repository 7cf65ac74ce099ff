//! The route of an app, as routers get it.
//!
//! Owns the shape of a route. Must not know how a router uses it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::name::{AppName, DynoKey, Generation, Hostname, NodeId, Version};

/// The data that every router has about one app.
///
/// Leaving a route does not stop a dyno: the routers only stop handing it requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The app.
    pub app: AppName,
    /// Routers refuse a route with a lower generation than that of the route they have.
    pub generation: Generation,
    /// The app's host names, sorted.
    pub hostnames: Vec<Hostname>,
    /// The published release; none before the first release serves.
    pub version: Option<Version>,
    /// Requests of the app that may wait at once: see `routing::backlog_max`.
    pub backlog_max: u32,
    /// From the arrival of a request to the first byte of its response; none: the routers' default.
    #[serde(default)]
    pub request_timeout: Option<Duration>,
    /// After this time without a request a dyno gives its memory back; none: never.
    #[serde(default)]
    pub idle_after: Option<Duration>,
    /// The handling of the app's requests.
    pub target: RouteTarget,
}

/// A dyno that takes requests, and the node that has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoutedDyno {
    /// The dyno.
    pub dyno: DynoKey,
    /// Its node. Only this node hands the dyno out.
    pub node: NodeId,
}

/// The handling of an app's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum RouteTarget {
    /// A free one of these dynos takes a request; if none is free, the request waits. Never empty, all up, sorted.
    Dynos(Vec<RoutedDyno>),
    /// Requests wait for the first dyno to come up.
    Booting,
    /// Requests are refused at once, waiting ones as well.
    Refuse(Refusal),
}

/// A short text for people, such as `send requests to v4 (2 dynos)`.
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
