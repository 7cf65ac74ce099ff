//! The log files of all apps.
//!
//! Owns the space that all files take together. Must not know the readers and writers of lines.

use super::app_files::{AppLogFiles, LogFileState};
use super::folder::{FoundLogFile, log_file_path, remove_log_file};
use super::limits::{FREED_PART, LogFileLimits};
use grid::name::AppName;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Instant;

#[derive(Debug, Default)]
pub(super) struct LogDisk {
    pub(super) bounds: LogFileLimits,
    pub(super) apps: BTreeMap<AppName, AppLogFiles>,
    /// Destroyed apps, whose late lines are dropped.
    pub(super) gone: BTreeSet<AppName>,
    pub(super) bytes: u64,
    pub(super) files: usize,
    pub(super) open: usize,
    /// A counter of appends, from which files get the order in which they were written.
    pub(super) clock: u64,
    /// The time of the next attempt after a failed write.
    pub(super) retry_at: Option<Instant>,
}

impl LogDisk {
    /// Adds a file that was found in the folder. Called in the order of modification.
    pub(super) fn add_found_file(&mut self, found: FoundLogFile) {
        self.bytes += found.bytes;
        self.files += 1;
        self.clock += 1;
        let app = self.apps.entry(found.app).or_default();
        app.files.push(LogFileState {
            number: found.number,
            bytes: found.bytes,
            touched: self.clock,
        });
        app.files.sort_by_key(|file| file.number);
    }

    pub(super) fn append_lines(
        &mut self,
        root: &Path,
        name: &AppName,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.remove_oldest_files(root);
        if self.open >= self.bounds.open {
            self.apps.values_mut().for_each(|app| app.open = None);
            self.open = 0;
        }
        let app = self.apps.entry(name.clone()).or_default();
        let (files_before, bytes_before) = (app.files.len(), app.total_bytes());
        let was_open = app.open.is_some();
        let done = app.append_lines(root, name, bytes, self.bounds);
        self.clock += 1;
        if let Some(last) = app.files.last_mut() {
            last.touched = self.clock;
        }
        self.open = self.open + usize::from(app.open.is_some()) - usize::from(was_open);
        self.files = self.files + app.files.len() - files_before;
        self.bytes = self.bytes + app.total_bytes() - bytes_before;
        done
    }

    pub(super) fn remove_app(&mut self, root: &Path, name: &AppName) {
        let Some(app) = self.apps.remove(name) else {
            return;
        };
        self.open -= usize::from(app.open.is_some());
        self.files -= app.files.len();
        self.bytes -= app.total_bytes();
        for file in app.files {
            remove_log_file(&log_file_path(root, name, file.number));
        }
    }

    /// Removes the files that were written least recently if a limit is reached.
    fn remove_oldest_files(&mut self, root: &Path) {
        let LogFileLimits {
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
        remove_log_file(&log_file_path(root, name, number));
        if app.files.is_empty() && app.lost == 0 {
            self.apps.remove(name);
        }
    }
}
