//! Folders that the tests run apps in, and what is left of a run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::support::{Local, dyno, guest, root, scratch};

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

    pub fn empty() -> Demo {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        fs::create_dir(folder.path().join("demo")).unwrap();
        Demo { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Makes `app.wasm` another test guest.
    pub fn put(&self, name: &str) {
        fs::copy(guest(name), self.file("app.wasm")).unwrap();
    }

    pub fn write(&self, name: &str, text: &str) -> &Demo {
        fs::write(self.file(name), text).unwrap();
        self
    }

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

/// Runs a command that must end with exit code 1, and gives what it wrote to stderr.
pub fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error: "), "{text}");
    text
}

/// An app of `examples`, copied. Its folder is always the same one, so that only the first test ever has to build all.
pub struct Example {
    pub path: PathBuf,
    _lock: File,
}

impl Example {
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

/// Sources, without what a build left.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "target" {
            continue;
        } else if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

/// Names in a folder, sorted; none if there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A home with nothing in it, for one command.
pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Home {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        for name in ["home", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Home { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn cache(&self) -> PathBuf {
        self.path().join(".cache/dyno")
    }

    /// The binary in this home. Rust's own folders stay where they are: a build needs them.
    pub fn dyno(&self) -> Command {
        let own = std::env::var_os("HOME")
            .map(PathBuf::from)
            .unwrap_or_default();
        let of = |name, or| std::env::var_os(name).map_or_else(|| own.join(or), PathBuf::from);
        let mut command = dyno();
        command
            .env("CARGO_HOME", of("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", of("RUSTUP_HOME", ".rustup"))
            .env("HOME", self.path())
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env_remove("CARGO_TARGET_DIR");
        for name in ["CACHE", "CONFIG", "DATA", "STATE"] {
            command.env_remove(format!("XDG_{name}_HOME"));
        }
        command.env_remove("XDG_RUNTIME_DIR");
        command
    }

    /// Nothing is in this home but the cache, with nothing of a run in it, and no process knows the home.
    pub fn assert_clean(&self) {
        assert_eq!(names(&self.path()), [".cache"]);
        assert_eq!(names(&self.path().join(".cache")), ["dyno"]);
        let cache = names(&self.cache());
        assert!(
            cache.iter().all(|name| name == "compiled" || name == "run"),
            "{cache:?}"
        );
        assert_eq!(names(&self.cache().join("run")), [""; 0]);
        let unfinished = names(&self.cache().join("compiled"));
        assert!(
            unfinished.iter().all(|name| !name.starts_with('.')),
            "{unfinished:?}"
        );
        assert_eq!(names(&self.folder.path().join("tmp")), [""; 0]);
        self.assert_no_process();
    }

    /// No process was started with this home, or is told of a file in it. What was told to end may take a moment.
    pub fn assert_no_process(&self) {
        let mut left = self.processes();
        for _ in 0..100 {
            if left.is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            left = self.processes();
        }
        panic!("still running: {left:?}");
    }

    fn processes(&self) -> Vec<String> {
        let home = self.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
            let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            let environment = String::from_utf8_lossy(&read("environ")).into_owned();
            if command.contains(&home) || environment.contains(&home) {
                found.push(command);
            }
        }
        found
    }
}
