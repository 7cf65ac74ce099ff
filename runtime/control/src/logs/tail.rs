//! A reader of an app's log.
//!
//! Owns the reader's position, and the notice about lines that were dropped before it could read them. Must not
//! know HTTP.

use super::app_log::AppLog;
use super::filter::LogFilter;
use super::line::{AppLogLine, AppLogSource};
use super::registry::LogRegistry;
use grid::fault::Fault;
use grid::name::AppName;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

/// Maximum number of lines per read of the ring.
const BATCH_LEN_MAX: usize = 256;

/// Whether a reader waits for new lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The reader ends after the existing lines.
    No,
    /// The reader continues until it is dropped or the app is destroyed.
    Yes,
}

/// A reader of an app's log. It has no queue of its own but reads from the app's ring, so a slow reader misses
/// lines and gets a notice with their number.
#[derive(Debug)]
pub struct LogTail {
    registry: Arc<LogRegistry>,
    app: AppName,
    log: Arc<AppLog>,
    filter: LogFilter,
    /// The number of the next line to read.
    next: u64,
    /// The number at which the reader ends, unless it follows the log.
    until: Option<u64>,
    batch: VecDeque<Arc<AppLogLine>>,
}

impl LogTail {
    pub(super) fn new(
        registry: Arc<LogRegistry>,
        app: AppName,
        log: Arc<AppLog>,
        filter: LogFilter,
        (n, follow): (usize, Follow),
    ) -> Self {
        let (next, end) = {
            let ring = log.ring.lock();
            (ring.start_of_last(n, &filter), ring.end_number())
        };
        LogTail {
            registry,
            app,
            log,
            filter,
            next,
            until: (follow == Follow::No).then_some(end),
            batch: VecDeque::new(),
        }
    }

    /// Waits for the next line; `None` at the end.
    pub async fn next_line(&mut self) -> Option<Arc<AppLogLine>> {
        loop {
            let log = Arc::clone(&self.log);
            let mut news = pin!(log.news.notified());
            // Registers for wake-ups before the check, so that a line between the check and the wait is not missed.
            news.as_mut().enable();
            if let Some(line) = self.next_ready_line() {
                return Some(line);
            }
            if self.until.is_some() || self.log.is_closed() {
                return None;
            }
            news.await;
        }
    }

    /// The next line, if it exists already.
    pub fn next_ready_line(&mut self) -> Option<Arc<AppLogLine>> {
        if self.batch.is_empty() {
            self.read_batch();
        }
        self.batch.pop_front()
    }

    fn read_batch(&mut self) {
        let ring = self.log.ring.lock();
        let end = self.until.unwrap_or(u64::MAX);
        let missed = ring.first_number().min(end).saturating_sub(self.next);
        if missed > 0 {
            self.next += missed;
            self.batch
                .extend(ring.lines_from(self.next).next().map(|(_, line)| {
                    let text = format!("{} -> {missed} lines were dropped", Fault::TailOverflow);
                    let (at, source) = (line.at, AppLogSource::Api);
                    Arc::new(AppLogLine { at, source, text })
                }));
        }
        for (number, line) in ring.lines_from(self.next) {
            if number >= end || self.batch.len() >= BATCH_LEN_MAX {
                break;
            }
            self.next = number + 1;
            if self.filter.accepts(&line.source) {
                self.batch.push_back(Arc::clone(line));
            }
        }
    }
}

impl Drop for LogTail {
    fn drop(&mut self) {
        self.registry.remove_reader(&self.app, &self.log);
    }
}
