//! Rules about the text of single files: headers, leftovers, `unsafe`, module files, machines, guests.

use std::collections::BTreeSet;

use crate::repository::{File, THIS_FOLDER};
use crate::source::{Kind, line, literals, only, words};

/// The only files that may use `unsafe`: the loader of native code, and the allocator.
const UNSAFE_FILES: [&str; 2] = [
    "runtime/dyno/src/code/compile.rs",
    "runtime/cli/src/alloc.rs",
];
/// The sources of a guest that may use `unsafe`: they link two modules by pointers, and run in a dyno's sandbox.
const UNSAFE_GUEST: &str = "slugs/ruby/src/";
/// Marks of unfinished or disabled code.
const LEFTOVERS: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
/// Marks of unfinished code in comments.
const NOTES: [&str; 2] = ["FIXME", "XXX"];
/// Absolute paths of single machines.
const MACHINE_PATHS: [&str; 2] = ["/work/", "/root/"];
/// Registry hosts, which belong in the settings of package managers, where other machines can replace them.
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
/// The folder of the guest programs.
const GUESTS: &str = "runtime/dyno/tests/guests/";

/// Finds Rust files without a header comment.
pub(crate) fn missing_headers(files: &[File]) -> Vec<String> {
    let without = files
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//!"));
    without
        .map(|file| {
            let path = &file.path;
            format!("{path}:1: does not open with `//!`: say what the file owns, and what it must not know")
        })
        .collect()
}

/// Finds marks of unfinished or disabled code.
pub(crate) fn leftovers(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (kind, leftovers) in [(Kind::Code, &LEFTOVERS[..]), (Kind::Comment, &NOTES[..])] {
            let text = only(&file.text, kind);
            for word in leftovers {
                let found = places(&text, word, &file.path);
                violations.extend(
                    found.map(|place| format!("{place}: `{word}`: finish it, or take it out")),
                );
            }
        }
    }
    violations
}

/// Finds `unsafe` outside of [`UNSAFE_FILES`] and [`UNSAFE_GUEST`].
pub(crate) fn unsafe_code(files: &[File]) -> Vec<String> {
    let may_have = |path: &str| UNSAFE_FILES.contains(&path) || path.starts_with(UNSAFE_GUEST);
    let others = files
        .iter()
        .filter(|file| file.is_rust() && !may_have(&file.path));
    let mut violations = Vec::new();
    for file in others {
        let code = only(&file.text, Kind::Code);
        let found = places(&code, "unsafe", &file.path);
        violations.extend(found.map(|place| {
            format!(
                "{place}: `unsafe`: use a library with a safe interface; only {} may have it",
                UNSAFE_FILES.join(" and ")
            )
        }));
    }
    violations
}

/// Finds modules included from another folder, and `mod.rs` files.
pub(crate) fn misplaced_modules(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let path = &file.path;
        if let Some(folder) = path.strip_suffix("/mod.rs") {
            violations.push(format!(
                "{path}:1: move it to `{folder}.rs`, beside its folder"
            ));
        }
        let code = only(&file.text, Kind::Code);
        for mark in ["#[path", "include!"] {
            for (at, _) in code.match_indices(mark) {
                let given = literals(&file.text[at..])
                    .into_iter()
                    .next()
                    .unwrap_or_default();
                if given.contains('/') {
                    let line = line(&code, at);
                    violations.push(format!(
                        "{path}:{line}: `{mark}` takes \"{given}\" from another folder: share it by a crate, or by a module of this crate"
                    ));
                }
            }
        }
    }
    violations
}

/// Finds guest programs that no test of the host or of the binary names.
pub(crate) fn guests_without_test(files: &[File]) -> Vec<String> {
    let tests = files.iter().filter(|file| is_host_test(file));
    let named: BTreeSet<String> = tests
        .flat_map(|file| literals(&file.text))
        .map(|text| guest_name_of(&text).to_owned())
        .collect();
    let guests = files
        .iter()
        .filter_map(|file| Some((guest(&file.path)?, &file.path)));
    guests
        .filter(|(name, _)| !named.contains(*name))
        .map(|(name, path)| {
            format!("{path}:1: no host test names the guest \"{name}\": write one in runtime/dyno/tests or runtime/cli/tests")
        })
        .collect()
}

fn is_host_test(file: &File) -> bool {
    let path = &file.path;
    let folders = ["runtime/dyno/tests/", "runtime/cli/tests/"];
    file.is_rust()
        && folders.iter().any(|folder| path.starts_with(folder))
        && !path.starts_with(GUESTS)
        && !path.starts_with(THIS_FOLDER)
}

/// The guest named by a literal, which is the name or a file path.
fn guest_name_of(literal: &str) -> &str {
    let name = literal.rsplit('/').next().unwrap_or(literal);
    let bare = name.strip_suffix(".wat");
    bare.or_else(|| name.strip_suffix(".wasm")).unwrap_or(name)
}

/// The name of the guest whose source is the file at `path`.
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

