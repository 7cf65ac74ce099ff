//! The logs of all apps: lines in memory, readers, and lines that are queued for files.
//!
//! Owns the limits over all apps, and when an app's log is created and closed. Must not know the writers of lines,
//! nor how lines are shown.

use super::app_log::{AppLog, UnwrittenLines};
use super::files::LogFiles;
use super::line::AppLogLine;
use super::ring::{BYTES_MAX, LINES_MAX, LogRing};
use grid::name::AppName;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Maximum number of readers of one app's log.
pub const TAILS_OF_APP_MAX: usize = 100;
/// Maximum number of readers of all logs.
pub const TAILS_MAX: usize = 1_000;
/// Maximum size in bytes of all apps' lines in memory. Above this, each log is cut to [`SHARE_BYTES`] when it gets
/// its next line.
pub const ALL_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Size in bytes that every app's log may always have.
pub const SHARE_BYTES: usize = 64 * 1024;
/// Maximum number of apps with lines in memory.
pub const APPS_MAX: usize = 10_000;
/// Maximum size in bytes of an app's queued lines. Above this, queued lines are written at once.
const UNWRITTEN_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct LogRegistry {
    /// The apps that have lines or readers.
    pub(super) apps: RwLock<BTreeMap<AppName, Arc<AppLog>>>,
    pub(super) tails: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    pub(super) lines: AtomicU64,
    pub(super) files: Option<LogFiles>,
    /// The apps with queued lines.
    pub(super) unwritten: Mutex<Vec<(AppName, Arc<AppLog>)>>,
}

/// The reason for which a log cannot be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogTailError {
    /// This app's log has the maximum number of readers.
    #[error("{TAILS_OF_APP_MAX} readers follow this app's log already: end one of them first")]
    OfApp,
    /// The server has the maximum number of readers.
    #[error("{TAILS_MAX} readers follow logs on this server already: try again later")]
    OfAll,
}

impl LogRegistry {
    /// Logs that start with the lines of these files, and write further lines to them.
    pub(super) fn with_files(files: LogFiles) -> Self {
        LogRegistry {
            files: Some(files),
            ..LogRegistry::default()
        }
    }

    /// Appends a line to an app's log, and writes queued lines to files if there are too many.
    pub(super) fn append_line(&self, app: &AppName, line: AppLogLine) {
        loop {
            // The read lock is held until the line is appended, so that the log is not dropped meanwhile.
            let apps = self.apps.read();
            if let Some(log) = apps.get(app) {
                let waits = self.files.is_some() && self.queue_for_file(app, log, &line);
                self.append_to_ring(log, line);
                drop(apps);
                if waits {
                    // The next regular write returns the error, if it persists.
                    let _ = self.write_queued_lines();
                }
                return;
            }
            drop(apps);
            self.create_app_log(app);
        }
    }

    /// Queues a line for the app's file. Returns whether the queue is so large that it should be written now.
    fn queue_for_file(&self, app: &AppName, log: &Arc<AppLog>, line: &AppLogLine) -> bool {
        let mut unwritten = log.unwritten.lock();
        let UnwrittenLines {
            writer,
            bytes,
            lines,
        } = &mut *unwritten;
        if *lines == 0 {
            self.unwritten.lock().push((app.clone(), Arc::clone(log)));
        }
        writer.write_line(bytes, line);
        *lines += 1;
        bytes.len() > UNWRITTEN_BYTES_MAX
    }

    /// Writes all queued lines to the files. After an error the queued lines of the affected app are dropped and
    /// counted as lost. Blocks on the disk.
    pub(super) fn write_queued_lines(&self) -> io::Result<()> {
        let apps = std::mem::take(&mut *self.unwritten.lock());
        let mut done = Ok(());
        for (app, log) in apps {
            done = self
                .write_app_lines(&app, &mut log.unwritten.lock())
                .and(done);
        }
        done
    }

    fn write_app_lines(&self, app: &AppName, unwritten: &mut UnwrittenLines) -> io::Result<()> {
        let lines = std::mem::take(&mut unwritten.lines);
        let done = match &self.files {
            Some(files) => files.append_lines(app, &unwritten.bytes, lines),
            None => Ok(()),
        };
        unwritten.bytes.clear();
        // Gives memory back after a large batch.
        unwritten.bytes.shrink_to(UNWRITTEN_BYTES_MAX / 16);
        done
    }

