//! The folders of this user, cache, configuration and data, and a temporary folder for each run.
//!
//! The only file that reads the environment for folders.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// A file in a run's folder, locked as long as the run lives.
const LOCK: &str = "lock";

/// `$XDG_CACHE_HOME/dyno`, or `~/.cache/dyno`.
pub(crate) fn cache() -> Result<PathBuf> {
    under("XDG_CACHE_HOME", ".cache")
        .context("there is no folder for the cache: set HOME or XDG_CACHE_HOME")
}

/// `$XDG_CONFIG_HOME/dyno`, or `~/.config/dyno`.
pub(crate) fn config() -> Result<PathBuf> {
    under("XDG_CONFIG_HOME", ".config")
        .context("there is no folder for credentials: set HOME or XDG_CONFIG_HOME")
}

/// `$XDG_DATA_HOME/dyno`, or `~/.local/share/dyno`.
pub(crate) fn data() -> Result<PathBuf> {
    under("XDG_DATA_HOME", ".local/share")
        .context("there is no folder for the server's data: name one with --data, or set HOME")
}

/// The folder `dyno` in the folder that a variable names, or in a default folder in the user's home.
fn under(variable: &str, default: &str) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(default)))?;
    Some(base.join("dyno"))
}

/// A folder for this run, removed when dropped. The next run removes the folder of a killed run.
pub(crate) struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// A new one under `cache`.
    pub(crate) fn create(cache: &Path) -> Result<RunFolder> {
        let runs = cache.join("run");
        std::fs::create_dir_all(&runs)
            .with_context(|| format!("cannot make {}", runs.display()))?;
        // Holds off other runs, which would remove a folder that is not locked yet.
        let all_runs =
            File::open(&runs).with_context(|| format!("cannot read {}", runs.display()))?;
        flock(&all_runs, FlockOperation::LockExclusive)
            .with_context(|| format!("cannot lock {}", runs.display()))?;
        sweep(&runs);
        let path = tempfile::Builder::new()
            .prefix("")
            .tempdir_in(&runs)
            .with_context(|| format!("cannot write in {}", runs.display()))?
            .keep();
        let lock = lock(&path)?.context("a new folder is already in use")?;
        Ok(RunFolder { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Locks a run's folder, unless its run lives.
fn lock(folder: &Path) -> Result<Option<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(LOCK))?;
    Ok(flock(&file, FlockOperation::NonBlockingLockExclusive)
        .is_ok()
        .then_some(file))
}

fn sweep(runs: &Path) {
    for entry in std::fs::read_dir(runs).into_iter().flatten().flatten() {
        if let Ok(Some(_lock)) = lock(&entry.path()) {
            remove(&entry.path());
        }
    }
}

/// Removes a folder whose parts may be read-only, as unpacked slugs are.
fn remove(folder: &Path) {
    make_writable(folder);
    let _ = std::fs::remove_dir_all(folder);
}

fn make_writable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}
