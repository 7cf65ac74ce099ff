//! The logs of apps on the disk, so that lines survive a restart.
//!
//! An app's lines are in files `APP.NUMBER.dyno.log`, in the form in which they are shown. The file with the
//! highest number has the newest lines. Files are only appended to, and removed as a whole. An incomplete line that
//! a crash left behind is cut off before the next line is written. Files are not synced: a power cut may lose the
//! lines of the last seconds.
//!
//! | what | limit | beyond the limit |
//! |---|---|---|
//! | bytes of a file | [`FILE_BYTES_MAX`] | the next file is started |
//! | files of an app | [`FILES_OF_APP_MAX`] | the oldest file is removed |
//! | bytes and files of all apps | [`DISK_BYTES_MAX`], [`DISK_FILES_MAX`] | the files written least recently are removed |
//! | files that are open | [`OPEN_MAX`] | all are closed |
//!
//! While the disk is full, lines are dropped and counted. A notice with their number is written once the disk
//! accepts lines again (L10).
//!
//! Owns the files. Must not know the readers of lines.

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
use folder::{log_file_path, read_lines};
use grid::name::AppName;
use limits::LogFileLimits;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The reason for which the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogFilesError {
    /// Another server has locked the folder.
    #[error("another server keeps its logs in {}", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be created, read or written.
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
    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, LogFilesError::Folder { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}

/// The folder of log files. One process at a time may write to it.
#[derive(Debug)]
pub struct LogFiles {
    root: PathBuf,
    state: Mutex<LogDisk>,
    _lock: File,
}

impl LogFiles {
    /// Opens the folder, and creates it if it does not exist.
    pub fn open(root: &Path) -> Result<LogFiles, LogFilesError> {
        LogFiles::open_with(root, LogFileLimits::default())
    }

    fn open_with(root: &Path, bounds: LogFileLimits) -> Result<LogFiles, LogFilesError> {
        let failed = |source| LogFilesError::Folder {
            path: root.to_owned(),
            source,
        };
        let lock = folder::lock_folder(root).map_err(failed)?;
        let lock = lock.ok_or_else(|| LogFilesError::InUse(root.to_owned()))?;
        let mut state = LogDisk {
            bounds,
            ..LogDisk::default()
        };
        for found in folder::list_log_files(root).map_err(failed)? {
            state.add_found_file(found);
        }
        Ok(LogFiles {
            root: root.to_owned(),
            state: Mutex::new(state),
            _lock: lock,
        })
    }

    /// Whether an app has files.
    pub(super) fn has_files(&self, app: &AppName) -> bool {
        self.state.lock().apps.contains_key(app)
    }

    /// The last lines of an app, oldest first: whole files, from the newest backwards, until there are `lines`
    /// lines or `bytes` bytes.
    pub(super) fn read_last_lines(
        &self,
        app: &AppName,
        lines: usize,
        bytes: usize,
    ) -> Vec<AppLogLine> {
        let numbers: Vec<u64> = match self.state.lock().apps.get(app) {
            Some(files) => files.files.iter().map(|file| file.number).collect(),
            None => Vec::new(),
        };
        let (mut read, mut came) = (Vec::new(), 0);
        for number in numbers.into_iter().rev() {
            if read.len() >= lines || came >= bytes {
                break;
            }
            // A file that was removed meanwhile, or cannot be read, counts as empty.
            let text = read_lines(&log_file_path(&self.root, app, number)).unwrap_or_default();
            came += text.len();
            let mut older: Vec<AppLogLine> =
                text.lines().filter_map(text_form::parse_line).collect();
            older.append(&mut read);
            read = older;
        }
        read
    }

    /// Appends whole lines with line ends. Lines of a destroyed app are dropped. Lines that cannot be written are
    /// counted as lost.
    pub(super) fn append_lines(&self, app: &AppName, bytes: &[u8], lines: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.gone.contains(app) || bytes.is_empty() {
            return Ok(());
        }
        let resting = state.retry_at.is_some_and(|at| Instant::now() < at);
        let done = match resting {
            true => Err(io::Error::from(io::ErrorKind::StorageFull)),
            false => state.append_lines(&self.root, app, bytes),
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

    /// Removes the files of a destroyed app. Late lines of the app are not written.
    pub(super) fn forget_app(&self, app: &AppName) {
        let mut state = self.state.lock();
        state.remove_app(&self.root, app);
        state.gone.insert(app.clone());
    }

    /// Starts the files of a new app with this name.
    pub(super) fn start_app(&self, app: &AppName) {
        let mut state = self.state.lock();
        state.remove_app(&self.root, app);
        state.gone.remove(app);
    }

    /// Removes the files of all apps for which `wanted` returns false.
    pub(super) fn retain_apps(&self, wanted: impl Fn(&AppName) -> bool) {
        let mut state = self.state.lock();
        let others = state.apps.keys().filter(|app| !wanted(app)).cloned();
        for app in others.collect::<Vec<_>>() {
            state.remove_app(&self.root, &app);
        }
    }
}