    fn append_to_ring(&self, log: &AppLog, line: AppLogLine) {
        let number = self.lines.fetch_add(1, Ordering::Relaxed);
        log.touched.store(number, Ordering::Relaxed);
        let most = match self.bytes.load(Ordering::Relaxed) {
            all if all > ALL_BYTES_MAX => SHARE_BYTES,
            _ => BYTES_MAX,
        };
        let mut ring = log.ring.lock();
        let before = ring.bytes();
        ring.push_line(line, most);
        let after = ring.bytes();
        drop(ring);
        self.bytes.fetch_add(after, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
        log.news.notify_waiters();
    }

    /// Registers a reader of an app's log. Creates a missing log for a reader that follows it.
    pub(super) fn add_reader(
        &self,
        app: &AppName,
        follows: bool,
    ) -> Result<Arc<AppLog>, LogTailError> {
        // Checked first, so that no log is created for a reader that is refused.
        if self.tails() >= TAILS_MAX {
            return Err(LogTailError::OfAll);
        }
        loop {
            let apps = self.apps.read();
            match apps.get(app) {
                Some(log) => return self.count_reader(log),
                None if !follows && !self.has_file(app) => {
                    return self.count_reader(&Arc::default());
                }
                None => {}
            }
            drop(apps);
            self.create_app_log(app);
        }
    }

    fn count_reader(&self, log: &Arc<AppLog>) -> Result<Arc<AppLog>, LogTailError> {
        let take = |count: &AtomicUsize, most: usize| {
            let one_more = |count| (count < most).then_some(count + 1);
            count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
        };
        take(&self.tails, TAILS_MAX).map_err(|_| LogTailError::OfAll)?;
        if take(&log.tails, TAILS_OF_APP_MAX).is_err() {
            self.tails.fetch_sub(1, Ordering::AcqRel);
            return Err(LogTailError::OfApp);
        }
        Ok(Arc::clone(log))
    }

    /// Removes a reader. An empty log without readers is dropped.
    pub(super) fn remove_reader(&self, app: &AppName, log: &Arc<AppLog>) {
        self.tails.fetch_sub(1, Ordering::AcqRel);
        if log.tails.fetch_sub(1, Ordering::AcqRel) > 1 || !log.ring.lock().is_empty() {
            return;
        }
        let mut apps = self.apps.write();
        let same = apps.get(app).is_some_and(|known| Arc::ptr_eq(known, log));
        if same && log.tails.load(Ordering::Acquire) == 0 && log.ring.lock().is_empty() {
            apps.remove(app);
        }
    }

    /// Drops an app's lines and ends its readers.
    pub(super) fn drop_app_log(&self, app: &AppName) {
        let log = self.apps.write().remove(app);
        if let Some(log) = log {
            let mut unwritten = log.unwritten.lock();
            unwritten.bytes.clear();
            unwritten.lines = 0;
            drop(unwritten);
            self.close_app_log(&log);
        }
    }

    fn has_file(&self, app: &AppName) -> bool {
        let files = self.files.as_ref();
        files.is_some_and(|files| files.has_files(app))
    }

    /// The current number of readers.
    pub(super) fn tails(&self) -> usize {
        self.tails.load(Ordering::Acquire)
    }

    /// Creates a log for an app without one.
    fn create_app_log(&self, app: &AppName) {
        // Read before the lock is taken: the disk may be slow, and must not delay others.
        let log = self.read_app_log(app);
        let mut apps = self.apps.write();
        if apps.contains_key(app) {
            return;
        }
        if apps.len() >= APPS_MAX {
            let silent = apps
                .iter()
                .filter(|(_, log)| log.tails.load(Ordering::Acquire) == 0)
                .min_by_key(|(_, log)| log.touched.load(Ordering::Relaxed))
                .map(|(app, _)| app.clone());
            if let Some(log) = silent.and_then(|app| apps.remove(&app)) {
                self.close_app_log(&log);
            }
        }
        let bytes = log.ring.lock().bytes();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        apps.insert(app.clone(), log);
    }

    /// Creates a log that starts with the last lines of the app's files.
    fn read_app_log(&self, app: &AppName) -> Arc<AppLog> {
        let mut ring = LogRing::default();
        if let Some(files) = &self.files {
            for line in files.read_last_lines(app, LINES_MAX, BYTES_MAX) {
                ring.push_line(line, BYTES_MAX);
            }
        }
        Arc::new(AppLog {
            ring: Mutex::new(ring),
            ..AppLog::default()
        })
    }

    /// Ends the readers of a log that was removed from the list.
    fn close_app_log(&self, log: &AppLog) {
        log.closed.store(true, Ordering::Release);
        let bytes = std::mem::take(&mut *log.ring.lock()).bytes();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        log.news.notify_waiters();
    }
}
