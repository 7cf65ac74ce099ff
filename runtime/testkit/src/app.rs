//! App folders: a demo around a test guest, and copies of the examples.
//!
//! Must not know what the apps do.

use std::fs::{self, File};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::command::{dyno_command, error_of, run_command};
use crate::folders::{copy_sources, file_names, repository, scratch_folder};
use crate::guests::guest_path;
use crate::process::DynoProcess;

/// An app named `demo`: a temporary folder with a built component and the files that a test adds.
pub struct DemoApp {
    folder: TempDir,
}

impl Default for DemoApp {
    fn default() -> DemoApp {
        DemoApp::new()
    }
}

impl DemoApp {
    /// Makes a folder with a test guest as `app.wasm`.
    pub fn from_guest(name: &str) -> DemoApp {
        let demo = DemoApp::new();
        demo.replace_component(name);
        demo
    }

    /// Makes a folder without files.
    pub fn new() -> DemoApp {
        let folder = tempfile::tempdir_in(scratch_folder()).unwrap();
        fs::create_dir(folder.path().join("demo")).unwrap();
        DemoApp { folder }
    }

    /// The app's folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    /// The path of a file in it.
    pub fn file_path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Replaces `app.wasm` by another test guest.
    pub fn replace_component(&self, name: &str) {
        fs::copy(guest_path(name), self.file_path("app.wasm")).unwrap();
    }

    /// Writes a file.
    pub fn write_file(&self, name: &str, text: &str) -> &DemoApp {
        fs::write(self.file_path(name), text).unwrap();
        self
    }

    /// Runs `dyno local` with further arguments, and waits for its URL.
    pub fn start_local(&self, args: &[&str]) -> DynoProcess {
        DynoProcess::start_local(&self.folder(), args)
    }

    /// Runs `dyno local`, which must fail with exit code 1, and gives its stderr.
    pub fn local_error(&self, args: &[&str]) -> String {
        error_of(
            dyno_command()
                .arg("local")
                .arg(self.folder())
                .args(["-p", "0"])
                .args(args),
        )
    }
}

/// A copy of an app of `examples`. All tests of an example have the same folder, with what the build before left in
/// `target`, so that only the first test compiles everything. Other tests wait until the value is dropped; drop it as soon
/// as the app is built and runs.
pub struct ExampleApp {
    /// The app's folder.
    pub folder: PathBuf,
    _lock: File,
}

impl ExampleApp {
    /// Copies the example from the repository, after other tests have dropped theirs.
    pub fn copy_from_repository(name: &str) -> ExampleApp {
        let place = scratch_folder().join("apps");
        fs::create_dir_all(&place).unwrap();
        let lock = File::create(place.join(format!("{name}.lock"))).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        let path = place.join(name);
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.file_name() != "target" {
                let path = entry.path();
                fs::remove_dir_all(&path)
                    .or_else(|_| fs::remove_file(&path))
                    .unwrap();
            }
        }
        copy_sources(&repository().join("examples").join(name), &path);
        ExampleApp {
            folder: path,
            _lock: lock,
        }
    }

    /// Names of the files right in the folder.
    pub fn file_names(&self) -> Vec<String> {
        file_names(&self.folder)
    }

    /// Builds the app without a limit of time, since that may install a toolchain; then runs it by `dyno local`, and lets
    /// other tests have the folder.
    pub fn build_and_start(self) -> DynoProcess {
        let slug = self.folder.with_extension("slug");
        let mut build = dyno_command();
        build.arg("build").arg(&self.folder).arg("-o").arg(slug);
        run_command(&mut build).success();
        DynoProcess::start_local(&self.folder, &[])
    }
}
