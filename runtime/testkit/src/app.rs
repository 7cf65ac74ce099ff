//! App folders: a demo around a test guest, and copies of the examples.

use std::fs::{self, File};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::command::{dyno_command, error_of};
use crate::folders::{copy_sources, file_names, repository, scratch_folder};
use crate::guests::guest_path;
use crate::process::DynoProcess;

/// An app named `demo`: a folder with a ready component and what a test adds.
pub struct DemoApp {
    folder: TempDir,
}

impl DemoApp {
    /// With a test guest as `app.wasm`.
    pub fn from_guest(name: &str) -> DemoApp {
        let demo = DemoApp::new();
        demo.replace_component(name);
        demo
    }

    /// Without any file.
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

    /// Makes `app.wasm` another test guest.
    pub fn replace_component(&self, name: &str) {
        fs::copy(guest_path(name), self.file_path("app.wasm")).unwrap();
    }

    /// Writes a file.
    pub fn write_file(&self, name: &str, text: &str) -> &DemoApp {
        fs::write(self.file_path(name), text).unwrap();
        self
    }

    /// `dyno local` with further arguments, until it says where it is.
    pub fn start_local(&self, args: &[&str]) -> DynoProcess {
        DynoProcess::start_local(&self.folder(), args)
    }

    /// `dyno local` that is expected to fail: its error output. Exit code 1.
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

/// An app of `examples`, copied. Its folder is always the same one, so that only the first test ever has to build all.
pub struct ExampleApp {
    /// The app's folder.
    pub folder: PathBuf,
    _lock: File,
}

impl ExampleApp {
    /// The example as it is in the repository; waits for other tests that use it.
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
}
