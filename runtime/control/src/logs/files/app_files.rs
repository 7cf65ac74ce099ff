//! The log files of one app.
//!
//! Owns which file is written next. Must not know the files of other apps.

use super::folder::{clear, open_for_append, path};
use super::limits::LogFileLimits;
use crate::logs::line::{AppLogLine, AppLogSource};
use crate::logs::text_form::AppLogLineWriter;
use grid::fault::Fault;
use grid::name::AppName;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

/// The files of one app, the oldest first.
#[derive(Debug, Default)]
pub(super) struct AppLogFiles {
    pub(super) files: Vec<LogFileState>,
    /// The last one, if it is open.
    pub(super) open: Option<File>,
    /// Lines that found no room since the last that did.
    pub(super) lost: u64,
}

#[derive(Debug)]
pub(super) struct LogFileState {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) touched: u64,
}

impl AppLogFiles {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Appends to the last file, or to a new one. After an error that file is as it was before.
    pub(super) fn append(
        &mut self,
        root: &Path,
        name: &AppName,
        bytes: &[u8],
        bounds: LogFileLimits,
    ) -> io::Result<()> {
        let notice = self.notice();
        let added = (bytes.len() + notice.len()) as u64;
        let is_full =
            |file: &LogFileState| file.bytes > 0 && file.bytes + added > bounds.file_bytes;
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
            let line = AppLogLine {
                at: SystemTime::now(),
                source: AppLogSource::Api,
                text: format!("{fault} -> {lost} lines were not kept: the server's disk was full"),
            };
            AppLogLineWriter::default().write(&mut notice, &line);
        }
        notice
    }

    /// Begins the next file, and removes the oldest ones beyond the bound.
    fn begin_file(&mut self, root: &Path, name: &AppName, files_max: usize) -> io::Result<()> {
        let number = self.files.last().map_or(1, |last| last.number + 1);
        let (file, bytes) = open_for_append(&path(root, name, number))?;
        self.open = Some(file);
        self.files.push(LogFileState {
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
