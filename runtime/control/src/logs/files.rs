//! The apps' logs on the disk, so that they survive a restart.
//!
//! An app's lines are in files `APP.NUMBER.dyno.log`, the newest in the one with the highest number, in the form in which
//! they are shown. Files are only appended to and removed whole. What a crash left of a line that was half written is
//! cut off before the next one is written. Nothing is synced: lines of the last seconds before a power cut may be lost.
//!
//! | what | bound | beyond |
//! |---|---|---|
//! | bytes of a file | [`FILE_BYTES_MAX`] | the next one is begun |
//! | files of an app | [`FILES_OF_APP_MAX`] | the oldest goes |
//! | bytes and files of all apps | [`DISK_BYTES_MAX`], [`DISK_FILES_MAX`] | those go that were written least recently |
//! | files that are open | [`OPEN_MAX`] | all are closed |
//!
//! A disk that takes no more loses lines, which are counted, and told in the file once it takes some again (L10).
//!
//! Owns the files. Must not know who reads the lines.

mod app_files;
mod disk;
mod folder;
mod limits;
#[cfg(test)]
mod tests;

pub use limits::{DISK_BYTES_MAX, DISK_FILES_MAX, FILE_BYTES_MAX, FILES_OF_APP_MAX, OPEN_MAX};

use super::line::AppLogLine;
use super::text_form;
use disk::LogDisk;
use folder::{path, read_lines};
use grid::name::AppName;
use limits::LogFileLimits;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogFilesError {
    /// Another server writes there.
    #[error("another server keeps its logs in {}", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be made, read or written.
    #[error("cannot keep logs in {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl LogFilesError {
    /// Whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, LogFilesError::Folder { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}

/// The folder of all files. One process writes it at a time.
#[derive(Debug)]
pub struct LogFiles {
    root: PathBuf,
    state: Mutex<LogDisk>,
    _lock: File,
}

impl LogFiles {
    /// Opens the folder, which is made if it is not there.
    pub fn open(root: &Path) -> Result<LogFiles, LogFilesError> {
        LogFiles::open_with(root, LogFileLimits::default())
    }

    fn open_with(root: &Path, bounds: LogFileLimits) -> Result<LogFiles, LogFilesError> {
        let failed = |source| LogFilesError::Folder {
            path: root.to_owned(),
            source,
        };
        let lock = folder::lock(root).map_err(failed)?;
        let lock = lock.ok_or_else(|| LogFilesError::InUse(root.to_owned()))?;
        let mut state = LogDisk {
            bounds,
            ..LogDisk::default()
        };
        for found in folder::list(root).map_err(failed)? {
            state.take(found);
        }
        Ok(LogFiles {
            root: root.to_owned(),
            state: Mutex::new(state),
            _lock: lock,
        })
    }

    /// Whether there is something of an app.
    pub(super) fn has(&self, app: &AppName) -> bool {
        self.state.lock().apps.contains_key(app)
    }

    /// The last lines of an app, the oldest first: those of its newest files until there are `lines` or `bytes`.
    pub(super) fn read(&self, app: &AppName, lines: usize, bytes: usize) -> Vec<AppLogLine> {
        let numbers: Vec<u64> = match self.state.lock().apps.get(app) {
            Some(files) => files.files.iter().map(|file| file.number).collect(),
            None => Vec::new(),
        };
        let (mut read, mut came) = (Vec::new(), 0);
        for number in numbers.into_iter().rev() {
            if read.len() >= lines || came >= bytes {
                break;
            }
            // One that was removed meanwhile, or cannot be read, has no lines.
            let text = read_lines(&path(&self.root, app, number)).unwrap_or_default();
            came += text.len();
            let mut older: Vec<AppLogLine> = text.lines().filter_map(text_form::parse).collect();
            older.append(&mut read);
            read = older;
        }
        read
    }

    /// Appends lines, whole ones with their ends. They are dropped if the app is gone, and counted if the disk refuses
    /// them.
    pub(super) fn append(&self, app: &AppName, bytes: &[u8], lines: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.gone.contains(app) || bytes.is_empty() {
            return Ok(());
        }
        let resting = state.retry_at.is_some_and(|at| Instant::now() < at);
        let done = match resting {
            true => Err(io::Error::from(io::ErrorKind::StorageFull)),
            false => state.append(&self.root, app, bytes),
        };
        if done.is_ok() {
            state.retry_at = None;
            return Ok(());
        }
        if !resting {
            state.retry_at = Some(Instant::now() + state.bounds.retry);
        }
        state.apps.entry(app.clone()).or_default().lost += lines;
        done
    }

    /// Removes the files of an app that is gone. What still comes of it is not written.
    pub(super) fn forget(&self, app: &AppName) {
        let mut state = self.state.lock();
        state.remove(&self.root, app);
        state.gone.insert(app.clone());
    }

    /// Writes lines of this app again: there is a new one of that name.
    pub(super) fn begin(&self, app: &AppName) {
        let mut state = self.state.lock();
        state.remove(&self.root, app);
        state.gone.remove(app);
    }

    /// Removes the files of all other apps.
    pub(super) fn retain(&self, wanted: impl Fn(&AppName) -> bool) {
        let mut state = self.state.lock();
        let others = state.apps.keys().filter(|app| !wanted(app)).cloned();
        for app in others.collect::<Vec<_>>() {
            state.remove(&self.root, &app);
        }
    }
}
