//! Folders that tests know: the repository, cargo's output, and the place for files of tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's folder.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// The folder in which cargo put the running test's profile: binaries, and `deps` with the tests.
pub(crate) fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let deps = test.parent().filter(|folder| folder.ends_with("deps"));
    let deps = deps.unwrap_or_else(|| panic!("{} is no test built by cargo", test.display()));
    deps.parent().unwrap().to_owned()
}

/// The folder that tests may write to: `target/tmp`. It outlives them.
pub fn scratch_folder() -> PathBuf {
    let folder = profile_folder().parent().unwrap().join("tmp");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Names in a folder, sorted; none if there is no such folder.
pub fn file_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Sources, without what a build left.
pub(crate) fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "target" {
            continue;
        } else if path.is_dir() {
            copy_sources(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}
