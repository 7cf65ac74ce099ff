//! One reader of an app's log.
//!
//! Owns how far it has read, and how it learns of lines that it was too slow for. Must not know HTTP.

use super::app_log::AppLog;
use super::filter::LogFilter;
use super::line::{AppLogLine, AppLogSource};
use super::registry::LogRegistry;
use grid::fault::Fault;
use grid::name::AppName;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

/// Lines that are taken out of the ring at once.
const BATCH_LEN_MAX: usize = 256;

/// Whether a reader waits for lines to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It ends with the lines that are there.
    No,
    /// It goes on until it is dropped, or the app is forgotten.
    Yes,
}

/// A reader. It has no buffer that fills up: it reads where the app's lines are kept, and whoever is slower
/// than those change learns how many it missed.
#[derive(Debug)]
pub struct LogTail {
    registry: Arc<LogRegistry>,
    app: AppName,
    log: Arc<AppLog>,
    filter: LogFilter,
    /// The number of the next line to be read.
    next: u64,
    /// The number at which it ends, if it does not follow.
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
            (ring.last(n, &filter), ring.end())
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

    /// The next line; none when it ends.
    pub async fn next(&mut self) -> Option<Arc<AppLogLine>> {
        loop {
            let log = Arc::clone(&self.log);
            let mut news = pin!(log.news.notified());
            // From here on no line is missed, though it comes before this waits.
            news.as_mut().enable();
            if let Some(line) = self.ready() {
                return Some(line);
            }
            if self.until.is_some() || self.log.is_closed() {
                return None;
            }
            news.await;
        }
    }

    /// The next line, if there is one already.
    pub fn ready(&mut self) -> Option<Arc<AppLogLine>> {
        if self.batch.is_empty() {
            self.fill();
        }
        self.batch.pop_front()
    }

    fn fill(&mut self) {
        let ring = self.log.ring.lock();
        let end = self.until.unwrap_or(u64::MAX);
        let missed = ring.first().min(end).saturating_sub(self.next);
        if missed > 0 {
            self.next += missed;
            self.batch
                .extend(ring.from(self.next).next().map(|(_, line)| {
                    let text = format!("{} -> {missed} lines were dropped", Fault::TailOverflow);
                    let (at, source) = (line.at, AppLogSource::Api);
                    Arc::new(AppLogLine { at, source, text })
                }));
        }
        for (number, line) in ring.from(self.next) {
            if number >= end || self.batch.len() >= BATCH_LEN_MAX {
                break;
            }
            self.next = number + 1;
            if self.filter.takes(&line.source) {
                self.batch.push_back(Arc::clone(line));
            }
        }
    }
}

impl Drop for LogTail {
    fn drop(&mut self) {
        self.registry.leave(&self.app, &self.log);
    }
}
