//! Rules about sizes: lines of a file and of a function, files of a folder.

use std::collections::BTreeMap;

use crate::repository::File;
use crate::source::{Function, Kind, functions, only, without_tests};

/// Maximum lines of a file.
const FILE_LINES_MAX: usize = 600;
/// Maximum median of lines over all production files.
const FILE_LINES_MEDIAN_MAX: usize = 150;
/// Maximum lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Maximum 90th percentile of lines over all production functions.
const FUNCTION_LINES_P90_MAX: usize = 30;
/// Maximum number of Rust files in a folder.
const FOLDER_FILES_MAX: usize = 15;
/// Folders that may have more files: cargo finds programs there, and each guest is a program of one file.
const FOLDERS_OF_PROGRAMS: [&str; 2] = [
    "runtime/dyno/tests/guests/p2/src/bin",
    "runtime/dyno/tests/guests/p3/src/bin",
];

/// Finds files that are too long, including tests, and a median of production files that is too high.
pub(crate) fn long_files(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut production = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let (path, lines) = (&file.path, file.text.lines().count());
        if !file.is_test() {
            production.push(lines);
        }
        if lines > FILE_LINES_MAX {
            violations.push(format!(
                "{path}:{lines}: {lines} lines, of {FILE_LINES_MAX} at most: split the file"
            ));
        }
    }
    let median = percentile(&mut production, 50);
    if median > FILE_LINES_MEDIAN_MAX {
        violations.push(format!(
            ".:0: the median file has {median} lines, of {FILE_LINES_MEDIAN_MAX} at most: split the long ones"
        ));
    }
    violations
}

/// Finds functions that are too long, including tests, and a 90th percentile of production functions that is too high.
pub(crate) fn long_functions(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut production = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let code = only(&file.text, Kind::Code);
        for Function { name, line, lines } in functions(&code) {
            if lines > FUNCTION_LINES_MAX {
                let path = &file.path;
                violations.push(format!(
                    "{path}:{line}: fn {name} has {lines} lines, of {FUNCTION_LINES_MAX} at most: split it"
                ));
            }
        }
        if !file.is_test() {
            let functions = functions(&without_tests(&code));
            production.extend(functions.iter().map(|function| function.lines));
        }
    }
    let p90 = percentile(&mut production, 90);
    if p90 > FUNCTION_LINES_P90_MAX {
        violations.push(format!(
            ".:0: one function in ten has {p90} lines or more, of {FUNCTION_LINES_P90_MAX} at most: split the long ones"
        ));
    }
    violations
}

/// Finds folders that directly contain too many Rust files.
pub(crate) fn full_folders(files: &[File]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let folder = file.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        *counts.entry(folder).or_default() += 1;
    }
    let full = counts.into_iter().filter(|(folder, count)| {
        *count > FOLDER_FILES_MAX && !FOLDERS_OF_PROGRAMS.contains(folder)
    });
    full.map(|(folder, count)| {
        format!("{folder}:0: {count} Rust files, of {FOLDER_FILES_MAX} at most: make folders of those that belong together")
    })
    .collect()
}

/// The percentile of some values; 0 if there are none.
fn percentile(values: &mut [usize], per_cent: usize) -> usize {
    values.sort_unstable();
    let index = (values.len() * per_cent).div_ceil(100).saturating_sub(1);
    values.get(index).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: impl Into<String>) -> [File; 1] {
        let (path, text) = (path.to_owned(), text.into());
        [File { path, text }]
    }

    #[test]
    fn long_files_are_found() {
        let lines = "//!\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(long_files(&file("a/tests/x.rs", &*lines)).len(), 1);
        let found = long_files(&file("a/src/x.rs", lines));
        assert_eq!(found.len(), 2, "and so the median: {found:?}");
        assert_eq!(
            long_files(&file("a/src/x.rs", "//!\n".repeat(FILE_LINES_MEDIAN_MAX))),
            [""; 0]
        );
    }

    #[test]
    fn long_functions_are_found_in_tests_too() {
        let function =
            |lines: usize| format!("fn long() {{\n{}}}\n", "    a();\n".repeat(lines - 2));
        let long = function(FUNCTION_LINES_MAX + 1);
        let found = long_functions(&file("a/src/lib.rs", &*long));
        assert_eq!(found.len(), 2, "and so the 90th percentile: {found:?}");
        let first = "a/src/lib.rs:1: fn long has 71 lines, of 70 at most: split it";
        assert_eq!(found[0], first);
        assert_eq!(long_functions(&file("a/tests/x.rs", &*long)).len(), 1);
        let test = format!("#[cfg(test)]\nmod tests {{ {long} }}\n");
        assert_eq!(long_functions(&file("a/src/lib.rs", test)).len(), 1);
        assert_eq!(
            long_functions(&file("a/tests/x.rs", function(FUNCTION_LINES_MAX))),
            [""; 0]
        );
    }

    #[test]
    fn full_folders_are_found() {
        let fill = |folder: &str, count: usize| -> Vec<File> {
            let names = (0..count).map(|at| format!("{folder}/f{at}.rs"));
            names.flat_map(|path| file(&path, "")).collect()
        };
        let mut files = fill("a/src", FOLDER_FILES_MAX);
        files.extend(fill("a/src/b", 1));
        files.extend(fill(FOLDERS_OF_PROGRAMS[0], FOLDER_FILES_MAX + 1));
        assert_eq!(full_folders(&files), [""; 0]);
        files.extend(file("a/src/one_more.rs", ""));
        let found = full_folders(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a/src:0: 16 Rust files"), "{found:?}");
    }
}
