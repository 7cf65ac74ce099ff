//! Bounds of the log files.
//!
//! Owns the numbers. Must not know files.

use std::time::Duration;

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
pub(super) const FREED_PART: u64 = 16;
/// A disk that refused is left alone for so long.
const RETRY: Duration = Duration::from_secs(1);

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogFileLimits {
    pub(super) file_bytes: u64,
    pub(super) files_of_app: usize,
    pub(super) disk_bytes: u64,
    pub(super) disk_files: usize,
    pub(super) open: usize,
    pub(super) retry: Duration,
}

impl Default for LogFileLimits {
    fn default() -> Self {
        LogFileLimits {
            file_bytes: FILE_BYTES_MAX,
            files_of_app: FILES_OF_APP_MAX,
            disk_bytes: DISK_BYTES_MAX,
            disk_files: DISK_FILES_MAX,
            open: OPEN_MAX,
            retry: RETRY,
        }
    }
}
