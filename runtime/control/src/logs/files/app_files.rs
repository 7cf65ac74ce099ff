//! The log files of one app.
//!
//! Owns which file is written next. Must not know the files of other apps.

use super::folder::{log_file_path, open_for_append, remove_log_file};
use super::limits::LogFileLimits;
use crate::logs::line::{AppLogLine, AppLogSource};
use crate::logs::text_form::AppLogLineWriter;
use grid::fault::Fault;
use grid::name::AppName;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

/// The files of one app, oldest first.
#[derive(Debug, Default)]
pub(super) struct AppLogFiles {
    pub(super) files: Vec<LogFileState>,
    /// The newest file, if it is open.
    pub(super) open: Option<File>,
    /// Number of lines that could not be written since the last successful write.
    pub(super) lost: u64,
}

#[derive(Debug)]
pub(super) struct LogFileState {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) touched: u64,
}

impl AppLogFiles {
    pub(super) fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Appends to the newest file or to a new file. After an error the file has its earlier content.
    pub(super) fn append_lines(
        &mut self,
        root: &Path,
        name: &AppName,
        bytes: &[u8],
        bounds: LogFileLimits,
    ) -> io::Result<()> {
        let notice = self.lost_lines_notice();
        let added = (bytes.len() + notice.len()) as u64;
        let is_full =
            |file: &LogFileState| file.bytes > 0 && file.bytes + added > bounds.file_bytes;
        if self.files.last().is_none_or(is_full) {
            self.start_next_file(root, name, bounds.files_of_app)?;
        }
        let Some(last) = self.files.last_mut() else {
            return Ok(());
        };
        if self.open.is_none() {
            let (file, bytes) = open_for_append(&log_file_path(root, name, last.number))?;
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
            // If the truncation fails as well, the incomplete line is cut off when the file is opened again.
            Err(_) if file.set_len(last.bytes).is_err() => self.open = None,
            Err(_) => {}
        }
        done
    }

    /// The notice about lost lines; empty if no lines were lost.
    fn lost_lines_notice(&self) -> Vec<u8> {
        let mut notice = Vec::new();
        if self.lost > 0 {
            let (fault, lost) = (Fault::DrainOverflow, self.lost);
            let line = AppLogLine {
                at: SystemTime::now(),
                source: AppLogSource::Api,
                text: format!("{fault} -> {lost} lines were not kept: the server's disk was full"),
            };
            AppLogLineWriter::default().write_line(&mut notice, &line);
        }
        notice
    }

    /// Starts the next file, and removes the oldest files beyond the limit.
    fn start_next_file(&mut self, root: &Path, name: &AppName, files_max: usize) -> io::Result<()> {
        let number = self.files.last().map_or(1, |last| last.number + 1);
        let (file, bytes) = open_for_append(&log_file_path(root, name, number))?;
        self.open = Some(file);
        self.files.push(LogFileState {
            number,
            bytes,
            touched: 0,
        });
        while self.files.len() > files_max {
            let oldest = self.files.remove(0);
            remove_log_file(&log_file_path(root, name, oldest.number));
        }
        Ok(())
    }
}
