//! The apps' logs: the newest lines of each, the readers that follow them, and the files that outlive the server.
//!
//! Owns what is kept and for how long. Must not know who writes lines, nor what shows them.
//!
//! Lines are kept once, in the app's ring; a reader holds its place in it and nothing else. So writing costs
//! the same for any number of readers, and never waits for one. With [`LogFiles`], lines are also written to the disk,
//! together by [`Logs::flush`]; an app's ring begins with the last lines of its files, so that readers read on from before
//! a restart.
//!
//! | what | bound | beyond |
//! |---|---|---|
//! | lines of an app | [`LINES_MAX`], [`BYTES_MAX`] | the oldest go |
//! | bytes of all apps | [`ALL_BYTES_MAX`] | apps with more than [`SHARE_BYTES`] keep that much |
//! | apps with lines | [`APPS_MAX`] | the one goes that has been silent longest |
//! | readers | [`TAILS_OF_APP_MAX`], [`TAILS_MAX`] | refused |

mod files;
mod line;
mod ring;
mod tail;
#[cfg(test)]
mod tests;
mod text_form;

pub use files::{
    DISK_BYTES_MAX, DISK_FILES_MAX, FILE_BYTES_MAX, FILES_OF_APP_MAX, LogFiles, LogFilesError,
    OPEN_MAX,
};
pub use line::{Filter, LINE_BYTES_MAX, Line, Side, Source, Which, timestamp};
pub use ring::{BYTES_MAX, LINES_MAX};
pub use tail::{Follow, Tail};

use grid::name::AppName;
use ring::Ring;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use text_form::LineWriter;
use tokio::sync::Notify;

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

/// The logs of all apps. Clones lead to the same ones.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Apps that have lines or readers.
    apps: RwLock<BTreeMap<AppName, Arc<AppLog>>>,
    tails: AtomicUsize,
    bytes: AtomicUsize,
    lines: AtomicU64,
    files: Option<LogFiles>,
    /// Apps with lines that are not in their files yet.
    unwritten: Mutex<Vec<(AppName, Arc<AppLog>)>>,
}

/// The log of one app.
#[derive(Debug, Default)]
struct AppLog {
    ring: Mutex<Ring>,
    unwritten: Mutex<Unwritten>,
    news: Notify,
    tails: AtomicUsize,
    closed: AtomicBool,
    /// How many lines there had been in all logs when its last one came.
    touched: AtomicU64,
}

/// Lines of one app, as they go to its file.
#[derive(Debug, Default)]
struct Unwritten {
    writer: LineWriter,
    bytes: Vec<u8>,
    lines: u64,
}

/// Why a log cannot be read just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TailError {
    /// This app has enough readers.
    #[error("{TAILS_OF_APP_MAX} readers follow this app's log already: end one of them first")]
    OfApp,
    /// There are enough readers.
    #[error("{TAILS_MAX} readers follow logs on this server already: try again later")]
    OfAll,
}

impl AppLog {
    /// Nothing that holds this lock can panic in between, and each change is whole.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl Logs {
    /// No lines yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lines that are in these files, which further ones are written to.
    pub fn kept_in(files: LogFiles) -> Self {
        Logs(Arc::new(Shared {
            files: Some(files),
            ..Shared::default()
        }))
    }

