//! The logs of all apps: lines in memory, readers, and what waits to be written to files.
//!
//! Owns the bounds over all apps, and when an app's log begins and ends. Must not know who writes lines, nor what shows
//! them.

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

/// Readers of one app at a time.
pub const TAILS_OF_APP_MAX: usize = 100;
/// Readers at a time.
pub const TAILS_MAX: usize = 1_000;
/// Bytes of all apps' lines; with more, large logs are cut down as they grow.
pub const ALL_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What an app may always keep, in bytes.
pub const SHARE_BYTES: usize = 64 * 1024;
/// Apps whose lines are kept.
pub const APPS_MAX: usize = 10_000;
/// Bytes of an app's lines that wait to be written to its file; with more they are written at once.
const UNWRITTEN_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct LogRegistry {
    /// Apps that have lines or readers.
    pub(super) apps: RwLock<BTreeMap<AppName, Arc<AppLog>>>,
    pub(super) tails: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    pub(super) lines: AtomicU64,
    pub(super) files: Option<LogFiles>,
    /// Apps with lines that are not in their files yet.
    pub(super) unwritten: Mutex<Vec<(AppName, Arc<AppLog>)>>,
}

/// Why a log cannot be read just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogTailError {
    /// This app has enough readers.
    #[error("{TAILS_OF_APP_MAX} readers follow this app's log already: end one of them first")]
    OfApp,
    /// There are enough readers.
    #[error("{TAILS_MAX} readers follow logs on this server already: try again later")]
    OfAll,
}

impl LogRegistry {
    /// The lines that are in these files, which further ones are written to.
    pub(super) fn kept_in(files: LogFiles) -> Self {
        LogRegistry {
            files: Some(files),
            ..LogRegistry::default()
        }
    }

    /// Adds a line to an app's log, and writes lines to files if too many wait.
    pub(super) fn push(&self, app: &AppName, line: AppLogLine) {
        loop {
            // With the lock, so that the log is not thrown away while it gets its line.
            let apps = self.apps.read();
            if let Some(log) = apps.get(app) {
                let waits = self.files.is_some() && self.push_to_file(app, log, &line);
                self.push_to(log, line);
                drop(apps);
                if waits {
                    // What stands in the way is told by the next one.
                    let _ = self.flush();
                }
                return;
            }
            drop(apps);
            self.make(app);
        }
    }

    /// Has a line written to the app's file with the next ones that are. Says whether so many wait that they are to be
    /// written now.
    fn push_to_file(&self, app: &AppName, log: &Arc<AppLog>, line: &AppLogLine) -> bool {
        let mut unwritten = log.unwritten.lock();
        let UnwrittenLines {
            writer,
            bytes,
            lines,
        } = &mut *unwritten;
        if *lines == 0 {
            self.unwritten.lock().push((app.clone(), Arc::clone(log)));
        }
        writer.write(bytes, line);
        *lines += 1;
        bytes.len() > UNWRITTEN_BYTES_MAX
    }

    /// Writes lines to the files, all that came before this call. Says what stood in the way; the lines of that app are
    /// counted as lost then. Blocks for as long as the disk does.
    pub(super) fn flush(&self) -> io::Result<()> {
        let apps = std::mem::take(&mut *self.unwritten.lock());
        let mut done = Ok(());
        for (app, log) in apps {
            done = self.write_out(&app, &mut log.unwritten.lock()).and(done);
        }
        done
    }

    fn write_out(&self, app: &AppName, unwritten: &mut UnwrittenLines) -> io::Result<()> {
        let lines = std::mem::take(&mut unwritten.lines);
        let done = match &self.files {
            Some(files) => files.append(app, &unwritten.bytes, lines),
            None => Ok(()),
        };
        unwritten.bytes.clear();
        // One that was large once does not stay so.
        unwritten.bytes.shrink_to(UNWRITTEN_BYTES_MAX / 16);
        done
    }

    fn push_to(&self, log: &AppLog, line: AppLogLine) {
        let number = self.lines.fetch_add(1, Ordering::Relaxed);
        log.touched.store(number, Ordering::Relaxed);
        let most = match self.bytes.load(Ordering::Relaxed) {
            all if all > ALL_BYTES_MAX => SHARE_BYTES,
            _ => BYTES_MAX,
        };
        let mut ring = log.ring.lock();
        let before = ring.bytes();
        ring.push(line, most);
        let after = ring.bytes();
        drop(ring);
        self.bytes.fetch_add(after, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
        log.news.notify_waiters();
    }

    /// Counts a reader of an app's log in. A log that does not exist is made for one that waits for lines.
    pub(super) fn enter(&self, app: &AppName, follows: bool) -> Result<Arc<AppLog>, LogTailError> {
        // Before anything is made for a reader that is refused.
        if self.tails() >= TAILS_MAX {
            return Err(LogTailError::OfAll);
        }
        loop {
            let apps = self.apps.read();
            match apps.get(app) {
                Some(log) => return self.count_in(log),
                None if !follows && !self.has_file(app) => return self.count_in(&Arc::default()),
                None => {}
            }
            drop(apps);
            self.make(app);
        }
    }

    fn count_in(&self, log: &Arc<AppLog>) -> Result<Arc<AppLog>, LogTailError> {
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

    /// Counts a reader off. A log that nobody wrote to and nobody reads costs nothing.
    pub(super) fn leave(&self, app: &AppName, log: &Arc<AppLog>) {
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
    pub(super) fn drop_lines(&self, app: &AppName) {
        let log = self.apps.write().remove(app);
        if let Some(log) = log {
            let mut unwritten = log.unwritten.lock();
            unwritten.bytes.clear();
            unwritten.lines = 0;
            drop(unwritten);
            self.close(&log);
        }
    }

    fn has_file(&self, app: &AppName) -> bool {
        let files = self.files.as_ref();
        files.is_some_and(|files| files.has(app))
    }

    /// Readers at present.
    pub(super) fn tails(&self) -> usize {
        self.tails.load(Ordering::Acquire)
    }

    /// Makes a log for an app that has none.
    fn make(&self, app: &AppName) {
        // Before the lock: the disk may be slow, and nobody else waits for it.
        let log = self.read_from_files(app);
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
                self.close(&log);
            }
        }
        let bytes = log.ring.lock().bytes();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        apps.insert(app.clone(), log);
    }

    /// A log that begins with the last lines of the app's files.
    fn read_from_files(&self, app: &AppName) -> Arc<AppLog> {
        let mut ring = LogRing::default();
        if let Some(files) = &self.files {
            for line in files.read(app, LINES_MAX, BYTES_MAX) {
                ring.push(line, BYTES_MAX);
            }
        }
        Arc::new(AppLog {
            ring: Mutex::new(ring),
            ..AppLog::default()
        })
    }

    /// Ends the readers of a log that is no longer among the apps'.
    fn close(&self, log: &AppLog) {
        log.closed.store(true, Ordering::Release);
        let bytes = std::mem::take(&mut *log.ring.lock()).bytes();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        log.news.notify_waiters();
    }
}
