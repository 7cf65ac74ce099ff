//! Names and contents of log files.
//!
//! Owns the form of the folder. Must not know which files are removed.

use super::limits::FILE_BYTES_MAX;
use crate::logs::line::LINE_BYTES_MAX;
use grid::name::AppName;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The end of a log file's name, so that no other program's file in the folder is mistaken for a log file.
const SUFFIX: &str = ".dyno.log";
/// The file that a server locks while it writes to the folder.
const LOCK: &str = "dyno.lock";
/// Number of bytes at the end of a file that are searched for a line end: more than the longest line.
const TAIL_BYTES: u64 = LINE_BYTES_MAX as u64 + 4_096;

/// A log file found in the folder.
pub(super) struct FoundLogFile {
    pub(super) app: AppName,
    pub(super) number: u64,
    pub(super) bytes: u64,
}

/// Creates and locks the folder; `None` if another process has the lock.
pub(super) fn lock_folder(root: &Path) -> io::Result<Option<File>> {
    let mut maker = DirBuilder::new();
    maker.recursive(true).mode(0o700).create(root)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(root.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Lists all log files, least recently written first.
pub(super) fn list_log_files(root: &Path) -> io::Result<Vec<FoundLogFile>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        // Files of other programs are left alone.
        let Some((app, number)) = name.to_str().and_then(parse_name) else {
            continue;
        };
        let found = entry.metadata()?;
        if found.is_file() {
            let bytes = found.len();
            all.push((found.modified()?, FoundLogFile { app, number, bytes }));
        }
    }
    all.sort_by_key(|(modified, file)| (*modified, file.number));
    Ok(all.into_iter().map(|(_, file)| file).collect())
}

pub(super) fn log_file_path(root: &Path, app: &AppName, number: u64) -> PathBuf {
    root.join(format!("{app}.{number}{SUFFIX}"))
}

fn parse_name(name: &str) -> Option<(AppName, u64)> {
    let (app, number) = name.strip_suffix(SUFFIX)?.rsplit_once('.')?;
    Some((app.parse().ok()?, number.parse().ok()?))
}

/// Opens a file, readable only by the server's user, and cuts off an incomplete last line. Returns the file's
/// length.
pub(super) fn open_for_append(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)?;
    let bytes = file.metadata()?.len();
    let start = bytes.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    (&file).take(TAIL_BYTES).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n');
    let whole = end.map_or(0, |end| start + end as u64 + 1);
    if whole < bytes {
        file.set_len(whole)?;
    }
    Ok((file, whole))
}

/// Reads the complete lines of a file.
pub(super) fn read_lines(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let most = FILE_BYTES_MAX + TAIL_BYTES;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    bytes.truncate(end.map_or(0, |end| end + 1));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Removes a file. If the removal fails, the next start finds and counts the file.
pub(super) fn remove_log_file(path: &Path) {
    let _ = std::fs::remove_file(path);
}
