//! Filters for the readers of logs.
//!
//! Owns the match of a line's source. Must not know where lines are stored.

use super::line::AppLogSource;
use grid::name::{DynoId, ProcessType};

/// One half of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSide {
    /// Lines that the app prints.
    App,
    /// Lines of the platform: about dynos, requests and commands.
    Dyno,
}

/// A selection of dynos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DynoSelector {
    /// One dyno, such as `web.1`.
    Dyno(DynoId),
    /// All dynos of one process type, such as `web`.
    Process(ProcessType),
}

/// A filter for lines. The default accepts all lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Accept only lines of this half of the sources.
    pub side: Option<LogSide>,
    /// Accept only lines from or about these dynos.
    pub which: Option<DynoSelector>,
}

impl LogFilter {
    /// Whether the filter accepts lines of this source.
    pub fn accepts(&self, source: &AppLogSource) -> bool {
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
