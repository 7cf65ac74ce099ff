//! Which lines of a log a reader wants.
//!
//! Owns how a line's source matches. Must not know where lines are kept.

use super::line::AppLogSource;
use grid::name::{DynoId, ProcessType};

/// The half of the sources that a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSide {
    /// What the app prints.
    App,
    /// What the platform says: about dynos, requests and commands.
    Dyno,
}

/// The dynos that a reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DynoSelector {
    /// One place of the formation, `web.1`.
    Dyno(DynoId),
    /// All of one process type, `web`.
    Process(ProcessType),
}

/// Which lines a reader wants; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Only lines of this side.
    pub side: Option<LogSide>,
    /// Only lines from or about these dynos.
    pub which: Option<DynoSelector>,
}

impl LogFilter {
    /// Whether a line from this source is wanted.
    pub fn takes(&self, source: &AppLogSource) -> bool {
        let side = match self.side {
            None => true,
            Some(side) => matches!(source, AppLogSource::App(_)) == (side == LogSide::App),
        };
        side && match &self.which {
            None => true,
            Some(DynoSelector::Dyno(wanted)) => source.dyno() == Some(wanted),
            Some(DynoSelector::Process(wanted)) => {
                source.dyno().is_some_and(|d| d.process == *wanted)
            }
        }
    }
}
