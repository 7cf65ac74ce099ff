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

/// The app's files, opened once a release and shared by its dynos.
#[derive(Clone)]
pub(crate) struct AppFiles(Dir);

impl AppFiles {
    /// Opens the folder into which a slug was unpacked.
    pub(crate) fn open(folder: &Path) -> std::io::Result<AppFiles> {
        let dir = Dir::new(File::open(folder)?, FsPerms::ReadOnly, OpenMode::READ, true);
        Ok(AppFiles(dir))
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
            quota: Arc::new(quota),
        }
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
            [self.app.0.clone(), self.app.0.clone()]
        });
        let mut push = |dir: &Dir, path: &str| {
            let resource = table.push(Descriptor::Dir(dir.clone()))?;
            wasmtime::error::Ok((resource, path.to_owned()))
        };
        Ok(vec![
            push(&self.app.0, "/")?,
            push(&tmp, "/tmp")?,
            push(&log, "/log")?,
        ])
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
        let mode = OpenMode::READ | OpenMode::WRITE;
        let make = |name: &str| {
            let path = self.home.join(name);
            std::fs::create_dir(&path)?;
            File::open(path).map(|file| Dir::new(file, FsPerms::ReadWrite, mode, true))
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
