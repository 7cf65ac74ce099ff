//! The log of one app in memory.
//!
//! Owns the app's ring of lines, and the lines that are queued for its file. Must not know the logs of other apps.

use super::ring::LogRing;
use super::text_form::AppLogLineWriter;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The log of one app.
#[derive(Debug, Default)]
pub(super) struct AppLog {
    pub(super) ring: Mutex<LogRing>,
    pub(super) unwritten: Mutex<UnwrittenLines>,
    pub(super) news: Notify,
    pub(super) tails: AtomicUsize,
    pub(super) closed: AtomicBool,
    /// The number of the app's last line, counted over all logs.
    pub(super) touched: AtomicU64,
}

/// Lines of one app that are queued for its file.
#[derive(Debug, Default)]
pub(super) struct UnwrittenLines {
    pub(super) writer: AppLogLineWriter,
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

impl AppLog {
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
