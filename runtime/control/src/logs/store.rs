//! `AppLogs`, the handle to the logs of all apps.
//!
//! Owns the public operations on logs. Must not know how lines are stored.

use super::files::LogFiles;
use super::filter::LogFilter;
use super::line::AppLogLine;
use super::registry::{LogRegistry, LogTailError};
use super::tail::{Follow, LogTail};
use grid::name::AppName;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The logs of all apps. Clones share the same logs.
#[derive(Clone, Debug, Default)]
pub struct AppLogs(pub(super) Arc<LogRegistry>);

impl AppLogs {
    /// Empty logs in memory, without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Logs that start with the lines of these files, and write further lines to them.
    pub fn with_files(files: LogFiles) -> Self {
        AppLogs(Arc::new(LogRegistry::with_files(files)))
    }

    /// Appends a line to an app's log. Never waits for a reader. Characters that could imitate another line or
    /// control a terminal are escaped.
    pub fn append_line(&self, app: &AppName, line: AppLogLine) {
        self.0.append_line(app, line.escape_controls());
    }

    /// Writes all queued lines to the files. After an error the queued lines of the affected app are dropped and
    /// counted as lost. Blocks on the disk.
    pub fn write_queued_lines(&self) -> io::Result<()> {
        self.0.write_queued_lines()
    }

    /// Opens a reader of an app's log: the last `n` lines that the filter accepts, and the lines that follow.
    pub fn open_tail(
        &self,
        app: &AppName,
        filter: LogFilter,
        n: usize,
        follow: Follow,
    ) -> Result<LogTail, LogTailError> {
        let log = self.0.add_reader(app, follow == Follow::Yes)?;
        let registry = Arc::clone(&self.0);
        Ok(LogTail::new(
            registry,
            app.clone(),
            log,
            filter,
            (n, follow),
        ))
    }

    /// Drops the log of a destroyed app and ends its readers. Late lines of the app are not written to files.
    pub fn forget_app(&self, app: &AppName) {
        self.0.drop_app_log(app);
        if let Some(files) = &self.0.files {
            files.forget_app(app);
        }
    }

    /// Starts the log of a new app. Drops lines of an earlier app with this name, which may have belonged to
    /// another user.
    pub fn start_app(&self, app: &AppName) {
        self.0.drop_app_log(app);
        if let Some(files) = &self.0.files {
            files.start_app(app);
        }
    }

    /// Removes the files of all apps for which `wanted` returns false.
    pub fn retain_files(&self, wanted: impl Fn(&AppName) -> bool) {
        if let Some(files) = &self.0.files {
            files.retain_apps(wanted);
        }
    }

    /// The current number of readers.
    pub fn reader_count(&self) -> usize {
        self.0.tails()
    }

    /// The size in bytes of all lines in memory.
    pub fn total_bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// The number of lines since the start of the server.
    pub fn total_lines(&self) -> u64 {
        self.0.lines.load(Ordering::Relaxed)
    }
}
