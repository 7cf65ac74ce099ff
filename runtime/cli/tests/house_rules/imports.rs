//! The rule that modules side by side import each other in one direction only: no cycle between the folders of a crate,
//! nor between a folder and a file, or two files, of the same folder.
//!
//! A module counts together with its submodules. Imports between a module and its parent are ignored, because a
//! parent declares its children and re-exports their items.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::File;
use crate::source::{Kind, only, without_tests};
use crate::use_paths::{Import, imports};

/// Segments of a path, without `crate`.
type ModulePath = Vec<String>;

/// Maximum number of re-exports that a lookup of a name follows.
const RE_EXPORTS_MAX: usize = 16;

/// The modules of one crate.
#[derive(Default)]
struct ModuleTree {
    modules: BTreeMap<ModulePath, Module>,
}

struct Module {
    file: String,
    imports: Vec<Import>,
}

/// An import between two sibling modules, and its place.
struct Edge {
    from: String,
    to: String,
    place: String,
    /// Whether both modules have their own folders.
    between_folders: bool,
}

/// The kind of cycles to find.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Among {
    /// Cycles between modules with their own folders.
    Folders,
    /// Cycles between any modules.
    Files,
}

/// Cycles of imports, one violation for each group of modules that import each other.
pub(crate) fn import_cycles(files: &[File], among: Among) -> Vec<String> {
    let mut crates: BTreeMap<&str, ModuleTree> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.is_rust() && !file.is_test())
    {
        let Some((folder, path)) = module_of(&file.path) else {
            continue;
        };
        let code = without_tests(&only(&file.text, Kind::Code));
        let module = Module {
            file: file.path.clone(),
            imports: imports(&code),
        };
        let tree = crates.entry(folder).or_default();
        tree.modules.insert(path, module);
    }
    let mut violations = Vec::new();
    for (folder, tree) in &crates {
        for (parent, mut edges) in tree.edges() {
            edges.retain(|edge| among == Among::Files || edge.between_folders);
            let within = match parent.is_empty() {
                true => (*folder).to_owned(),
                false => format!("{folder}/{}", parent.join("/")),
            };
            violations.extend(cycles(&edges).iter().map(|cycle| describe(&within, cycle)));
        }
    }
    violations
}

/// The `src` folder of a file's crate, and the path of its module. Programs in `src/bin` are no modules.
fn module_of(path: &str) -> Option<(&str, ModulePath)> {
    let (crate_folder, rest) = path.split_once("/src/")?;
    if rest.starts_with("bin/") {
        return None;
    }
    let rest = rest.strip_suffix(".rs")?;
    let mut segments: ModulePath = rest.split('/').map(str::to_owned).collect();
    let root = segments.len() == 1 && (segments[0] == "lib" || segments[0] == "main");
    if root || segments.last().is_some_and(|last| last == "mod") {
        segments.pop();
    }
    Some((&path[..crate_folder.len() + "/src".len()], segments))
}

impl ModuleTree {
    /// Imports between sibling modules, by the path of their parent.
    fn edges(&self) -> BTreeMap<ModulePath, Vec<Edge>> {
        let mut edges: BTreeMap<ModulePath, Vec<Edge>> = BTreeMap::new();
        for (from, module) in &self.modules {
            for import in &module.imports {
                let Some(to) = self.resolve(from, &import.path, 0) else {
                    continue;
                };
                let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if same == from.len() || same == to.len() {
                    continue;
                }
                edges.entry(from[..same].to_vec()).or_default().push(Edge {
                    from: from[same].clone(),
                    to: to[same].clone(),
                    place: format!("{}:{}", module.file, import.line),
                    between_folders: [from, &to]
                        .iter()
                        .all(|path| self.has_folder(&path[..=same])),
                });
            }
        }
        edges
    }

    fn has_folder(&self, module: &[String]) -> bool {
        let mut paths = self.modules.keys();
        paths.any(|path| path.len() > module.len() && path.starts_with(module))
    }

    /// The module that defines the item of a path; `None` if another crate defines it.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        if depth > RE_EXPORTS_MAX {
            return None;
        }
        let mut module = from.to_vec();
        let mut segments = path.iter();
        let mut next = segments.next();
        let mut relative = true;
        while let Some(segment) = next {
            match segment.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                _ => break,
            }
            relative = false;
            next = segments.next();
        }
        let mut first = relative;
        while let Some(segment) = next {
            let mut child = module.clone();
            child.push(segment.clone());
            if self.modules.contains_key(&child) {
                module = child;
            } else if let Some(target) = self.re_export(&module, segment, path) {
                let rest: ModulePath = target.iter().chain(segments).cloned().collect();
                return self.resolve(&module, &rest, depth + 1);
            } else {
                return (!first).then_some(module);
            }
            first = false;
            next = segments.next();
        }
        Some(module)
    }

    /// The path that a module's imports give to a name, without the import that is being resolved.
    fn re_export(&self, module: &[String], name: &str, looked_up: &[String]) -> Option<ModulePath> {
        let imports = &self.modules.get(module)?.imports;
        let mut own = imports.iter().filter(|import| import.path != looked_up);
        let import = own.find(|import| import.name.as_deref() == Some(name))?;
        Some(import.path.clone())
    }
}

