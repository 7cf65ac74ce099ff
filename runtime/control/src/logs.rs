//! The apps' logs: the newest lines of each, and the readers that follow them.
//!
//! Owns what is kept and for how long. Must not know who writes lines, nor what shows them.
//!
//! Lines are kept once, in the app's ring; a reader holds its place in it and nothing else. So writing costs
//! the same for any number of readers, and never waits for one.
//!
//! | what | bound | beyond |
//! |---|---|---|
//! | lines of an app | [`LINES_MAX`], [`BYTES_MAX`] | the oldest go |
//! | bytes of all apps | [`ALL_BYTES_MAX`] | apps with more than [`SHARE_BYTES`] keep that much |
//! | apps with lines | [`APPS_MAX`] | the one goes that has been silent longest |
//! | readers | [`TAILS_OF_APP_MAX`], [`TAILS_MAX`] | refused |

mod line;
mod ring;
mod tail;
#[cfg(test)]
mod tests;

pub use line::{Filter, LINE_BYTES_MAX, Line, Side, Source, Which, timestamp};
pub use ring::{BYTES_MAX, LINES_MAX};
pub use tail::{Follow, Tail};

use grid::name::AppName;
use ring::Ring;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
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
}

/// The log of one app.
#[derive(Debug, Default)]
struct AppLog {
    ring: Mutex<Ring>,
    news: Notify,
    tails: AtomicUsize,
    closed: AtomicBool,
    /// How many lines there had been in all logs when its last one came.
    touched: AtomicU64,
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

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl Logs {
    /// No lines yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line to an app's log. Never waits for a reader. What could pose as another line, or steer a
    /// terminal, is escaped.
    pub fn push(&self, app: &AppName, line: Line) {
        let line = line.cleaned();
        loop {
            // With the lock, so that the log is not thrown away while it gets its line.
            let apps = self.read();
            if let Some(log) = apps.get(app) {
                return self.push_to(log, line);
            }
            drop(apps);
            self.make(app);
        }
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
                None if follow == Follow::No => break self.enter(&Arc::default())?,
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

    /// Drops an app's lines and ends its readers: it was destroyed.
    pub fn forget(&self, app: &AppName) {
        let log = self.write().remove(app);
        if let Some(log) = log {
            self.close(&log);
        }
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
        let mut apps = self.write();
        if apps.len() >= APPS_MAX && !apps.contains_key(app) {
            let silent = apps
                .iter()
                .filter(|(_, log)| log.tails.load(Ordering::Acquire) == 0)
                .min_by_key(|(_, log)| log.touched.load(Ordering::Relaxed))
                .map(|(app, _)| app.clone());
            if let Some(log) = silent.and_then(|app| apps.remove(&app)) {
                self.close(&log);
            }
        }
        apps.entry(app.clone()).or_default();
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
