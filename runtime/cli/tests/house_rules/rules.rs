//! The rules: each from files to violations, `FILE:LINE: what`.
//!
//! Must not know where the files come from.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::source::{Function, Kind, functions, line, literals, only, without_tests};

/// Lines of a file, at most.
const FILE_LINES_MAX: usize = 600;
/// Lines of the middle one of all files, at most.
const FILE_LINES_MEDIAN_MAX: usize = 150;
/// Lines of a function, at most, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines that nine functions of ten keep to.
const FUNCTION_LINES_P90_MAX: usize = 30;

/// Which crates of the workspace a crate may depend on.
pub(crate) const EDGES: [(&str, &[&str]); 11] = [
    ("grid", &[]),
    ("slugs", &["grid"]),
    ("exchange", &["grid"]),
    ("router", &["grid", "exchange", "testkit"]),
    ("dyno", &["grid", "exchange", "slugs", "testkit"]),
    ("control", &["grid", "slugs", "testkit"]),
    ("api", &["grid", "slugs", "control", "testkit"]),
    (
        "node",
        &[
            "grid", "exchange", "slugs", "router", "dyno", "control", "api", "testkit",
        ],
    ),
    (
        "cli",
        &[
            "grid", "slugs", "router", "dyno", "control", "api", "node", "testkit",
        ],
    ),
    ("testkit", &[]),
    ("benches", &["testkit"]),
];
/// All that the pure core may depend on, tests apart.
const GRID_NEEDS: [&str; 2] = ["serde", "thiserror"];
/// The only crate that knows the engine.
const ENGINE: (&str, &str) = ("wasmtime", "dyno");

/// The only files with `unsafe`: what loads native code, and the allocator.
const UNSAFE_FILES: [&str; 2] = [
    "runtime/dyno/src/code/compile.rs",
    "runtime/cli/src/alloc.rs",
];
/// These files, whose samples break the rules.
pub(crate) const THIS_FOLDER: &str = "runtime/cli/tests/house_rules/";
const GUESTS: &str = "runtime/dyno/tests/guests/";

/// Folders that no rule looks into: what tools make.
pub(crate) const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "__pycache__"];
/// Unfinished or switched off.
const LEFTOVERS: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
const NOTES: [&str; 2] = ["FIXME", "XXX"];
/// Paths of one machine.
const MACHINE_PATHS: [&str; 2] = ["/work/", "/root/"];
/// Hosts that package managers know by themselves, and that another machine may have to replace.
const REGISTRY_HOSTS: [&[&str]; 8] = [
    &["index", "crates", "io"],
    &["static", "crates", "io"],
    &["static", "rust-lang", "org"],
    &["registry", "npmjs", "org"],
    &["pypi", "org"],
    &["files", "pythonhosted", "org"],
    &["proxy", "golang", "org"],
    &["deb", "debian", "org"],
];

/// A text file, by its path from the root of the repository.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Crate edges, from the output of `cargo metadata --no-deps`.
pub(crate) fn edges(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let members: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("{manifest}:1: {name} is not in the list of crates"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let internal = members.contains(on);
            let engine = on.starts_with(ENGINE.0) && name != ENGINE.1;
            let impure =
                name == "grid" && dependency["kind"].is_null() && !GRID_NEEDS.contains(&on);
            if engine || (impure && !internal) || (internal && !allowed.contains(&on)) {
                let line = line_of_key(manifest, on);
                wrong.push(format!("{manifest}:{line}: {name} must not depend on {on}"));
            }
        }
    }
    wrong
}

/// Every Rust file says first what it owns.
pub(crate) fn headers(files: &[File]) -> Vec<String> {
    let without = files
        .iter()
        .filter(|file| is_rust(file) && !file.text.starts_with("//!"));
    without
        .map(|file| format!("{}:1: does not open with `//!`", file.path))
        .collect()
}

pub(crate) fn file_sizes(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut all = Vec::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        let lines = file.text.lines().count();
        if !is_test(&file.path) {
            all.push(lines);
        }
        if lines > FILE_LINES_MAX {
            let path = &file.path;
            wrong.push(format!(
                "{path}:{lines}: {lines} lines, of {FILE_LINES_MAX} at most"
            ));
        }
    }
    let median = rank(&mut all, 50);
    if median > FILE_LINES_MEDIAN_MAX {
        wrong.push(format!(
            ".:0: the median file has {median} lines, of {FILE_LINES_MEDIAN_MAX}"
        ));
    }
    wrong
}

