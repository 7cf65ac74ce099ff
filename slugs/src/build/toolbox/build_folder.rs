//! Owns the folders in the cache that builds write to: each behind a lock, its files and folders whole or absent, and only
//! the newest of them kept. Must not know what the files are.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::error::BuilderError;
use super::progress::BuildProgress;
use super::tools::Tools;
use crate::digest::Digest;

/// How often a build tries a lock that another build holds.
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Prefix of the name of a file or folder that is being made.
const UNFINISHED: &str = ".new-";
/// Newest outputs of one kind that are kept for each app: enough to switch between two versions.
const KEPT_PER_APP: usize = 3;
/// Newest outputs of one kind that are kept in a shared folder: a component of a Python app has some 40 MB.
const KEPT_SHARED: usize = 16;
/// Apps whose outputs are kept: those that were built last.
const APPS_KEPT: usize = 64;

/// A folder of outputs in the cache, locked: no other build writes to it while this value lives.
pub(crate) struct BuildFolder {
    folder: PathBuf,
    kept: usize,
    _lock: File,
}

impl BuildFolder {
    /// Opens the folder of one app. Builds write to this folder, and never to the app's own.
    pub(crate) fn open_for_app(
        folder: &Path,
        tools: &Tools,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<Self, BuilderError> {
        let whole = folder.canonicalize().map_err(|source| BuilderError::Read {
            path: folder.to_owned(),
            source,
        })?;
        let apps = tools.cache().join("builds/apps");
        let own = apps.join(content_key(&[whole.as_os_str().as_encoded_bytes()]));
        let mut folder = Self::open(&own, tools, progress)?;
        folder.kept = KEPT_PER_APP;
        folder.mark_used("");
        prune_apps(&apps);
        Ok(folder)
    }

    /// Opens the folder that all apps of a language share.
    pub(crate) fn open_shared(
        language: &str,
        tools: &Tools,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<Self, BuilderError> {
        let folder = tools.cache().join("builds").join(language);
        Self::open(&folder, tools, progress)
    }

    /// Opens any folder, made if it is missing. Waits while another build has it. Removes what a killed build left
    /// unfinished.
    pub(crate) fn open(
        folder: &Path,
        tools: &Tools,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<Self, BuilderError> {
        let failed = write_error(folder);
        fs::create_dir_all(folder).map_err(&failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(".lock"))
            .map_err(&failed)?;
        let mut has_reported = false;
        while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if tools.is_stopped() {
                return Err(failed(std::io::ErrorKind::Interrupted.into()));
            }
            if !std::mem::replace(&mut has_reported, true) {
                progress(BuildProgress::Step("waiting for another build".to_owned()));
            }
            thread::sleep(LOCK_RETRY_INTERVAL);
        }
        let opened = Self {
            folder: folder.to_owned(),
            kept: KEPT_SHARED,
            _lock: lock,
        };
        for unfinished in opened.list_with_prefix(UNFINISHED) {
            remove_path(&unfinished);
        }
        Ok(opened)
    }

    /// The path of an output, whether or not it exists.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a folder to work in. It is removed with the value, or kept by [`BuildFolder::keep_as`].
    pub(crate) fn make_work_folder(&self) -> Result<TempDir, BuilderError> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.folder)
            .map_err(write_error(&self.folder))
    }

    /// Moves a finished file or folder out of a work folder to its name, in place of any older output of that name.
    pub(crate) fn keep_as(&self, made: &Path, name: &str) -> Result<PathBuf, BuilderError> {
        let path = self.path_of(name);
        remove_path(&path);
        fs::rename(made, &path).map_err(write_error(&path))?;
        Ok(path)
    }

    /// Writes a small file, whole or not at all.
    pub(crate) fn save_file(
        &self,
        name: &str,
        content: impl AsRef<[u8]>,
    ) -> Result<PathBuf, BuilderError> {
        let path = self.path_of(name);
        let failed = write_error(&path);
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.folder)
            .map_err(&failed)?;
        file.write_all(content.as_ref()).map_err(&failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(path)
    }

    /// Marks an output as used now, so that [`BuildFolder::prune_old`] keeps it.
    pub(crate) fn mark_used(&self, name: &str) {
        let now = SystemTime::now();
        // Fails for a file of another user, which is then pruned a little early: harmless.
        let _ = File::open(self.path_of(name)).and_then(|file| file.set_modified(now));
    }

    /// Removes the outputs whose names have this prefix, except for the newest few.
    pub(crate) fn prune_old(&self, prefix: &str) {
        let age = |path: &PathBuf| {
            fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .ok()
        };
        let mut found = self.list_with_prefix(prefix);
        found.sort_by_key(|path| std::cmp::Reverse(age(path)));
        for old in found.iter().skip(self.kept) {
            remove_path(old);
        }
    }

    fn list_with_prefix(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path())
            .collect()
    }
}

/// Removes the outputs of all apps but those that were built last.
fn prune_apps(apps: &Path) {
    let built = |path: &PathBuf| fs::metadata(path).and_then(|folder| folder.modified()).ok();
    let entries = fs::read_dir(apps).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort_by_key(|path| std::cmp::Reverse(built(path)));
    for old in found.iter().skip(APPS_KEPT) {
        remove_path(old);
    }
}

/// Makes an error about a path that cannot be written.
pub(crate) fn write_error(path: &Path) -> impl Fn(std::io::Error) -> BuilderError + use<> {
    let path = path.to_owned();
    move |source| BuilderError::Write {
        path: path.clone(),
        source,
    }
}

/// A short name for the output of these inputs: 16 hexadecimal digits of a digest over all of them.
pub(crate) fn content_key(inputs: &[&[u8]]) -> String {
    let mut all = Vec::new();
    for input in inputs {
        all.extend((input.len() as u64).to_le_bytes());
        all.extend(*input);
    }
    Digest::of(&all).to_string()[..16].to_owned()
}

fn remove_path(path: &Path) {
    // The path is a file or a folder. A failure shows when the name is needed again.
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
}
