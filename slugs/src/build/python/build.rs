//! Owns the build of a Python app: a component that holds the interpreter and the app's packages, imported already. The
//! app's own modules stay files, which a dyno imports when it first answers. Must not know slugs.
//!
//! A change in the app's own code costs no compilation: the component depends on the packages, and on which of their modules
//! the app imports. The component is not reproducible, since its snapshot holds random seeds: two machines make two files
//! that behave alike. On one machine it is made once, for all apps that ask for the same packages and imports.

use std::collections::BTreeMap;
use std::path::Path;

use super::component::ensure_component;
use super::context::PythonBuild;
use super::entry::{self, description::PythonEntry};
use super::facts::SourceFacts;
use super::imports::{self, ImportPlace, ImportedName};
use super::layout::{COMPONENT, ENTRY};
use super::requirements::RequestedPackages;
use super::{failures, packages, processes, toolchain, versions};
use crate::build::output::{BuilderOutput, BuiltFile, web_command};
use crate::build::toolbox::build_folder::BuildFolder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::sources::{SourceFile, list_files};
use crate::build::toolbox::tools::Tools;
use crate::manifest::procfile::Procfile;
use crate::manifest::slug_json::BuilderRecord;

/// Builds the app in a folder with Python files.
pub(in crate::build) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuilderOutput, BuilderError> {
    let project = PythonProject::read(folder, procfile, tools, progress)?;
    let toolchain = toolchain::ensure(tools, progress)?;
    let build = PythonBuild {
        folder,
        app_outputs: &BuildFolder::open_for_app(folder, tools, progress)?,
        shared_outputs: &BuildFolder::open_shared("python", tools, progress)?,
        toolchain: &toolchain,
        tools,
    };
    let packages = packages::ensure_packages(&build, &project.requested, progress)?;
    project.entry.check_module(|module| packages.has(module))?;
    let mut scripts = packages.scripts()?;
    scripts.extend(project.requested.scripts.clone());
    let mut commands = processes::other_commands(procfile, &scripts, &project.facts)?;
    if project.has_web {
        commands.extend(web_command(COMPONENT));
    }
    let imported = project
        .imports
        .keys()
        .filter(|(module, _)| packages.has(module));
    let imported: String = imported
        .map(|(module, name)| format!("{module}\t{name}\n"))
        .collect();
    let loaded = (project.loaded.as_slice(), project.parses_here());
    let (component, failures) = ensure_component(&build, &packages, loaded, &imported, progress)?;
    let facts = (&project.facts, &packages);
    let mut warnings = project.requested.warnings.clone();
    warnings.extend(versions::find_warnings(folder)?);
    warnings.extend(failures::judge_failures(
        &failures,
        &project.imports,
        facts,
        &project.requested.file,
    )?);
    let entry = build
        .app_outputs
        .save_file("entry.json", project.entry.to_json())?;
    let mut extra_files = packages.files()?;
    extra_files.push(BuiltFile::new(ENTRY, &entry)?);
    Ok(BuilderOutput {
        builder: BuilderRecord {
            name: "python".to_owned(),
            tool: "componentize-py 0.25.1 (CPython 3.14)".to_owned(),
        },
        components: vec![BuiltFile::new(COMPONENT, &component)?],
        extra_files,
        commands: Some(commands),
        command_words: processes::command_words(&scripts),
        warnings,
    })
}

/// A source folder as its files describe it, before any package is installed.
struct PythonProject {
    facts: SourceFacts,
    requested: RequestedPackages,
    /// The code that answers requests, if the app `has_web`.
    entry: PythonEntry,
    /// Whether the app has the process type `web`.
    has_web: bool,
    /// The modules that the app's files import, without the app's own modules.
    imports: BTreeMap<ImportedName, ImportPlace>,
    /// The files that the app's processes load.
    loaded: Vec<SourceFile>,
}

impl PythonProject {
    fn read(
        folder: &Path,
        procfile: Option<&Procfile>,
        tools: &Tools,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<Self, BuilderError> {
        let is_read =
            |name: &str| name.ends_with(".py") || name.ends_with(".ini") || name == "setup.cfg";
        let files = list_files(folder, &is_read)?;
        let mut facts = SourceFacts::read(folder, &files, tools, progress)?;
        let requested = RequestedPackages::read(folder, &facts.setup)?;
        for root in &requested.roots {
            facts.add_root(root, false);
        }
        let found = entry::find_entry(folder, &mut facts, procfile)?;
        let has_web = found.is_some();
        let mut entry = found.unwrap_or_default();
        entry.path = facts.roots.clone();
        let starts = [
            entry.starts.clone(),
            processes::first_files(procfile, &facts),
        ]
        .concat();
        let reached = imports::reached_files(&facts, &starts);
        let loaded = files
            .iter()
            .filter(|file| reached.contains_key(file.name.as_str()));
        Ok(Self {
            loaded: loaded.cloned().collect(),
            imports: imports::find_imports(&facts, &starts),
            facts,
            requested,
            entry,
            has_web,
        })
    }

    /// Whether this machine's Python can parse all files that are loaded. It may be older than the component's Python.
    fn parses_here(&self) -> bool {
        self.loaded.iter().all(|file| {
            let facts = self.facts.file(&file.name);
            facts.is_some_and(|facts| facts.error.is_none())
        })
    }
}
