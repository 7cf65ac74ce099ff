//! Owns what the app's Python files say, read by Python's own parser, and how the name of a module leads to its file.
//! Must not know processes, packages or the component. The parser runs in a process of its own, and runs none of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::toolchain::GET_PYTHON;
use crate::build::toolbox::build_folder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run::{self, OutputStream};
use crate::build::toolbox::sources::SourceFile;
use crate::build::toolbox::tools::Tools;

const SOURCE_FACTS: &str = include_str!("host/source_facts.py");

/// How certain it is that an import statement runs, least certain first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ImportCertainty {
    /// The file catches the failure, and works without the module.
    Caught,
    /// The statement is in a function.
    Later,
    /// The statement is under a condition.
    Maybe,
    /// The statement runs whenever the file is imported.
    Always,
}

/// One import statement, for one name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ImportStatement {
    /// Dots before the module's name: 0 for an absolute import.
    pub(super) level: usize,
    pub(super) module: String,
    /// The name that is imported from the module; empty for `import MODULE`.
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) when: ImportCertainty,
}

/// Why this machine's Python cannot parse a file. The component's Python may be newer, and able to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ParseError {
    pub(super) line: usize,
    pub(super) message: String,
    pub(super) text: String,
}

/// When a file starts a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ServerStart {
    /// When it is run as a program.
    Script,
    /// When it is imported.
    Import,
}

/// The facts that one file states.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ModuleFacts {
    /// The name of the file, relative to the app's folder.
    pub(super) file: String,
    #[serde(default)]
    pub(super) error: Option<ParseError>,
    #[serde(default)]
    pub(super) imports: Vec<ImportStatement>,
    /// Names that it defines at its top level, in order.
    #[serde(default)]
    pub(super) defines: Vec<String>,
    /// Names that it sets to the result of a call, each with the name of the callable.
    #[serde(default, rename = "made")]
    pub(super) made_by: BTreeMap<String, String>,
    /// Names that it sets to a literal text.
    #[serde(default)]
    pub(super) texts: BTreeMap<String, String>,
    /// Dotted names in its texts.
    #[serde(default)]
    pub(super) words: Vec<String>,
    /// Django's settings module, if the file sets a default for it.
    #[serde(default)]
    pub(super) settings: Option<String>,
    #[serde(default)]
    pub(super) serves: Option<ServerStart>,
}

impl ModuleFacts {
    pub(super) fn defines(&self, name: &str) -> bool {
        self.defines.iter().any(|defined| defined == name)
    }
}

/// The facts that setup.py and setup.cfg state.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct SetupFacts {
    /// Packages that the project needs.
    pub(super) requires: Vec<String>,
    /// The folder of its code.
    pub(super) package_dir: Option<String>,
    /// Programs, each with its `module:function`.
    pub(super) scripts: BTreeMap<String, String>,
    /// Whether setup.py computes the list of packages that it needs.
    pub(super) computed: bool,
}

/// The output of `source_facts.py`.
#[derive(Debug, Default, Deserialize)]
struct ParserOutput {
    modules: Vec<ModuleFacts>,
    setup: SetupFacts,
    uwsgi: BTreeMap<String, BTreeMap<String, String>>,
    library: BTreeSet<String>,
}

/// The facts that all Python files of an app state.
#[derive(Debug, Default)]
pub(super) struct SourceFacts {
    modules: BTreeMap<String, ModuleFacts>,
    pub(super) setup: SetupFacts,
    /// Options for uWSGI, by file.
    pub(super) uwsgi: BTreeMap<String, BTreeMap<String, String>>,
    /// Folders from which modules are imported, by precedence. The app's own folder has an empty name.
    pub(super) roots: Vec<String>,
    /// Modules of Python's library, in this machine's version.
    library: BTreeSet<String>,
}

impl SourceFacts {
    /// Parses the app's files.
    pub(super) fn read(
        folder: &Path,
        files: &[SourceFile],
        tools: &Tools,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<Self, BuilderError> {
        let printed = run_parser(folder, files, tools, progress)?;
        Ok(Self::new(printed))
    }

    fn new(printed: ParserOutput) -> Self {
        let modules = printed.modules.into_iter();
        Self {
            modules: modules
                .map(|module| (module.file.clone(), module))
                .collect(),
            setup: printed.setup,
            uwsgi: printed.uwsgi,
            roots: vec![String::new()],
            library: printed.library,
        }
    }

    /// The facts of these files, for tests.
    #[cfg(test)]
    pub(super) fn of_files(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut sources = Vec::new();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(&path, text).expect("a file");
            let name = (*name).to_owned();
            sources.push(SourceFile { name, path });
        }
        let tools = Tools::attached("/no/such/cache");
        Self::read(folder.path(), &sources, &tools, &mut |_| {}).expect("Python is there")
    }

    /// Whether a module's top name is part of Python's library.
    pub(super) fn is_library(&self, top: &str) -> bool {
        self.library.contains(top)
    }

    /// All files.
    pub(super) fn modules(&self) -> impl Iterator<Item = &ModuleFacts> {
        self.modules.values()
    }

    /// A file by its name.
    pub(super) fn file(&self, name: &str) -> Option<&ModuleFacts> {
        self.modules.get(name)
    }

