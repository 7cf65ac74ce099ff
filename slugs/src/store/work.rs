//! Owns folders for things that are being made: each locked by its maker for as long as that lives, and
//! removed when it is done or dead.
//! Must not know what is made in them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::tree;

/// Tries to get a folder before a sweeper does; more than one is hardly ever needed.
const TRIES_MAX: usize = 16;

/// A folder of one's own; removed with all that is in it when dropped.
#[derive(Debug)]
pub(super) struct Work {
    path: PathBuf,
    /// The lock: the system lets go of it when this process dies, however it dies.
    _lock: File,
}

impl Work {
    /// Makes a folder below this one.
    pub(super) fn begin(works: &Path) -> io::Result<Self> {
        for _ in 0..TRIES_MAX {
            let path = TempDir::new_in(works)?.keep();
            // A sweeper may come between the making and the locking.
            if let Some(lock) = lock(&path)? {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(io::Error::other(
            "folders are removed as soon as they are made",
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is swept at the next start.
        let _ = tree::remove(&self.path);
    }
}

/// Locks a folder, unless it is locked by another or gone.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let folder = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if let Err(error) = flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        return if error == rustix::io::Errno::WOULDBLOCK {
            Ok(None)
        } else {
            Err(error.into())
        };
    }
    // The lock counts only if the name still means what was locked.
    let is_same = fs::metadata(path)
        .is_ok_and(|now| folder.metadata().is_ok_and(|then| then.ino() == now.ino()));
    Ok(is_same.then_some(folder))
}

/// Removes what dead makers left; says how many.
pub(super) fn sweep(works: &Path) -> io::Result<usize> {
    let mut swept = 0;
    for entry in fs::read_dir(works)? {
        let path = entry?.path();
        if !path.is_dir() {
            fs::remove_file(&path)?;
            swept += 1;
        } else if let Some(_lock) = lock(&path)? {
            tree::remove(&path)?;
            swept += 1;
        }
    }
    Ok(swept)
}
