//! What a dyno sees of the disk: the app's files at `/`, its own `./tmp` and `./log`.
//!
//! The two folders are made when the guest first asks for its folders (most requests never do) and
//! removed with the dyno. Knows nothing of requests; the WASI side is in `files_p2` and `files_p3`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::quota::Quota;

/// The folders that each dyno has for itself, under the names the guest knows.
const OWN_FOLDERS: [&str; 2] = ["tmp", "log"];

/// A folder of this machine that a program is handed beside its own, to read and to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where it is here.
    pub host: PathBuf,
    /// The absolute path by which the program knows it.
    pub guest: String,
}

/// The app's files, opened once a release and shared by its dynos.
#[derive(Clone)]
pub(crate) struct AppFiles {
    dir: Dir,
    path: Arc<Path>,
}

impl AppFiles {
    /// Opens the folder into which a slug was unpacked.
    pub(crate) fn open(folder: &Path) -> std::io::Result<AppFiles> {
        let dir = Dir::new(File::open(folder)?, FsPerms::ReadOnly, OpenMode::READ, true);
        let path = folder.into();
        Ok(AppFiles { dir, path })
    }
}

/// The folders of one dyno.
pub(crate) struct Files {
    app: AppFiles,
    /// Where `tmp` and `log` are made.
    home: PathBuf,
    made: Option<[Dir; 2]>,
    /// Why the two could not be made, if they could not.
    missing: Option<String>,
    /// What it has beside them.
    more: Vec<Folder>,
    pub(crate) quota: Arc<Quota>,
}

impl Files {
    /// `home` is a path that does not exist yet and belongs to this dyno alone.
    pub(crate) fn new(app: AppFiles, home: PathBuf, quota: Quota) -> Files {
        Files {
            app,
            home,
            made: None,
            missing: None,
            more: Vec::new(),
            quota: Arc::new(quota),
        }
    }

    /// Gives the guest more folders of this machine. With any, nothing is counted: what is in there is not ours.
    pub(crate) fn with(mut self, more: Vec<Folder>) -> Files {
        if !more.is_empty() {
            self.quota = Arc::new(Quota::new(u64::MAX, u64::MAX, || {}));
        }
        self.more = more;
        self
    }

    /// The folders as paths of this machine, with the paths a guest knows them by and what it may do there; made now.
    pub(crate) fn folders(&mut self) -> std::io::Result<Vec<(PathBuf, String, FsPerms)>> {
        self.own()?;
        let app = (
            self.app.path.to_path_buf(),
            "/".to_owned(),
            FsPerms::ReadOnly,
        );
        let own = OWN_FOLDERS.map(|name| {
            let path = self.home.join(name);
            (path, format!("/{name}"), FsPerms::ReadWrite)
        });
        let more = self.more.iter().map(|folder| {
            let Folder { host, guest } = folder.clone();
            (host, guest, FsPerms::ReadWrite)
        });
        Ok(std::iter::once(app).chain(own).chain(more).collect())
    }

    /// The folders a guest is handed, with the paths it knows them by.
    pub(crate) fn preopens(
        &mut self,
        table: &mut ResourceTable,
    ) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let [tmp, log] = self.own().unwrap_or_else(|error| {
            // A disk that fails is the guest's to hear of, by what writing gives, and no reason to end it:
            // the app's folder takes nothing in.
            self.missing = Some(error.to_string());
            [self.app.dir.clone(), self.app.dir.clone()]
        });
        let mut more = Vec::new();
        for folder in &self.more {
            more.push((open(&folder.host)?, folder.guest.as_str()));
        }
        let mut push = |dir: &Dir, path: &str| {
            let resource = table.push(Descriptor::Dir(dir.clone()))?;
            wasmtime::error::Ok((resource, path.to_owned()))
        };
        let own = [(&self.app.dir, "/"), (&tmp, "/tmp"), (&log, "/log")];
        let more = more.iter().map(|(dir, path)| (dir, *path));
        own.into_iter()
            .chain(more)
            .map(|(dir, path)| push(dir, path))
            .collect()
    }

    /// Why the guest has no folders to write to, if it asked for them and they could not be made.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    fn own(&mut self) -> std::io::Result<[Dir; 2]> {
        if let Some(made) = &self.made {
            return Ok(made.clone());
        }
        std::fs::create_dir_all(&self.home)?;
        let make = |name: &str| {
            let path = self.home.join(name);
            std::fs::create_dir(&path)?;
            open(&path)
        };
        let made = make(OWN_FOLDERS[0]).and_then(|tmp| Ok([tmp, make(OWN_FOLDERS[1])?]));
        match &made {
            Ok(made) => self.made = Some(made.clone()),
            // Half of them would be in the way of the next attempt.
            Err(_) => drop(std::fs::remove_dir_all(&self.home)),
        }
        made
    }
}

/// A folder to read and to write.
fn open(path: &Path) -> std::io::Result<Dir> {
    let mode = OpenMode::READ | OpenMode::WRITE;
    File::open(path).map(|file| Dir::new(file, FsPerms::ReadWrite, mode, true))
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.made.is_none() {
            return;
        }
        // The place is free at once, for a next instance of the same dyno.
        static GONE: AtomicU64 = AtomicU64::new(0);
        let mut gone = std::mem::take(&mut self.home);
        let home = gone.clone();
        gone.as_mut_os_string()
            .push(format!(".gone-{}", GONE.fetch_add(1, Ordering::Relaxed)));
        let gone = if std::fs::rename(&home, &gone).is_ok() {
            gone
        } else {
            home
        };
        let remove = move || drop(std::fs::remove_dir_all(gone));
        // A dyno may leave ten thousand files; whoever drops it should not wait for that.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