/// Shortest cycles, one for each strongly connected group of modules.
fn cycles(edges: &[Edge]) -> Vec<Vec<&Edge>> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut cycles = Vec::new();
    let names: BTreeSet<&str> = edges.iter().map(|edge| &*edge.from).collect();
    for name in names {
        if seen.contains(name) {
            continue;
        }
        if let Some(cycle) = shortest_way(edges, name, name) {
            let group = edges.iter().map(|edge| &*edge.from).filter(|other| {
                shortest_way(edges, name, other).is_some()
                    && shortest_way(edges, other, name).is_some()
            });
            seen.extend(group);
            cycles.push(cycle);
        }
    }
    cycles
}

/// A shortest chain of imports from one module to another.
fn shortest_way<'a>(edges: &'a [Edge], from: &str, to: &str) -> Option<Vec<&'a Edge>> {
    let mut ways: Vec<Vec<&Edge>> = vec![Vec::new()];
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let end = way.last().map_or(from, |edge| &edge.to);
            for edge in edges.iter().filter(|edge| edge.from == end) {
                let mut next = way.clone();
                next.push(edge);
                if edge.to == to {
                    return Some(next);
                }
                if reached.insert(&edge.to) {
                    longer.push(next);
                }
            }
        }
        ways = longer;
    }
    None
}

fn describe(within: &str, cycle: &[&Edge]) -> String {
    let imports = cycle
        .iter()
        .map(|edge| format!("{} imports {} at {}", edge.from, edge.to, edge.place));
    let imports: Vec<String> = imports.collect();
    format!(
        "{}: modules of {within} import each other ({}): move what both need into a module below, or turn one import around",
        cycle[0].place,
        imports.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sources: &[(&str, &str)]) -> Vec<File> {
        let file = |(path, text): &(&str, &str)| File {
            path: format!("runtime/a/src/{path}"),
            text: (*text).to_owned(),
        };
        sources.iter().map(file).collect()
    }

    fn cycles_of(sources: &[(&str, &str)]) -> Vec<String> {
        import_cycles(&files(sources), Among::Files)
    }

    #[test]
    fn folders_are_distinguished_from_files() {
        let sources = files(&[
            ("lib.rs", "mod a;\nmod b;\nmod c;"),
            ("a.rs", "use crate::b::X;\nuse crate::c::Y;"),
            ("a/x.rs", ""),
            ("b.rs", "use crate::a::x;"),
            ("c.rs", ""),
            ("c/y.rs", "use crate::a::x::Z;"),
        ]);
        let found = import_cycles(&sources, Among::Folders);
        assert!(
            found.len() == 1 && found[0].contains("c imports a"),
            "{found:?}"
        );
    }

    #[test]
    fn cycles_between_folders_are_found() {
        let found = cycles_of(&[
            ("lib.rs", "mod request;\nmod response;\nmod log;"),
            ("request.rs", "mod queue;"),
            (
                "request/queue.rs",
                "//!\nuse crate::response::page::{self, Page as Sheet};",
            ),
            ("response.rs", "pub mod page;"),
            ("response/page.rs", "fn f() { crate::log::line() }"),
            ("log.rs", "//!\n\nuse super::request::queue::Queue;\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        let start = "runtime/a/src/log.rs:3: modules of runtime/a/src import each other (log imports request";
        assert!(found[0].starts_with(start), "{found:?}");
        assert!(found[0].contains("request imports response at runtime/a/src/request/queue.rs:2"));
    }

    #[test]
    fn cycles_through_re_exports_and_in_inner_folders_are_found() {
        let found = cycles_of(&[
            ("main.rs", "mod a;\nmod b;\npub use b::Thing;"),
            ("a.rs", "use crate::Thing;"),
            ("b.rs", "use crate::a::Other;"),
            ("c.rs", "mod d;\nmod e;"),
            ("c/d.rs", "use super::e;\nfn f() { e::g() }"),
            ("c/e.rs", "use super::d::f;"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn imports_of_parents_tests_and_other_crates_are_allowed() {
        let found = cycles_of(&[
            (
                "lib.rs",
                "mod a;\nmod b;\npub use a::x::Thing;\nuse std::fmt;",
            ),
            ("a.rs", "mod x;\npub(crate) struct Own;\nuse x::Thing;"),
            (
                "a/x.rs",
                "use super::Own;\nuse crate::b::{C, fmt::Debug};\n// use crate::a::y;",
            ),
            (
                "b.rs",
                "use std::a::x;\n#[cfg(test)]\nmod tests {\n    use crate::a::Own;\n}",
            ),
            ("b/tests.rs", "use crate::a::Own;"),
            ("bin/tool.rs", "use crate::a::Own;"),
        ]);
        assert_eq!(found, [""; 0]);
    }
}
