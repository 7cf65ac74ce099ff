//! The newest lines of one app, numbered.
//!
//! Owns the limits of one app's lines in memory. Must not know the readers.

use super::filter::LogFilter;
use super::line::AppLogLine;
use std::collections::VecDeque;
use std::sync::Arc;

/// Maximum number of lines of an app in memory (as on Heroku).
pub const LINES_MAX: usize = 1_500;
/// Maximum size in bytes of an app's lines in memory.
pub const BYTES_MAX: usize = 1024 * 1024;
/// Memory of a line besides its text, in bytes: its time, source and slots in the ring.
const LINE_COST_BYTES: usize = 112;

/// A ring of lines, oldest first. The line at index `i` has the number `first + i`.
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

    /// The memory of all lines, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the oldest line.
    pub(super) fn first_number(&self) -> u64 {
        self.first
    }

    /// The number of the next line.
    pub(super) fn end_number(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// Appends a line, and drops the oldest lines beyond `bytes_max`, but never the new line.
    pub(super) fn push_line(&mut self, line: AppLogLine, bytes_max: usize) {
        self.bytes += cost_bytes(&line);
        self.lines.push_back(Arc::new(line));
        while self.lines.len() > LINES_MAX || (self.bytes > bytes_max && self.lines.len() > 1) {
            let Some(oldest) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= cost_bytes(&oldest);
            self.first += 1;
        }
        // Gives memory back when the ring has become small.
        if self.lines.capacity() > 4 * self.lines.len().max(16) {
            self.lines.shrink_to(2 * self.lines.len());
        }
    }

    /// The lines from this number on, with their numbers.
    pub(super) fn lines_from(&self, number: u64) -> impl Iterator<Item = (u64, &Arc<AppLogLine>)> {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let start = self.first.max(number);
        (start..).zip(self.lines.iter().skip(skipped))
    }

    /// The number from which on the ring has `n` lines that the filter accepts.
    pub(super) fn start_of_last(&self, n: usize, filter: &LogFilter) -> u64 {
        let mut wanted = n;
        let mut number = self.end_number();
        for line in self.lines.iter().rev() {
            if wanted == 0 {
                break;
            }
            number -= 1;
            wanted -= usize::from(filter.accepts(&line.source));
        }
        number
    }
}

fn cost_bytes(line: &AppLogLine) -> usize {
    LINE_COST_BYTES + line.text.len()
}