    /// Adds a line to an app's log. Never waits for a reader. What could pose as another line, or steer a
    /// terminal, is escaped.
    pub fn push(&self, app: &AppName, line: Line) {
        let line = line.cleaned();
        loop {
            // With the lock, so that the log is not thrown away while it gets its line.
            let apps = self.read();
            if let Some(log) = apps.get(app) {
                let waits = self.0.files.is_some() && self.push_to_file(app, log, &line);
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
    fn push_to_file(&self, app: &AppName, log: &Arc<AppLog>, line: &Line) -> bool {
        let mut unwritten = log.unwritten();
        let Unwritten {
            writer,
            bytes,
            lines,
        } = &mut *unwritten;
        if *lines == 0 {
            self.unwritten().push((app.clone(), Arc::clone(log)));
        }
        writer.write(bytes, line);
        *lines += 1;
        bytes.len() > UNWRITTEN_BYTES_MAX
    }

    /// Writes lines to the files, all that came before this call. Says what stood in the way; the lines of that app are
    /// counted as lost then. Blocks for as long as the disk does.
    pub fn flush(&self) -> io::Result<()> {
        let apps = std::mem::take(&mut *self.unwritten());
        let mut done = Ok(());
        for (app, log) in apps {
            done = self.write_out(&app, &mut log.unwritten()).and(done);
        }
        done
    }

    fn write_out(&self, app: &AppName, unwritten: &mut Unwritten) -> io::Result<()> {
        let lines = std::mem::take(&mut unwritten.lines);
        let done = match &self.0.files {
            Some(files) => files.append(app, &unwritten.bytes, lines),
            None => Ok(()),
        };
        unwritten.bytes.clear();
        // One that was large once does not stay so.
        unwritten.bytes.shrink_to(UNWRITTEN_BYTES_MAX / 16);
        done
    }

    fn unwritten(&self) -> MutexGuard<'_, Vec<(AppName, Arc<AppLog>)>> {
        self.0
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn push_to(&self, log: &AppLog, line: Line) {
        let number = self.0.lines.fetch_add(1, Ordering::Relaxed);
        log.touched.store(number, Ordering::Relaxed);
        let most = match self.0.bytes.load(Ordering::Relaxed) {
            all if all > ALL_BYTES_MAX => SHARE_BYTES,
            _ => BYTES_MAX,
        };
        let mut ring = log.ring();
        let before = ring.bytes();
        ring.push(line, most);
        let after = ring.bytes();
        drop(ring);
        self.0.bytes.fetch_add(after, Ordering::Relaxed);
        self.0.bytes.fetch_sub(before, Ordering::Relaxed);
        log.news.notify_waiters();
    }

    /// Reads an app's log: its last `n` lines that the filter takes, and those that follow.
    pub fn tail(
        &self,
        app: &AppName,
        filter: Filter,
        n: usize,
        follow: Follow,
    ) -> Result<Tail, TailError> {
        // Before anything is made for a reader that is refused.
        if self.tails() >= TAILS_MAX {
            return Err(TailError::OfAll);
        }
        let log = loop {
            let apps = self.read();
            match apps.get(app) {
                Some(log) => break self.enter(log)?,
                None if follow == Follow::No && !self.has_file(app) => {
                    break self.enter(&Arc::default())?;
                }
                None => {}
            }
            drop(apps);
            self.make(app);
        };
        let app = app.clone();
        Ok(Tail::new(self.clone(), app, log, filter, (n, follow)))
    }

    /// Counts a reader in.
    fn enter(&self, log: &Arc<AppLog>) -> Result<Arc<AppLog>, TailError> {
        let take = |count: &AtomicUsize, most: usize| {
            let one_more = |count| (count < most).then_some(count + 1);
            count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
        };
        take(&self.0.tails, TAILS_MAX).map_err(|_| TailError::OfAll)?;
        if take(&log.tails, TAILS_OF_APP_MAX).is_err() {
            self.0.tails.fetch_sub(1, Ordering::AcqRel);
            return Err(TailError::OfApp);
        }
        Ok(Arc::clone(log))
    }

    /// Drops an app's lines and ends its readers: it was destroyed. What still comes of it goes to no file.
    pub fn forget(&self, app: &AppName) {
        self.drop_lines(app);
        if let Some(files) = &self.0.files {
            files.forget(app);
        }
    }

    /// Begins the log of an app that is made. An earlier app of this name may have been another's.
    pub fn begin(&self, app: &AppName) {
        self.drop_lines(app);
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

    fn drop_lines(&self, app: &AppName) {
        let log = self.write().remove(app);
        if let Some(log) = log {
            let mut unwritten = log.unwritten();
            unwritten.bytes.clear();
            unwritten.lines = 0;
            drop(unwritten);
            self.close(&log);
        }
    }

    fn has_file(&self, app: &AppName) -> bool {
        let files = self.0.files.as_ref();
        files.is_some_and(|files| files.has(app))
    }

    /// A log that begins with the last lines of the app's files.
    fn read_from_files(&self, app: &AppName) -> Arc<AppLog> {
        let mut ring = Ring::default();
        if let Some(files) = &self.0.files {
            for line in files.read(app, LINES_MAX, BYTES_MAX) {
                ring.push(line, BYTES_MAX);
            }
        }
        Arc::new(AppLog {
            ring: Mutex::new(ring),
            ..AppLog::default()
        })
    }

    /// Readers at present.
    pub fn tails(&self) -> usize {
        self.0.tails.load(Ordering::Acquire)
    }

    /// Bytes that all lines take.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Lines that ever came.
    pub fn lines(&self) -> u64 {
        self.0.lines.load(Ordering::Relaxed)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<AppName, Arc<AppLog>>> {
        self.0.apps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<AppName, Arc<AppLog>>> {
        self.0.apps.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a log for an app that has none.
    fn make(&self, app: &AppName) {
        // Before the lock: the disk may be slow, and nobody else waits for it.
        let log = self.read_from_files(app);
        let mut apps = self.write();
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
        self.0
            .bytes
            .fetch_add(log.ring().bytes(), Ordering::Relaxed);
        apps.insert(app.clone(), log);
    }

    /// Ends the readers of a log that is no longer among the apps'.
    fn close(&self, log: &AppLog) {
        log.closed.store(true, Ordering::Release);
        let bytes = {
            let mut ring = log.ring();
            std::mem::take(&mut *ring).bytes()
        };
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
        log.news.notify_waiters();
    }

    /// Counts a reader off. A log that nobody wrote to and nobody reads costs nothing.
    fn leave(&self, app: &AppName, log: &Arc<AppLog>) {
        self.0.tails.fetch_sub(1, Ordering::AcqRel);
        if log.tails.fetch_sub(1, Ordering::AcqRel) > 1 || !log.ring().is_empty() {
            return;
        }
        let mut apps = self.write();
        let same = apps.get(app).is_some_and(|known| Arc::ptr_eq(known, log));
        if same && log.tails.load(Ordering::Acquire) == 0 && log.ring().is_empty() {
            apps.remove(app);
        }
    }
}
