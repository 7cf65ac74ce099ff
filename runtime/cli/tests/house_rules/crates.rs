//! Rules about crates: allowed dependencies, length of dependency chains, and unused dependencies.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::{Dependency, DependencyKind, File, Package};
use crate::source::{Kind, has_word, only, without_tests};

/// The workspace crates that each crate may depend on. Every crate may have [`DEVELOPMENT_CRATE`] as a dev-dependency.
const EDGES: [(&str, &[&str]); 12] = [
    ("grid", &[]),
    ("slugs", &["grid"]),
    ("exchange", &["grid"]),
    ("router", &["grid", "exchange"]),
    ("mesh", &["grid"]),
    ("dyno", &["grid", "exchange", "slugs"]),
    ("control", &["grid", "slugs"]),
    ("api", &["grid", "slugs", "control"]),
    (
        "node",
        &[
            "grid", "exchange", "slugs", "router", "dyno", "control", "api",
        ],
    ),
    ("cli", &["grid", "slugs", "api", "node"]),
    ("testkit", &[]),
    ("benches", &["testkit"]),
];
/// The crate for tests only, which no product may contain.
const DEVELOPMENT_CRATE: &str = "testkit";
/// All allowed dependencies of the pure core, except for its tests.
const GRID_NEEDS: [&str; 2] = ["serde", "thiserror"];
/// The engine, and the only crate that may depend on it.
const ENGINE: (&str, &str) = ("wasmtime", "dyno");
/// Maximum number of crates in the workspace.
const CRATES_MAX: usize = 12;
/// Maximum length of a dependency chain within the workspace.
const CHAIN_MAX: usize = 5;
/// Dependencies that no source names, with the reason.
const UNNAMED: [(&str, &str); 1] = [
    // Disables the tracing spans of the engine by a feature.
    ("cli", "tracing"),
];

/// Dependencies that the table of allowed dependencies does not contain.
pub(crate) fn forbidden_edges(packages: &[Package], files: &[File]) -> Vec<String> {
    let members: BTreeSet<&str> = packages.iter().map(|package| &*package.name).collect();
    let mut violations = Vec::new();
    for package in packages {
        let name = &*package.name;
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            violations.push(format!(
                "{}/Cargo.toml:1: {name} is not in the table of crates: add it to `EDGES` and to ARCHITECTURE.md",
                package.folder
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let on = &*dependency.name;
            let tests_only = dependency.kind == DependencyKind::Development;
            let engine = on.starts_with(ENGINE.0) && name != ENGINE.1;
            let impure = name == "grid" && !tests_only && !GRID_NEEDS.contains(&on);
            let for_tests = on == DEVELOPMENT_CRATE && tests_only;
            let forbidden = members.contains(on) && !allowed.contains(&on) && !for_tests;
            if engine || impure || forbidden {
                let place = place(package, dependency, files);
                violations.push(format!(
                    "{place}: {name} must not depend on {on}: take it out, or ask in review for a new edge in `EDGES`"
                ));
            }
        }
    }
    violations
}

/// Finds too many crates, and too long dependency chains.
pub(crate) fn deep_chains(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    let count = packages.len();
    if count > CRATES_MAX {
        violations.push(format!(
            "Cargo.toml:1: {count} crates, of {CRATES_MAX} at most: join two"
        ));
    }
    let edges: BTreeMap<&str, Vec<&str>> = packages
        .iter()
        .map(|package| {
            let normal = package.dependencies.iter();
            let normal = normal.filter(|on| on.kind == DependencyKind::Normal);
            (&*package.name, normal.map(|on| &*on.name).collect())
        })
        .collect();
    for package in packages {
        let chain = longest_chain(&package.name, &edges);
        if chain.len() > CHAIN_MAX + 1 {
            violations.push(format!(
                "{}/Cargo.toml:1: {} dependencies in a row, of {CHAIN_MAX} at most ({}): let one crate go",
                package.folder,
                chain.len() - 1,
                chain.join(" → ")
            ));
        }
    }
    violations
}

/// The longest dependency chain from a crate. Finite, because cargo refuses cycles.
fn longest_chain<'a>(name: &'a str, edges: &BTreeMap<&'a str, Vec<&'a str>>) -> Vec<&'a str> {
    let below = edges.get(name).into_iter().flatten();
    let below = below.filter(|on| edges.contains_key(*on));
    let longest = below
        .map(|on| longest_chain(on, edges))
        .max_by_key(Vec::len);
    let mut chain = vec![name];
    chain.extend(longest.unwrap_or_default());
    chain
}