/// Finds absolute paths of single machines, and hosts of package registries.
pub(crate) fn machine_names(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files
        .iter()
        .filter(|file| !file.path.starts_with(THIS_FOLDER))
    {
        for host in REGISTRY_HOSTS.map(|labels| labels.join(".")) {
            let found = places(&file.text, &host, &file.path);
            violations.extend(found.map(|place| {
                format!(
                    "{place}: `{host}`: leave the registry to the package manager's own settings"
                )
            }));
        }
        for path in MACHINE_PATHS {
            let starts = file.text.match_indices(path).map(|(at, _)| at);
            // After one of these characters, the text is the middle of a longer path, which is not absolute.
            let goes_on = |c: char| c.is_alphanumeric() || "._-/}>)*~$".contains(c);
            let absolute = starts.filter(|at| !file.text[..*at].ends_with(goes_on));
            violations.extend(absolute.map(|at| {
                let line = line(&file.text, at);
                format!(
                    "{}:{line}: `{path}` is a path of one machine: find the folder at run time",
                    file.path
                )
            }));
        }
    }
    violations
}

/// The places of a word, as `FILE:LINE`.
fn places<'a>(text: &'a str, word: &'a str, path: &'a str) -> impl Iterator<Item = String> + 'a {
    words(text, word).map(move |at| format!("{path}:{}", line(text, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: impl Into<String>) -> [File; 1] {
        let (path, text) = (path.to_owned(), text.into());
        [File { path, text }]
    }

    #[test]
    fn leftovers_and_missing_headers_are_found() {
        let source = "// XXX\nfn f() { todo!() }\n#[ignore = \"slow\"]\n/* FIXME: */ let s = \"dbg!(XXX)\"; my_todo!()";
        assert_eq!(leftovers(&file("a.rs", source)).len(), 4);
        assert_eq!(leftovers(&file("a.sh", source)), [""; 0]);
        let found = missing_headers(&file("a.rs", source));
        assert!(found[0].starts_with("a.rs:1: does not open with `//!`"));
        assert_eq!(missing_headers(&file("a.rs", "//! Owns a.\n")), [""; 0]);
    }

    #[test]
    fn unsafe_code_outside_two_files_is_found() {
        let source = "// unsafe\n#![deny(unsafe_code)]\nunsafe { f() }";
        let found = unsafe_code(&file("a.rs", source));
        assert!(
            found.len() == 1 && found[0].starts_with("a.rs:3: `unsafe`"),
            "{found:?}"
        );
        assert_eq!(unsafe_code(&file(UNSAFE_FILES[0], source)), [""; 0]);
    }

    #[test]
    fn modules_from_other_folders_are_found() {
        let attribute = |path: &str| format!("#[path = \"{path}\"]\nmod a;\n");
        let found = misplaced_modules(&file("a/tests/x.rs", attribute("../support/y.rs")));
        assert!(
            found.len() == 1 && found[0].starts_with("a/tests/x.rs:1: `#[path`"),
            "{found:?}"
        );
        assert_eq!(
            misplaced_modules(&file("a/x.rs", "//\ninclude!(\"y/z.rs\");")).len(),
            1
        );
        assert_eq!(misplaced_modules(&file("a/mod.rs", "")).len(), 1);
        let sound = format!(
            "{}// #[path = \"../y.rs\"]\ninclude_str!(\"../y.txt\")",
            attribute("x_tests.rs")
        );
        assert_eq!(misplaced_modules(&file("a/x.rs", sound)), [""; 0]);
    }

    #[test]
    fn guests_without_a_test_are_found() {
        let guests = [
            "p2/src/bin/spin.rs",
            "p2/src/bin/good/main.rs",
            "p2/src/bin/good/a.rs",
            "wat/b.wat",
        ];
        let mut files: Vec<File> = guests
            .iter()
            .flat_map(|path| file(&format!("{GUESTS}{path}"), ""))
            .collect();
        assert_eq!(guests_without_test(&files).len(), 3);
        files.extend(file(
            "runtime/dyno/tests/all.rs",
            "// \"good\"\nrun(\"spin\"); text(\"wat/b.wat\")",
        ));
        let found = guests_without_test(&files);
        let start =
            format!("{GUESTS}p2/src/bin/good/main.rs:1: no host test names the guest \"good\"");
        assert!(
            found.len() == 1 && found[0].starts_with(&start),
            "{found:?}"
        );
    }

    #[test]
    fn machines_and_registries_are_found() {
        // Joined at run time, because the rule also applies to files that quote this one.
        let host = ["pypi", "org"].join(".");
        let wrong = format!("cd /work/main\nhttps://{host}/simple\n\"/root/.cargo\"\n");
        assert_eq!(machine_names(&file("a.sh", &*wrong)).len(), 3);
        let sound = format!("$work/work/x ../root/y {{}}/work/z net/work/ https://my-{host}s/");
        assert_eq!(machine_names(&file("a.sh", sound)), [""; 0]);
    }
}
