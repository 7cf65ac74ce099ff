//! The house rules that a program can check: crate edges, sizes, headers, leftovers, guests, paths.
//!
//! Owns the tests: each holds this repository to one of the [`rules`], which read sources as text.

mod rules;
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

use rules::{EDGES, File, SKIPPED, THIS_FOLDER};
use serde_json::Value;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository is there")
}

/// All text files of the repository. What vanishes meanwhile is some other test's.
fn repository() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
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
    let this = files.iter().any(|file| file.path.starts_with(THIS_FOLDER));
    assert!(this, "the repository is not as expected");
    files
}

#[track_caller]
fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn crates_know_only_those_below() {
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
        .output();
    let output = output.expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let count = metadata["packages"].as_array().map_or(0, Vec::len);
    assert_eq!(count, EDGES.len(), "crates of the workspace");
    none(&rules::edges(&metadata));
}

#[test]
fn files_say_what_they_own() {
    none(&rules::headers(&repository()));
}

#[test]
fn files_and_functions_are_small() {
    let files = repository();
    none(&[rules::file_sizes(&files), rules::function_sizes(&files)].concat());
}

#[test]
fn nothing_is_unfinished_or_switched_off() {
    none(&rules::leftovers(&repository()));
}

#[test]
fn unsafe_code_is_in_two_files() {
    none(&rules::unsafe_code(&repository()));
}

#[test]
fn every_guest_has_a_host_test() {
    let files = repository();
    assert!(
        files.iter().any(|file| rules::guest(&file.path).is_some()),
        "there are guests"
    );
    none(&rules::guests_without_test(&files));
}

#[test]
fn no_file_knows_a_machine_or_a_registry() {
    none(&rules::machine_names(&repository()));
}
