//! The folder of a server's state: one server at a time, nobody else's to read.
//!
//! ```text
//! lock          held by the running server
//! key           what the ledger is sealed with: keep a copy in another place than that of the ledger
//! ledger.db     apps, releases, config vars, tokens: SQLite, each entry sealed
//! usage.db      dyno time: SQLite
//! slugs/        slugs, and what was unpacked of them
//! logs/         the newest lines of the apps' logs, unless `--log-dir` names another place
//! local.sock    while a server runs: `dyno tokens create --local` asks for a token here
//! compiled/     native code: can be made again
//! dynos/        the dynos' own files: emptied at each start
//! ```
//! What slow readers leave of responses is in files without names, beside these.
//!
//! A copy of all but the last three, made while the server is stopped, is a backup.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

/// The folder, locked as long as this lives.
pub(crate) struct Data {
    root: PathBuf,
    _lock: File,
}

impl Data {
    /// Makes the folder if it is not there, and locks it.
    pub(super) fn open(root: &Path) -> Result<Data> {
        let what = || format!("cannot keep data in {}", root.display());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .with_context(what)?;
        let mode = std::fs::metadata(root).with_context(what)?.permissions();
        if mode.mode() & 0o077 != 0 {
            let own = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(root, own).with_context(what)?;
        }
        match Data::lock(root).with_context(what)? {
            Some(data) => Ok(data),
            None => bail!(
                "another server uses {}: stop it first, or name another folder with --data",
                root.display()
            ),
        }
    }

    /// Locks the folder of a server, unless the server runs.
    pub(crate) fn lock(root: &Path) -> Result<Option<Data>> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))?;
        let locked = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        Ok(locked.then(|| Data {
            root: root.to_owned(),
            _lock: lock,
        }))
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.root.join("key")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger.db")
    }

    pub(super) fn usage(&self) -> PathBuf {
        self.root.join("usage.db")
    }

    pub(super) fn slugs(&self) -> PathBuf {
        self.root.join("slugs")
    }

    pub(super) fn compiled(&self) -> PathBuf {
        self.root.join("compiled")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// For files that have no name.
    pub(super) fn nameless(&self) -> &Path {
        &self.root
    }

    pub(super) fn dynos(&self) -> PathBuf {
        self.root.join("dynos")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_a_folder_and_nobody_else_looks_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("a/b");
        let held = Data::open(&root).expect("free");
        let mode = std::fs::metadata(&root).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
        let error = Data::open(&root).err().expect("taken");
        assert!(error.to_string().contains("another server uses"), "{error}");
        drop(held);
        Data::open(&root).expect("free again");
    }
}
