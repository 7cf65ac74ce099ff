//! The folder of a server's state: used by one server at a time, and readable by its owner alone.
//!
//! ```text
//! lock          held by the running server
//! key           what the ledger is sealed with: keep a copy in another place than that of the ledger
//! ledger.db     apps, releases, config vars, tokens: SQLite, each entry sealed
//! usage.db      dyno time: SQLite
//! slugs/        slugs, and what was unpacked of them
//! logs/         the newest lines of the apps' logs, unless the settings name another place
//! local.sock    while a server runs: `dyno tokens create --local` asks for a token here
//! local.log     tokens that were made while the server was stopped, for its log at the next start
//! compiled/     native code: can be made again
//! dynos/        the dynos' own files: emptied at each start
//! ```
//! Responses that slow clients have not read yet are in files without names, beside these.
//!
//! A copy of all but `local.sock`, `compiled` and `dynos`, made while the server is stopped, is a backup.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Mode of the folder: its owner alone reads and writes it.
const FOLDER_MODE: u32 = 0o700;
/// The bits of a file's mode that let others than its owner in.
const MODE_OF_OTHERS: u32 = 0o077;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// The folder cannot be made, read or written.
    #[error("cannot keep data in {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another server holds the lock.
    #[error("another server uses {}", .0.display())]
    InUse(PathBuf),
}

/// A data folder, locked as long as this value lives.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is missing, and locks it.
    ///
    /// # Errors
    /// The folder cannot be made or written, or another server uses it.
    pub(crate) fn open(root: &Path) -> Result<DataFolder, DataFolderError> {
        let failed = |source| DataFolderError::Folder {
            path: root.to_owned(),
            source,
        };
        make_private(root).map_err(failed)?;
        let folder = DataFolder::try_lock(root).map_err(failed)?;
        folder.ok_or_else(|| DataFolderError::InUse(root.to_owned()))
    }

    /// Locks an existing folder; none if a server uses it.
    ///
    /// # Errors
    /// The lock's file cannot be made or opened.
    pub(crate) fn try_lock(root: &Path) -> io::Result<Option<DataFolder>> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))?;
        let is_locked = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        Ok(is_locked.then(|| DataFolder {
            root: root.to_owned(),
            _lock: lock,
        }))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.root.join("key")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger.db")
    }

    pub(crate) fn usage(&self) -> PathBuf {
        self.root.join("usage.db")
    }

    pub(crate) fn slugs(&self) -> PathBuf {
        self.root.join("slugs")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn compiled(&self) -> PathBuf {
        self.root.join("compiled")
    }

    pub(crate) fn dynos(&self) -> PathBuf {
        self.root.join("dynos")
    }

    /// The folder in which files without names are created.
    pub(crate) fn nameless_files(&self) -> &Path {
        &self.root
    }
}

/// Makes a folder if it is missing, and closes it to others.
fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)?;
    let mode = std::fs::metadata(folder)?.permissions().mode();
    if mode & MODE_OF_OTHERS != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(FOLDER_MODE))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_folder_is_private_and_has_one_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("a/b");
        let held = DataFolder::open(&root).expect("free");
        let mode = std::fs::metadata(&root).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
        let error = DataFolder::open(&root).expect_err("taken");
        assert!(matches!(error, DataFolderError::InUse(_)), "{error}");
        drop(held);
        DataFolder::open(&root).expect("free again");
    }
}