/// Functions, tests apart.
pub(crate) fn function_sizes(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut all = Vec::new();
    for file in files
        .iter()
        .filter(|file| is_rust(file) && !is_test(&file.path))
    {
        for function in functions(&without_tests(&only(&file.text, Kind::Code))) {
            let Function { name, line, lines } = function;
            all.push(lines);
            if lines > FUNCTION_LINES_MAX {
                let path = &file.path;
                wrong.push(format!(
                    "{path}:{line}: fn {name} has {lines} lines, of {FUNCTION_LINES_MAX} at most"
                ));
            }
        }
    }
    let p90 = rank(&mut all, 90);
    if p90 > FUNCTION_LINES_P90_MAX {
        wrong.push(format!(
            ".:0: one function in ten has {p90} lines or more, of {FUNCTION_LINES_P90_MAX}"
        ));
    }
    wrong
}

pub(crate) fn leftovers(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        let (code, comments) = (
            only(&file.text, Kind::Code),
            only(&file.text, Kind::Comment),
        );
        let in_code = LEFTOVERS
            .iter()
            .flat_map(|word| found(&code, word, &file.path));
        let in_notes = NOTES
            .iter()
            .flat_map(|word| found(&comments, word, &file.path));
        wrong.extend(in_code.chain(in_notes));
    }
    wrong
}

pub(crate) fn unsafe_code(files: &[File]) -> Vec<String> {
    let rest = files
        .iter()
        .filter(|file| is_rust(file) && !UNSAFE_FILES.contains(&file.path.as_str()));
    rest.flat_map(|file| found(&only(&file.text, Kind::Code), "unsafe", &file.path))
        .collect()
}

/// Every guest program is named, as a string, in a test of the host or of the binary.
pub(crate) fn guests_without_test(files: &[File]) -> Vec<String> {
    let hosts = files.iter().filter(|file| is_host_test(&file.path));
    let named: BTreeSet<String> = hosts.flat_map(|file| literals(&file.text)).collect();
    let guests = files
        .iter()
        .filter_map(|file| Some((guest(&file.path)?, &file.path)));
    guests
        .filter(|(name, _)| !named.contains(*name))
        .map(|(name, path)| format!("{path}:1: no host test names the guest \"{name}\""))
        .collect()
}

pub(crate) fn machine_names(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files
        .iter()
        .filter(|file| !file.path.starts_with(THIS_FOLDER))
    {
        let hosts = REGISTRY_HOSTS.iter();
        wrong.extend(hosts.flat_map(|host| found(&file.text, &host.join("."), &file.path)));
        for path in MACHINE_PATHS {
            let starts = file.text.match_indices(path).map(|(at, _)| at);
            // After these the path goes on from elsewhere: it is not absolute.
            let goes_on = |c: char| c.is_alphanumeric() || "._-/}>)*~$".contains(c);
            let absolute = starts.filter(|at| !file.text[..*at].ends_with(goes_on));
            wrong.extend(absolute.map(|at| violation(&file.text, at, &file.path, path)));
        }
    }
    wrong
}

fn is_rust(file: &File) -> bool {
    file.path.ends_with(".rs")
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.starts_with("tests/") || path.contains("/tests/")
}

fn is_host_test(path: &str) -> bool {
    let folders = ["runtime/dyno/tests/", "runtime/cli/tests/"];
    path.ends_with(".rs")
        && folders.iter().any(|folder| path.starts_with(folder))
        && !path.starts_with(GUESTS)
        && !path.starts_with(THIS_FOLDER)
}

/// The name of the guest whose program a file is.
pub(crate) fn guest(path: &str) -> Option<&str> {
    let path = path.strip_prefix(GUESTS)?;
    if let Some(text) = path.strip_prefix("wat/") {
        return text.strip_suffix(".wat");
    }
    let program = path
        .strip_prefix("p2/src/bin/")
        .or_else(|| path.strip_prefix("p3/src/bin/"))?;
    let single = program
        .strip_suffix(".rs")
        .filter(|name| !name.contains('/'));
    single.or_else(|| program.strip_suffix("/main.rs"))
}

/// Where a word occurs: not as a part of a longer one.
fn found(text: &str, word: &str, path: &str) -> Vec<String> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let longer = |at: usize| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let head = word.starts_with(part) && before.ends_with(part);
        head || (word.ends_with(part) && after.starts_with(part))
    };
    let whole = text.match_indices(word).filter(|(at, _)| !longer(*at));
    whole
        .map(|(at, _)| violation(text, at, path, word))
        .collect()
}

fn violation(text: &str, at: usize, path: &str, what: &str) -> String {
    format!("{path}:{}: `{what}`", line(text, at))
}

/// The line of a Cargo.toml that sets a key; 1 if it cannot be told.
fn line_of_key(manifest: &str, key: &str) -> usize {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let sets = |line: &str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    text.lines().position(sets).map_or(1, |index| index + 1)
}

/// The value that so many per cent of all do not exceed; 0 of none.
fn rank(values: &mut [usize], per_cent: usize) -> usize {
    values.sort_unstable();
    let index = (values.len() * per_cent).div_ceil(100).saturating_sub(1);
    values.get(index).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
