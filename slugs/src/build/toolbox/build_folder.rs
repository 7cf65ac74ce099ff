//! Owns the places that builds write to, one at a time: a folder behind a lock, files and folders that are there whole
//! or not at all, and as many of them as are worth keeping. Must not know what is in them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::tools::Tools;
use crate::build::{BuildError, Progress};
use crate::digest::Digest;

/// How often a lock is tried that another build has.
const TURN: Duration = Duration::from_millis(100);
/// Begins the name of what is not whole yet.
const UNFINISHED: &str = ".new-";
/// Outputs of one kind that are kept of an app, the newest: enough to go back and forth between two versions.
const KEPT_OF_APP: usize = 3;
/// The same of all apps together, in the cache: a component of Python has some 40 MB.
const KEPT_OF_ALL: usize = 16;
/// Apps whose outputs are kept, those that were built last.
const APPS_KEPT: usize = 64;

/// A folder that this build alone writes to while it has this.
pub(crate) struct Place {
    folder: PathBuf,
    kept: usize,
    _lock: File,
}

impl Place {
    /// A folder for one app, in the cache: builds write nothing to the app's own folder.
    pub(crate) fn of_app(
        folder: &Path,
        tools: &Tools,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BuildError> {
        let whole = folder.canonicalize().map_err(|source| BuildError::Read {
            path: folder.to_owned(),
            source,
        })?;
        let apps = tools.cache().join("builds/apps");
        let own = apps.join(key(&[whole.as_os_str().as_encoded_bytes()]));
        let mut place = Self::open(&own, tools, progress)?;
        place.kept = KEPT_OF_APP;
        place.touch("");
        prune_apps(&apps);
        Ok(place)
    }

    /// What all apps of a language share, in the cache.
    pub(crate) fn shared(
        language: &str,
        tools: &Tools,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BuildError> {
        let folder = tools.cache().join("builds").join(language);
        Self::open(&folder, tools, progress)
    }

    /// Any folder, made if it is missing, when no other build has it. What a killed build left unfinished is removed.
    pub(crate) fn open(
        folder: &Path,
        tools: &Tools,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BuildError> {
        let failed = cannot_write(folder);
        fs::create_dir_all(folder).map_err(&failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(".lock"))
            .map_err(&failed)?;
        let mut told = false;
        while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if tools.is_stopped() {
                return Err(failed(std::io::ErrorKind::Interrupted.into()));
            }
            if !std::mem::replace(&mut told, true) {
                progress(Progress::Step("waiting for another build".to_owned()));
            }
            thread::sleep(TURN);
        }
        let place = Self {
            folder: folder.to_owned(),
            kept: KEPT_OF_ALL,
            _lock: lock,
        };
        for unfinished in place.named(UNFINISHED) {
            remove(&unfinished);
        }
        Ok(place)
    }

    /// Where something is, or would be.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A folder to work in: removed with the value, or given a name by [`Place::keep`].
    pub(crate) fn work(&self) -> Result<TempDir, BuildError> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.folder)
            .map_err(cannot_write(&self.folder))
    }

    /// Gives a file or folder, made in a folder of [`Place::work`], its name; there is none of that name.
    pub(crate) fn keep(&self, made: &Path, name: &str) -> Result<PathBuf, BuildError> {
        let place = self.at(name);
        remove(&place);
        fs::rename(made, &place).map_err(cannot_write(&place))?;
        Ok(place)
    }

    /// Writes a small file.
    pub(crate) fn save(
        &self,
        name: &str,
        content: impl AsRef<[u8]>,
    ) -> Result<PathBuf, BuildError> {
        let place = self.at(name);
        let failed = cannot_write(&place);
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.folder)
            .map_err(&failed)?;
        file.write_all(content.as_ref()).map_err(&failed)?;
        file.persist(&place).map_err(|error| failed(error.error))?;
        Ok(place)
    }

    /// Something is used: it counts as new for [`Place::prune`].
    pub(crate) fn touch(&self, name: &str) {
        let now = SystemTime::now();
        // A folder or file of somebody else's is as good untouched.
        let _ = File::open(self.at(name)).and_then(|file| file.set_modified(now));
    }

    /// Removes what has a name that begins so, but for the newest few.
    pub(crate) fn prune(&self, prefix: &str) {
        let age = |path: &PathBuf| {
            fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .ok()
        };
        let mut found = self.named(prefix);
        found.sort_by_key(|path| std::cmp::Reverse(age(path)));
        for old in found.iter().skip(self.kept) {
            remove(old);
        }
    }

    fn named(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path())
            .collect()
    }
}

/// Removes what is kept of apps that were not built for long.
fn prune_apps(apps: &Path) {
    let built = |path: &PathBuf| fs::metadata(path).and_then(|folder| folder.modified()).ok();
    let entries = fs::read_dir(apps).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort_by_key(|path| std::cmp::Reverse(built(path)));
    for old in found.iter().skip(APPS_KEPT) {
        remove(old);
    }
}

/// The error of writing there.
pub(crate) fn cannot_write(path: &Path) -> impl Fn(std::io::Error) -> BuildError + use<> {
    let path = path.to_owned();
    move |source| BuildError::Write {
        path: path.clone(),
        source,
    }
}

/// Short name of a thing that these inputs make.
pub(crate) fn key(inputs: &[&[u8]]) -> String {
    let mut all = Vec::new();
    for input in inputs {
        all.extend((input.len() as u64).to_le_bytes());
        all.extend(*input);
    }
    Digest::of(&all).to_string()[..16].to_owned()
}

fn remove(path: &Path) {
    // One of the two is right, and what cannot go is found when its name is needed.
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
}
