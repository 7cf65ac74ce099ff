//! App folders: a demo around a test guest, and copies of the examples.

use std::fs::{self, File};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::command::{dyno, fails};
use crate::folders::{copy, names, root, scratch};
use crate::guests::guest;
use crate::process::Local;

/// An app named `demo`: a folder with a ready component and what a test adds.
pub struct Demo {
    folder: TempDir,
}

impl Demo {
    /// With a test guest as `app.wasm`.
    pub fn of(name: &str) -> Demo {
        let demo = Demo::empty();
        demo.put(name);
        demo
    }

    /// Without any file.
    pub fn empty() -> Demo {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        fs::create_dir(folder.path().join("demo")).unwrap();
        Demo { folder }
    }

    /// The app's folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Makes `app.wasm` another test guest.
    pub fn put(&self, name: &str) {
        fs::copy(guest(name), self.file("app.wasm")).unwrap();
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> &Demo {
        fs::write(self.file(name), text).unwrap();
        self
    }

    /// `dyno local` with further arguments, until it says where it is.
    pub fn start(&self, args: &[&str]) -> Local {
        Local::start(&self.path(), args)
    }

    /// `dyno local` that is expected to fail: its error output. Exit code 1.
    pub fn fails(&self, args: &[&str]) -> String {
        fails(
            dyno()
                .arg("local")
                .arg(self.path())
                .args(["-p", "0"])
                .args(args),
        )
    }
}

/// An app of `examples`, copied. Its folder is always the same one, so that only the first test ever has to build all.
pub struct Example {
    /// The app's folder.
    pub path: PathBuf,
    _lock: File,
}

impl Example {
    /// The example as it is in the repository; waits for other tests that use it.
    pub fn copy(name: &str) -> Example {
        let place = scratch().join("apps");
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
        copy(&root().join("examples").join(name), &path);
        Example { path, _lock: lock }
    }

    /// Names of the files right in the folder.
    pub fn files(&self) -> Vec<String> {
        names(&self.path)
    }
}
