//! Limits of the log files.
//!
//! Owns the numbers and their reasons. Must not know files.

use std::time::Duration;

/// Maximum size in bytes of a file: as much as an app's lines in memory, so that the two newest files always
/// contain those.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Maximum number of files of an app.
pub const FILES_OF_APP_MAX: usize = 4;
/// Maximum size in bytes of all files.
pub const DISK_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Maximum number of files.
pub const DISK_FILES_MAX: usize = 40_000;
/// Maximum number of open files.
pub const OPEN_MAX: usize = 64;
/// When a limit is reached, one part in this many of the limit is freed at once, so that the search for the oldest
/// files is rare.
pub(super) const FREED_PART: u64 = 16;
/// Pause after a failed write before the next attempt.
const RETRY: Duration = Duration::from_secs(1);

/// The limits, which tests lower.
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
