//! Owns work folders: each is locked by the process that made it, and removed when that process is done or dead.
//! Must not know what is made in them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::tree;

/// How often a new folder may be removed by a sweep before it is locked. More than one try is hardly ever needed.
const TRIES_MAX: usize = 16;

/// A locked folder. It is removed, with its contents, when the value is dropped.
#[derive(Debug)]
pub(super) struct WorkFolder {
    path: PathBuf,
    /// The lock. The system releases it when this process ends, for whatever reason.
    _lock: File,
}

impl WorkFolder {
    /// Makes and locks a folder below `works`.
    pub(super) fn create_in(works: &Path) -> io::Result<Self> {
        for _ in 0..TRIES_MAX {
            let path = TempDir::new_in(works)?.keep();
            // A sweep may come between creation and locking.
            if let Some(lock) = try_lock(&path)? {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(io::Error::other(
            "work folders are removed as soon as they are made",
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // A folder that cannot be removed now is removed at the next start.
        let _ = tree::remove_tree(&self.path);
    }
}

/// Locks a folder. `None` if another process has the lock, or if the folder is gone.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
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
    // The lock counts only if the path still leads to the folder that was locked.
    let is_same = fs::metadata(path)
        .is_ok_and(|now| folder.metadata().is_ok_and(|then| then.ino() == now.ino()));
    Ok(is_same.then_some(folder))
}

/// Removes the folders of processes that have ended. Returns their number.
pub(super) fn remove_abandoned(works: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(works)? {
        let path = entry?.path();
        if !path.is_dir() {
            fs::remove_file(&path)?;
            removed += 1;
        } else if let Some(_lock) = try_lock(&path)? {
            tree::remove_tree(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}
