//! The newest lines of one app, numbered.
//!
//! Owns the bounds of what is kept of an app. Must not know who reads.

use super::filter::LogFilter;
use super::line::AppLogLine;
use std::collections::VecDeque;
use std::sync::Arc;

/// Lines that are kept of an app (as Heroku does).
pub const LINES_MAX: usize = 1_500;
/// Bytes that are kept of an app, whatever the number of lines.
pub const BYTES_MAX: usize = 1024 * 1024;
/// What a line costs besides its text, in bytes: its time, source and places in the ring.
const LINE_COST_BYTES: usize = 112;

/// The lines, oldest first. The line at index `i` has the number `first + i`.
#[derive(Debug, Default)]
pub(super) struct LogRing {
    lines: VecDeque<Arc<AppLogLine>>,
    first: u64,
    bytes: usize,
}

impl LogRing {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What all lines cost, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the oldest line that is there.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the next line that comes.
    pub(super) fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// Takes a line, and drops the oldest ones beyond `bytes_max`, but never the line itself.
    pub(super) fn push(&mut self, line: AppLogLine, bytes_max: usize) {
        self.bytes += cost(&line);
        self.lines.push_back(Arc::new(line));
        while self.lines.len() > LINES_MAX || (self.bytes > bytes_max && self.lines.len() > 1) {
            let Some(oldest) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= cost(&oldest);
            self.first += 1;
        }
        // A ring that was large once does not stay so.
        if self.lines.capacity() > 4 * self.lines.len().max(16) {
            self.lines.shrink_to(2 * self.lines.len());
        }
    }

    /// The lines from this number on, with their numbers.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = (u64, &Arc<AppLogLine>)> {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let start = self.first.max(number);
        (start..).zip(self.lines.iter().skip(skipped))
    }

    /// The number from which on there are `n` lines that the filter takes.
    pub(super) fn last(&self, n: usize, filter: &LogFilter) -> u64 {
        let mut wanted = n;
        let mut number = self.end();
        for line in self.lines.iter().rev() {
            if wanted == 0 {
                break;
            }
            number -= 1;
            wanted -= usize::from(filter.takes(&line.source));
        }
        number
    }
}

fn cost(line: &AppLogLine) -> usize {
    LINE_COST_BYTES + line.text.len()
}
