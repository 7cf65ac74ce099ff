//! The log of one app while the server runs.
//!
//! Owns its lines in memory, and those that wait for its file. Must not know the logs of other apps.

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
    /// How many lines there had been in all logs when its last one came.
    pub(super) touched: AtomicU64,
}

/// Lines of one app, as they go to its file.
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