    /// Adds a folder from which modules are imported, before the others or after them.
    pub(super) fn add_root(&mut self, root: &str, is_first: bool) {
        let root = root.trim_start_matches("./").trim_matches('/');
        let root = if root == "." { "" } else { root };
        self.roots.retain(|known| !is_first || known != root);
        if !self.roots.iter().any(|known| known == root) {
            let at = if is_first { 0 } else { self.roots.len() };
            self.roots.insert(at, root.to_owned());
        }
    }

    /// The file of a module by its dotted name: `a/b.py`, or a package's `a/b/__init__.py`.
    pub(super) fn module(&self, dotted: &str) -> Option<&ModuleFacts> {
        let inner = dotted.replace('.', "/");
        self.roots
            .iter()
            .find_map(|root| self.module_at(&join_path(root, &inner)))
    }

    /// The module at a path without its extension.
    fn module_at(&self, path: &str) -> Option<&ModuleFacts> {
        let package = format!("{path}/__init__.py");
        let package = self.file(package.trim_start_matches('/'));
        package.or_else(|| self.file(&format!("{path}.py")))
    }

    /// Whether a module is the app's own, or a folder of the app's Python files without an `__init__.py`.
    pub(super) fn is_own(&self, dotted: &str) -> bool {
        self.module(dotted).is_some() || self.is_namespace(dotted)
    }

    /// Whether a name is a folder with Python files and no `__init__.py` (PEP 420).
    pub(super) fn is_namespace(&self, dotted: &str) -> bool {
        let inner = dotted.replace('.', "/");
        self.module(dotted).is_none()
            && self.roots.iter().any(|root| {
                let folder = format!("{}/", join_path(root, &inner));
                let mut below = self.modules.range(folder.clone()..);
                below
                    .next()
                    .is_some_and(|(name, _)| name.starts_with(&folder))
            })
    }

    /// Names of the packages at the top of the roots, with the root of each.
    pub(super) fn packages(&self) -> BTreeSet<(&str, &str)> {
        let mut found = BTreeSet::new();
        for root in &self.roots {
            for name in self.modules.keys() {
                let inner = match root.is_empty() {
                    true => Some(name.as_str()),
                    false => name
                        .strip_prefix(root.as_str())
                        .and_then(|rest| rest.strip_prefix('/')),
                };
                let package = inner.and_then(|inner| inner.strip_suffix("/__init__.py"));
                if let Some(package) = package.filter(|package| !package.contains('/')) {
                    found.insert((root.as_str(), package));
                }
            }
        }
        found
    }

    /// The app's own files that an import statement loads: the module, the packages around it, and the imported name if
    /// that is a module.
    pub(super) fn imported_files(&self, from: &str, import: &ImportStatement) -> Vec<&ModuleFacts> {
        let names: Vec<&str> = import
            .module
            .split('.')
            .filter(|part| !part.is_empty())
            .collect();
        let bases: Vec<String> = match import.level {
            0 => self.roots.clone(),
            level => relative_base(from, level).into_iter().collect(),
        };
        for base in bases {
            let mut path = base.clone();
            let mut found = Vec::new();
            for name in names.iter().copied().chain([import.name.as_str()]) {
                if !name.is_empty() && name != "*" {
                    path = join_path(&path, name);
                    found.extend(self.module_at(&path));
                }
            }
            if import.level > 0 && names.is_empty() {
                found.extend(self.module_at(&base));
            }
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}

/// The folder in which a relative import of a file begins.
fn relative_base(from: &str, level: usize) -> Option<String> {
    let mut folders: Vec<&str> = from.split('/').collect();
    if folders.len() < level {
        return None;
    }
    folders.truncate(folders.len() - level);
    Some(folders.join("/"))
}

/// Joins two paths that are relative to the app's folder, whose own name is empty.
pub(crate) fn join_path(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// Runs `source_facts.py` over the files.
fn run_parser(
    folder: &Path,
    files: &[SourceFile],
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<ParserOutput, BuilderError> {
    let list: String = files
        .iter()
        .map(|file| format!("{}\0", file.name))
        .collect();
    let failed = build_folder::write_error(Path::new("a temporary file"));
    let mut stdin = tempfile::tempfile().map_err(&failed)?;
    stdin.write_all(list.as_bytes()).map_err(&failed)?;
    stdin.rewind().map_err(&failed)?;
    let mut python = Command::new("python3");
    // `-I` isolates the parser from the app's own modules: one of them may be called `ast`.
    python
        .args(["-I", "-B", "-c", SOURCE_FACTS])
        .current_dir(folder)
        .env("PYTHONIOENCODING", "utf-8");
    let mut text = String::new();
    let mut errors = Vec::new();
    let outcome =
        run::run_with_input(
            python,
            stdin.into(),
            "python3",
            tools,
            &mut |from, line| match from {
                OutputStream::Stdout => text.push_str(&line),
                OutputStream::Stderr => errors.push(line),
            },
        );
    match outcome {
        Err(error) if run::is_absent(&error) => Err(BuilderError::NoTool {
            tool: "python3",
            remedy: GET_PYTHON,
        }),
        Err(error) => {
            errors
                .into_iter()
                .for_each(|line| progress(BuildProgress::Line(line)));
            Err(error)
        }
        Ok(()) => serde_json::from_str(&text).map_err(|error| BuilderError::Output {
            tool: "python3",
            problem: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