/// Dependencies that no source of their crate names. For normal dependencies, only `src` without tests counts.
pub(crate) fn unused_dependencies(packages: &[Package], files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages {
        let own =
            |file: &&File| file.is_rust() && file.path.starts_with(&format!("{}/", package.folder));
        let all: Vec<String> = files
            .iter()
            .filter(own)
            .map(|file| only(&file.text, Kind::Code))
            .collect();
        let product: Vec<String> = files
            .iter()
            .filter(own)
            .filter(|file| {
                file.path.starts_with(&format!("{}/src/", package.folder)) && !file.is_test()
            })
            .map(|file| without_tests(&only(&file.text, Kind::Code)))
            .collect();
        for dependency in &package.dependencies {
            let name = dependency.name.replace('-', "_");
            let sources = match dependency.kind {
                DependencyKind::Normal => &product,
                DependencyKind::Development | DependencyKind::Build => &all,
            };
            let named = sources.iter().any(|code| has_word(code, &name));
            let known = (&*package.name, &*dependency.name);
            if !named && !UNNAMED.contains(&known) {
                let place = place(package, dependency, files);
                violations.push(format!(
                    "{place}: no source of {} names {name}: take it out, or make it a development dependency if only tests use it",
                    package.name
                ));
            }
        }
    }
    violations
}

/// The place of a dependency in a manifest, as `FILE:LINE`.
fn place(package: &Package, dependency: &Dependency, files: &[File]) -> String {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let text = files.iter().find(|file| file.path == manifest);
    let text = text.map_or("", |file| &file.text);
    let sets = |line: &str| {
        let rest = line.trim_start().strip_prefix(&*dependency.name);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| sets(line));
    // Dev-dependencies are the last table of a manifest.
    let found = match dependency.kind {
        DependencyKind::Normal => lines.next(),
        DependencyKind::Development | DependencyKind::Build => lines.last(),
    };
    format!("{manifest}:{}", found.map_or(1, |(index, _)| index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, on: &[(&str, DependencyKind)]) -> Package {
        let dependencies = on.iter().map(|(name, kind)| Dependency {
            name: (*name).to_owned(),
            kind: *kind,
        });
        Package {
            name: name.to_owned(),
            folder: format!("runtime/{name}"),
            dependencies: dependencies.collect(),
        }
    }

    fn file(path: &str, text: &str) -> File {
        let (path, text) = (path.to_owned(), text.to_owned());
        File { path, text }
    }

    const NORMAL: DependencyKind = DependencyKind::Normal;
    const DEVELOPMENT: DependencyKind = DependencyKind::Development;

    #[test]
    fn edges_outside_the_table_are_found() {
        let sound = [
            package("grid", &[("serde", NORMAL), ("proptest", DEVELOPMENT)]),
            package("router", &[("grid", NORMAL), ("testkit", DEVELOPMENT)]),
            package("testkit", &[]),
        ];
        assert_eq!(forbidden_edges(&sound, &[]), [""; 0]);
        let wrong = [
            package("grid", &[("tokio", NORMAL), ("router", DEVELOPMENT)]),
            package(
                "router",
                &[
                    ("wasmtime-wasi", DEVELOPMENT),
                    ("benches", DEVELOPMENT),
                    ("testkit", NORMAL),
                ],
            ),
            package("benches", &[("grid", NORMAL)]),
            package("testkit", &[]),
            package("extra", &[]),
        ];
        let manifest = [file(
            "runtime/router/Cargo.toml",
            "[dependencies]\ntestkit.workspace = true\n",
        )];
        let found = forbidden_edges(&wrong, &manifest);
        assert_eq!(found.len(), 7, "{found:?}");
        let line = "runtime/router/Cargo.toml:2: router must not depend on testkit";
        assert!(found.iter().any(|text| text.starts_with(line)), "{found:?}");
    }

    #[test]
    fn long_chains_and_many_crates_are_found() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let stacked = |count: usize, kind| -> Vec<Package> {
            let of = |at: usize| match names.get(at + 1).filter(|_| at + 1 < count) {
                Some(next) => package(names[at], &[(next, kind)]),
                None => package(names[at], &[("serde", NORMAL)]),
            };
            (0..count).map(of).collect()
        };
        assert_eq!(deep_chains(&stacked(6, NORMAL)), [""; 0]);
        assert_eq!(deep_chains(&stacked(7, DEVELOPMENT)), [""; 0]);
        let found = deep_chains(&stacked(7, NORMAL));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("6 dependencies in a row") && found[0].contains("a → b → c"));
        let many: Vec<Package> = (0..13).map(|at| package(&format!("c{at}"), &[])).collect();
        assert_eq!(deep_chains(&many).len(), 1);
    }

    #[test]
    fn dependencies_that_no_source_names_are_found() {
        let packages = [package(
            "a",
            &[
                ("serde", NORMAL),
                ("cap-std", NORMAL),
                ("wat", NORMAL),
                ("tempfile", DEVELOPMENT),
            ],
        )];
        let files = [
            file(
                "runtime/a/Cargo.toml",
                "[dependencies]\nserde = \"1\"\ncap-std = \"4\"\nwat = \"1\"\n",
            ),
            file(
                "runtime/a/src/lib.rs",
                "use serde::Serialize; // wat::parse\n#[cfg(test)]\nmod tests { use wat::parse; }",
            ),
            file("runtime/a/tests/x.rs", "tempfile::tempdir()"),
            file("runtime/ab/src/lib.rs", "use cap_std::fs;"),
        ];
        let found = unused_dependencies(&packages, &files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("runtime/a/Cargo.toml:3: "),
            "{found:?}"
        );
        assert!(
            found[1].starts_with("runtime/a/Cargo.toml:4: "),
            "{found:?}"
        );
    }
}
