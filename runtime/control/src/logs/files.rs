//! The apps' logs on the disk, so that they survive a restart.
//!
//! An app's lines are in files `APP.NUMBER.log`, the newest in the one with the highest number, in the form in which
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

mod folder;
#[cfg(test)]
mod tests;

use super::line::{Line, Source};
use super::text_form::{self, LineWriter};
use folder::{FoundFile, clear, open_for_append, path, read_lines};
use grid::fault::Fault;
use grid::name::AppName;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Bytes of a file at most: as much as is kept of an app in memory, so that two files always hold that.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Files of an app at most.
pub const FILES_OF_APP_MAX: usize = 4;
/// Bytes of all files at most.
pub const DISK_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Files at most.
pub const DISK_FILES_MAX: usize = 40_000;
/// Files that are open at most.
pub const OPEN_MAX: usize = 64;
/// What is freed at once when there is too much: this part of the bound, so that it is not looked for at each line.
const FREED_PART: u64 = 16;
/// A disk that refused is left alone for so long.
const RETRY: Duration = Duration::from_secs(1);

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

/// The folder of all files. One process writes it at a time.
#[derive(Debug)]
pub struct LogFiles {
    root: PathBuf,
    state: Mutex<Files>,
    _lock: File,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    file_bytes: u64,
    files_of_app: usize,
    disk_bytes: u64,
    disk_files: usize,
    open: usize,
    retry: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            file_bytes: FILE_BYTES_MAX,
            files_of_app: FILES_OF_APP_MAX,
            disk_bytes: DISK_BYTES_MAX,
            disk_files: DISK_FILES_MAX,
            open: OPEN_MAX,
            retry: RETRY,
        }
    }
}

#[derive(Debug, Default)]
struct Files {
    bounds: Bounds,
    apps: BTreeMap<AppName, AppFiles>,
    /// Apps that are gone, and of which late lines may still come.
    gone: BTreeSet<AppName>,
    bytes: u64,
    files: usize,
    open: usize,
    /// Counts appends: what was written least recently has the lowest number.
    clock: u64,
    /// When a disk that refused is tried again.
    retry_at: Option<Instant>,
}

/// The files of one app, the oldest first.
#[derive(Debug, Default)]
struct AppFiles {
    files: Vec<OneFile>,
    /// The last one, if it is open.
    open: Option<File>,
    /// Lines that found no room since the last that did.
    lost: u64,
}

#[derive(Debug)]
struct OneFile {
    number: u64,
    bytes: u64,
    touched: u64,
}

impl LogFiles {
    /// Opens the folder, which is made if it is not there.
    pub fn open(root: &Path) -> Result<LogFiles, LogFilesError> {
        LogFiles::open_with(root, Bounds::default())
    }

