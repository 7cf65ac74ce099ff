//! The log files of all apps.
//!
//! Owns how much of the disk they take together. Must not know who reads or writes lines.

use super::app_files::{AppLogFiles, LogFileState};
use super::folder::{FoundLogFile, clear, path};
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
    /// Apps that are gone, and of which late lines may still come.
    pub(super) gone: BTreeSet<AppName>,
    pub(super) bytes: u64,
    pub(super) files: usize,
    pub(super) open: usize,
    /// Counts appends: what was written least recently has the lowest number.
    pub(super) clock: u64,
    /// When a disk that refused is tried again.
    pub(super) retry_at: Option<Instant>,
}

impl LogDisk {
    /// Notes a file that is there. They come in order.
    pub(super) fn take(&mut self, found: FoundLogFile) {
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

    pub(super) fn append(&mut self, root: &Path, name: &AppName, bytes: &[u8]) -> io::Result<()> {
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

    pub(super) fn remove(&mut self, root: &Path, name: &AppName) {
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
        clear(&path(root, name, number));
        if app.files.is_empty() && app.lost == 0 {
            self.apps.remove(name);
        }
    }
}
