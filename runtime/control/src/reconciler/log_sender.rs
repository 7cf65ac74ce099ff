//! Sends log lines without waiting.
//!
//! Owns the count of lines that did not fit into the channel. Must not know their texts.

use crate::log_event::{EventSource, LogEvent};
use grid::fault::Fault;
use grid::name::AppName;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// The sender of log events.
#[derive(Debug)]
pub(super) struct LogEventSender {
    out: mpsc::Sender<LogEvent>,
    /// Number of dropped lines by app.
    lost: BTreeMap<AppName, u64>,
}

impl LogEventSender {
    pub(super) fn new(out: mpsc::Sender<LogEvent>) -> Self {
        LogEventSender {
            out,
            lost: BTreeMap::new(),
        }
    }

    pub(super) fn send_lines(&mut self, lines: impl IntoIterator<Item = LogEvent>) {
        for line in lines {
            let app = line.app.clone();
            if self.out.try_send(line).is_err() {
                *self.lost.entry(app).or_default() += 1;
            }
        }
    }

    /// Sends a notice about dropped lines once the channel has room again.
    pub(super) fn send_loss_notices(&mut self) {
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
