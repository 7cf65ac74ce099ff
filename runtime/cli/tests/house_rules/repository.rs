//! The repository as the rules see it: its text files, and cargo's metadata of its crates.
//!
//! Must not know the rules.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder of the house rules. Its samples break rules, so some rules ignore the folder.
pub(crate) const THIS_FOLDER: &str = "runtime/cli/tests/house_rules/";
/// Folders made by tools, which no rule reads.
const SKIPPED_FOLDERS: [&str; 4] = ["target", ".git", "node_modules", "__pycache__"];

/// A text file, with its path from the root of the repository.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the file is compiled for tests only.
    pub(crate) fn is_test(&self) -> bool {
        let path = &self.path;
        path.ends_with("tests.rs") || path.starts_with("tests/") || path.contains("/tests/")
    }
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository is there")
}

/// Reads all text files of the repository. Files that vanish meanwhile belong to another test, and are skipped.
pub(crate) fn read_files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if SKIPPED_FOLDERS
                .iter()
                .any(|name| entry.file_name() == *name)
            {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let path = path.strip_prefix(&root).expect("a path inside");
                let path = path.to_string_lossy().into_owned();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    let complete = files.iter().any(|file| file.path.starts_with(THIS_FOLDER));
    assert!(complete, "the house rules did not find their own folder");
    files
}

/// A crate of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// The crate's folder, from the root of the repository.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    Normal,
    Development,
    Build,
}

/// Asks cargo for the crates of the workspace.
pub(crate) fn read_packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ];
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|value| package(value, &root()))
        .collect()
}

fn package(value: &Value, root: &Path) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let manifest = PathBuf::from(text(&value["manifest_path"]));
    let folder = manifest.parent().expect("a folder");
    let folder = folder.strip_prefix(root).expect("a folder inside");
    let dependencies = value["dependencies"].as_array().into_iter().flatten();
    let dependencies = dependencies.map(|dependency| Dependency {
        name: text(&dependency["name"]),
        kind: match dependency["kind"].as_str() {
            Some("dev") => DependencyKind::Development,
            Some("build") => DependencyKind::Build,
            _ => DependencyKind::Normal,
        },
    });
    Package {
        name: text(&value["name"]),
        folder: folder.to_string_lossy().into_owned(),
        dependencies: dependencies.collect(),
    }
}