    fn open_with(root: &Path, bounds: Bounds) -> Result<LogFiles, LogFilesError> {
        let failed = |source| LogFilesError::Folder {
            path: root.to_owned(),
            source,
        };
        let lock = folder::lock(root).map_err(failed)?;
        let lock = lock.ok_or_else(|| LogFilesError::InUse(root.to_owned()))?;
        let mut state = Files {
            bounds,
            ..Files::default()
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

    /// Each change is whole, but for what the disk did not do.
    fn lock(&self) -> MutexGuard<'_, Files> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is something of an app.
    pub(super) fn has(&self, app: &AppName) -> bool {
        self.lock().apps.contains_key(app)
    }

    /// The last lines of an app, the oldest first: those of its newest files until there are `lines` or `bytes`.
    pub(super) fn read(&self, app: &AppName, lines: usize, bytes: usize) -> Vec<Line> {
        let numbers: Vec<u64> = match self.lock().apps.get(app) {
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
            let mut older: Vec<Line> = text.lines().filter_map(text_form::parse).collect();
            older.append(&mut read);
            read = older;
        }
        read
    }

    /// Appends lines, whole ones with their ends. They are dropped if the app is gone, and counted if the disk refuses
    /// them.
    pub(super) fn append(&self, app: &AppName, bytes: &[u8], lines: u64) -> io::Result<()> {
        let mut state = self.lock();
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
        let mut state = self.lock();
        state.remove(&self.root, app);
        state.gone.insert(app.clone());
    }

    /// Writes lines of this app again: there is a new one of that name.
    pub(super) fn begin(&self, app: &AppName) {
        let mut state = self.lock();
        state.remove(&self.root, app);
        state.gone.remove(app);
    }

    /// Removes the files of all other apps.
    pub(super) fn retain(&self, wanted: impl Fn(&AppName) -> bool) {
        let mut state = self.lock();
        let others = state.apps.keys().filter(|app| !wanted(app)).cloned();
        for app in others.collect::<Vec<_>>() {
            state.remove(&self.root, &app);
        }
    }
}

impl Files {
    /// Notes a file that is there. They come in order.
    fn take(&mut self, found: FoundFile) {
        self.bytes += found.bytes;
        self.files += 1;
        self.clock += 1;
        let app = self.apps.entry(found.app).or_default();
        app.files.push(OneFile {
            number: found.number,
            bytes: found.bytes,
            touched: self.clock,
        });
        app.files.sort_by_key(|file| file.number);
    }

    fn append(&mut self, root: &Path, name: &AppName, bytes: &[u8]) -> io::Result<()> {
        self.make_room(root);
        if self.open >= self.bounds.open {
            self.apps.values_mut().for_each(|app| app.open = None);
            self.open = 0;
        }
        let app = self.apps.entry(name.clone()).or_default();
        let (files_before, bytes_before) = (app.files.len(), app.bytes());
        let was_open = app.open.is_some();
        let done = app.append(root, name, bytes, self.bounds);
        self.clock += 1;
        if let Some(last) = app.files.last_mut() {
            last.touched = self.clock;
        }
        self.open = self.open + usize::from(app.open.is_some()) - usize::from(was_open);
        self.files = self.files + app.files.len() - files_before;
        self.bytes = self.bytes + app.bytes() - bytes_before;
        done
    }

    fn remove(&mut self, root: &Path, name: &AppName) {
        let Some(app) = self.apps.remove(name) else {
            return;
        };
        self.open -= usize::from(app.open.is_some());
        self.files -= app.files.len();
        self.bytes -= app.bytes();
        for file in app.files {
            clear(&path(root, name, file.number));
        }
    }

    /// Removes what was written least recently if there is too much.
    fn make_room(&mut self, root: &Path) {
        let Bounds {
            disk_bytes,
            disk_files,
            ..
        } = self.bounds;
        if self.bytes < disk_bytes && self.files < disk_files {
            return;
        }
        let mut all: Vec<(u64, AppName, u64)> = Vec::with_capacity(self.files);
        for (name, app) in &self.apps {
            let files = app.files.iter();
            all.extend(files.map(|file| (file.touched, name.clone(), file.number)));
        }
        all.sort_unstable();
        let bytes_wanted = disk_bytes - disk_bytes / FREED_PART;
        let files_wanted = disk_files - disk_files / FREED_PART as usize;
        for (_, name, number) in all {
            if self.bytes <= bytes_wanted && self.files <= files_wanted {
                return;
            }
            self.remove_file(root, &name, number);
        }
    }

    fn remove_file(&mut self, root: &Path, name: &AppName, number: u64) {
        let Some(app) = self.apps.get_mut(name) else {
            return;
        };
        let Some(index) = app.files.iter().position(|file| file.number == number) else {
            return;
        };
        if index + 1 == app.files.len() && app.open.take().is_some() {
            self.open -= 1;
        }
        self.bytes -= app.files.remove(index).bytes;
        self.files -= 1;
        clear(&path(root, name, number));
        if app.files.is_empty() && app.lost == 0 {
            self.apps.remove(name);
        }
    }
}

impl AppFiles {
    fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Appends to the last file, or to a new one. After an error that file is as it was before.
    fn append(
        &mut self,
        root: &Path,
        name: &AppName,
        bytes: &[u8],
        bounds: Bounds,
    ) -> io::Result<()> {
        let notice = self.notice();
        let added = (bytes.len() + notice.len()) as u64;
        let is_full = |file: &OneFile| file.bytes > 0 && file.bytes + added > bounds.file_bytes;
        if self.files.last().is_none_or(is_full) {
            self.begin_file(root, name, bounds.files_of_app)?;
        }
        let Some(last) = self.files.last_mut() else {
            return Ok(());
        };
        if self.open.is_none() {
            let (file, bytes) = open_for_append(&path(root, name, last.number))?;
            last.bytes = bytes;
            self.open = Some(file);
        }
        let Some(file) = &mut self.open else {
            return Ok(());
        };
        let done = file.write_all(&notice).and_then(|()| file.write_all(bytes));
        match done {
            Ok(()) => {
                last.bytes += added;
                self.lost = 0;
            }
            // If this fails as well, the half line is cut off when the file is opened again.
            Err(_) if file.set_len(last.bytes).is_err() => self.open = None,
            Err(_) => {}
        }
        done
    }

    /// The line about lines that were lost; empty if none were.
    fn notice(&self) -> Vec<u8> {
        let mut notice = Vec::new();
        if self.lost > 0 {
            let (fault, lost) = (Fault::DrainOverflow, self.lost);
            let line = Line {
                at: SystemTime::now(),
                source: Source::Api,
                text: format!("{fault} -> {lost} lines were not kept: the server's disk was full"),
            };
            LineWriter::default().write(&mut notice, &line);
        }
        notice
    }

    /// Begins the next file, and removes the oldest ones beyond the bound.
    fn begin_file(&mut self, root: &Path, name: &AppName, files_max: usize) -> io::Result<()> {
        let number = self.files.last().map_or(1, |last| last.number + 1);
        let (file, bytes) = open_for_append(&path(root, name, number))?;
        self.open = Some(file);
        self.files.push(OneFile {
            number,
            bytes,
            touched: 0,
        });
        while self.files.len() > files_max {
            let oldest = self.files.remove(0);
            clear(&path(root, name, oldest.number));
        }
        Ok(())
    }
}
