//! Log lines on their way out.
//!
//! Owns that a line which finds no room is counted. Must not know what lines say.

use crate::log_event::{EventSource, LogEvent};
use grid::fault::Fault;
use grid::name::AppName;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Where lines go.
#[derive(Debug)]
pub(super) struct LogEventSender {
    out: mpsc::Sender<LogEvent>,
    /// Lines that found no room, by app.
    lost: BTreeMap<AppName, u64>,
}

impl LogEventSender {
    pub(super) fn new(out: mpsc::Sender<LogEvent>) -> Self {
        LogEventSender {
            out,
            lost: BTreeMap::new(),
        }
    }

    pub(super) fn say(&mut self, lines: impl IntoIterator<Item = LogEvent>) {
        for line in lines {
            let app = line.app.clone();
            if self.out.try_send(line).is_err() {
                *self.lost.entry(app).or_default() += 1;
            }
        }
    }

    /// Says how many lines were dropped, once there is room again.
    pub(super) fn say_losses(&mut self) {
        while let Some((app, lines)) = self.lost.pop_first() {
            let text = format!("{} -> {lines} lines were dropped", Fault::TailOverflow);
            let line = LogEvent {
                app: app.clone(),
                source: EventSource::Api,
                text,
            };
            if self.out.try_send(line).is_err() {
                self.lost.insert(app, lines);
                return;
            }
        }
    }
}
