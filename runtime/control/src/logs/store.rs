//! The handle to the logs of all apps.
//!
//! Owns what others may do with logs. Must not know how lines are kept.

use super::files::LogFiles;
use super::filter::LogFilter;
use super::line::AppLogLine;
use super::registry::{LogRegistry, LogTailError};
use super::tail::{Follow, LogTail};
use grid::name::AppName;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The logs of all apps. Clones lead to the same ones.
#[derive(Clone, Debug, Default)]
pub struct AppLogs(pub(super) Arc<LogRegistry>);

impl AppLogs {
    /// No lines yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lines that are in these files, which further ones are written to.
    pub fn kept_in(files: LogFiles) -> Self {
        AppLogs(Arc::new(LogRegistry::kept_in(files)))
    }

    /// Adds a line to an app's log. Never waits for a reader. What could pose as another line, or steer a
    /// terminal, is escaped.
    pub fn push(&self, app: &AppName, line: AppLogLine) {
        self.0.push(app, line.cleaned());
    }

    /// Writes lines to the files, all that came before this call. Says what stood in the way; the lines of that app are
    /// counted as lost then. Blocks for as long as the disk does.
    pub fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }

    /// Reads an app's log: its last `n` lines that the filter takes, and those that follow.
    pub fn tail(
        &self,
        app: &AppName,
        filter: LogFilter,
        n: usize,
        follow: Follow,
    ) -> Result<LogTail, LogTailError> {
        let log = self.0.enter(app, follow == Follow::Yes)?;
        let registry = Arc::clone(&self.0);
        Ok(LogTail::new(
            registry,
            app.clone(),
            log,
            filter,
            (n, follow),
        ))
    }

    /// Drops an app's lines and ends its readers: it was destroyed. What still comes of it goes to no file.
    pub fn forget(&self, app: &AppName) {
        self.0.drop_lines(app);
        if let Some(files) = &self.0.files {
            files.forget(app);
        }
    }

    /// Begins the log of an app that is made. An earlier app of this name may have been another's.
    pub fn begin(&self, app: &AppName) {
        self.0.drop_lines(app);
        if let Some(files) = &self.0.files {
            files.begin(app);
        }
    }

    /// Removes the files of all apps but these.
    pub fn retain_files(&self, wanted: impl Fn(&AppName) -> bool) {
        if let Some(files) = &self.0.files {
            files.retain(wanted);
        }
    }

    /// Readers at present.
    pub fn tails(&self) -> usize {
        self.0.tails()
    }

    /// Bytes that all lines take.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Lines that ever came.
    pub fn lines(&self) -> u64 {
        self.0.lines.load(Ordering::Relaxed)
    }
}
