//! Home folders for one command each, and what a run leaves in them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::command::dyno_command;
use crate::folders::{file_names, scratch_folder};

/// A home with nothing in it, for one command.
pub struct HomeFolder {
    folder: TempDir,
}

impl HomeFolder {
    /// An empty one, which is removed with the value.
    pub fn new() -> HomeFolder {
        let folder = tempfile::tempdir_in(scratch_folder()).unwrap();
        for name in ["home", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        HomeFolder { folder }
    }

    /// Its folder: `HOME`.
    pub fn folder_path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where the binary keeps its cache in it.
    pub fn cache_folder(&self) -> PathBuf {
        self.folder_path().join(".cache/dyno")
    }

    /// The binary in this home. Rust's own folders stay where they are: a build needs them.
    pub fn dyno_command(&self) -> Command {
        let own = std::env::var_os("HOME")
            .map(PathBuf::from)
            .unwrap_or_default();
        let of = |name, or| std::env::var_os(name).map_or_else(|| own.join(or), PathBuf::from);
        let mut command = dyno_command();
        command
            .env("CARGO_HOME", of("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", of("RUSTUP_HOME", ".rustup"))
            .env("HOME", self.folder_path())
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
        assert_eq!(file_names(&self.folder_path()), [".cache"]);
        assert_eq!(file_names(&self.folder_path().join(".cache")), ["dyno"]);
        let cache = file_names(&self.cache_folder());
        assert!(
            cache.iter().all(|name| name == "compiled" || name == "run"),
            "{cache:?}"
        );
        assert_eq!(file_names(&self.cache_folder().join("run")), [""; 0]);
        let unfinished = file_names(&self.cache_folder().join("compiled"));
        assert!(
            unfinished.iter().all(|name| !name.starts_with('.')),
            "{unfinished:?}"
        );
        assert_eq!(file_names(&self.folder.path().join("tmp")), [""; 0]);
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
        let home = self.folder_path().to_string_lossy().into_owned();
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

impl Default for HomeFolder {
    fn default() -> HomeFolder {
        HomeFolder::new()
    }
}
