//! Owns the advice for Go apps that cannot be built for dynos: which package is the reason, and what to do.
//! Must not run the build: it reads the lines that a failed one has printed.

use std::collections::BTreeSet;
use std::path::Path;

use super::detect::GO_MOD;
use super::toolchain::GoToolchain;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::sources::read_text_lossy;
use crate::build::toolbox::tools::Tools;

/// Packages that compile without their C code, into a program that fails when it uses them.
const STUBS: [&str; 1] = ["github.com/mattn/go-sqlite3"];
/// Texts in the lines of `go` by which a module that could not be downloaded is known.
const NETWORK_SIGNS: [&str; 5] = [
    "dial tcp",
    "no such host",
    "i/o timeout",
    "module lookup disabled by GOPROXY=off",
    "server misbehaving",
];
/// Texts in the lines of `go` about `go.mod` and `go.sum`.
const TIDY_SIGNS: [&str; 4] = [
    "missing go.sum entry",
    "no required module provides package",
    "updates to go.mod needed",
    "inconsistent vendoring",
];
/// Packages that an error names.
const NAMES_SHOWN_MAX: usize = 5;

/// The facts in the lines of a failed build.
#[derive(Debug, Default)]
pub(super) struct FailedBuild {
    /// Packages that did not compile. Some may be of the standard library.
    packages: BTreeSet<String>,
    /// Packages without any file for WebAssembly.
    excluded: BTreeSet<String>,
    needs_network: bool,
    needs_tidying: bool,
}

impl FailedBuild {
    /// Adds a line that `go` has printed.
    pub(super) fn add_line(&mut self, line: &str) {
        if let Some(package) = line.strip_prefix("# ") {
            let package = package.split(' ').next().unwrap_or(package);
            self.packages.insert(package.to_owned());
        }
        if let Some((before, _)) = line.split_once(": build constraints exclude all Go files") {
            let package = before.rsplit([' ', '\t']).next().unwrap_or(before);
            self.excluded.insert(package.to_owned());
        }
        self.needs_network |= NETWORK_SIGNS.iter().any(|sign| line.contains(sign));
        self.needs_tidying |= TIDY_SIGNS.iter().any(|sign| line.contains(sign));
    }

    /// The reason and what to do, if the reason is known. `cgo` are the packages of the app that have C code.
    pub(super) fn explain(&self, cgo: &[String]) -> Option<String> {
        if self.needs_network {
            return Some(
                "a module could not be downloaded. Connect to the network and build again, or run `go mod vendor` where there \
                 is one and deploy the folder `vendor` with the app"
                    .to_owned(),
            );
        }
        if self.needs_tidying {
            return Some(
                "go.mod and go.sum do not name all modules that the app needs: run `go mod tidy` (and `go mod vendor`, if \
                 there is a folder `vendor`)"
                    .to_owned(),
            );
        }
        let is_broken =
            |name: &&String| self.packages.contains(*name) || self.excluded.contains(*name);
        let with_c: Vec<&String> = cgo.iter().filter(is_broken).collect();
        if !with_c.is_empty() {
            return Some(explain_cgo(&with_c));
        }
        let is_foreign = |name: &&String| name.contains('.');
        let excluded: Vec<&String> = self.excluded.iter().filter(is_foreign).collect();
        (!excluded.is_empty()).then(|| {
            format!(
                "{} does not compile for WebAssembly: it needs an operating system. Use another package, or leave the code that \
                 imports it out with the line `//go:build !wasip1` at the top of its files",
                list_names(&excluded)
            )
        })
    }
}

fn explain_cgo(packages: &[&String]) -> String {
    format!(
        "{} is written in C (cgo), and a dyno runs WebAssembly, for which Go compiles no C: use a package in plain Go instead",
        list_names(packages)
    )
}

fn list_names(names: &[&String]) -> String {
    let shown = names.iter().take(NAMES_SHOWN_MAX);
    let shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
    shown.join(", ")
}

/// Refuses packages that would compile and then fail in the dyno.
pub(super) fn check_stubs(
    toolchain: &GoToolchain,
    folder: &Path,
    tools: &Tools,
) -> Result<(), BuilderError> {
    let module = read_text_lossy(&folder.join(GO_MOD))?.unwrap_or_default();
    if !STUBS.iter().any(|name| module.contains(name)) {
        return Ok(());
    }
    // A module may be required and not used.
    let used = toolchain.list_cgo_packages(folder, "./...", tools);
    let used: Vec<&String> = used
        .iter()
        .filter(|name| STUBS.contains(&name.as_str()))
        .collect();
    match used.is_empty() {
        true => Ok(()),
        false => Err(BuilderError::Refused(explain_cgo(&used))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(lines: &[&str], cgo: &[&str]) -> Option<String> {
        let mut failed = FailedBuild::default();
        lines.iter().for_each(|line| failed.add_line(line));
        let cgo: Vec<String> = cgo.iter().map(|name| (*name).to_owned()).collect();
        failed.explain(&cgo)
    }

    #[test]
    fn known_reasons_are_named_with_a_next_step() {
        let excluded =
            "\timports example.org/image: build constraints exclude all Go files in /x/image";
        for (line, cgo, says) in [
            (
                "go: example.org/x@v1.0.0: Get \"https://example.org/\": dial tcp: lookup example.org: no such host",
                &[][..],
                "`go mod vendor`",
            ),
            (
                "main.go:4:2: no required module provides package example.org/x; to add it:",
                &[],
                "`go mod tidy`",
            ),
            (
                excluded,
                &["example.org/image"],
                "`example.org/image` is written in C (cgo)",
            ),
            (
                excluded,
                &[],
                "`example.org/image` does not compile for WebAssembly",
            ),
        ] {
            let text = explain(&[line], cgo).expect(line);
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn compile_errors_of_the_app_get_no_advice() {
        let lines = ["# example.com/shop", "./main.go:9:2: undefined: missing"];
        assert_eq!(explain(&lines, &["example.org/image"]), None);
    }
}
