//! Log lines about what the control plane does, as data.
//!
//! Owns their shape. Must not know their wording, nor how lines are stored, coloured or sent.

use grid::name::{AppName, DynoId};

/// One line of an app's log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// The app.
    pub app: AppName,
    /// Who says so.
    pub source: EventSource,
    /// The line, without time and source.
    pub text: String,
}

/// Who a line is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSource {
    /// A user's command, or what became of it: `dyno[api]`.
    Api,
    /// What happened to a dyno: `dyno[web.1]`.
    Dyno(DynoId),
}
