//! Log lines about actions of the control plane.
//!
//! Owns their fields. Must not know the texts, nor how lines are stored, coloured or sent.

use grid::name::{AppName, DynoId};

/// One line of an app's log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// The app.
    pub app: AppName,
    /// The source that is shown with the line.
    pub source: EventSource,
    /// The text, without time and source.
    pub text: String,
}

/// The source of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSource {
    /// A user's command, or its result: `dyno[api]`.
    Api,
    /// A change of a dyno: `dyno[web.1]`.
    Dyno(DynoId),
}
