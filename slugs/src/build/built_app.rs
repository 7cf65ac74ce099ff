//! Owns the outcome of a build, ready to be packed. Must not know how it was built.

use std::collections::BTreeMap;

use grid::name::ProcessType;

use super::output::{BuilderOutput, BuiltFile};
use super::project::Project;
use crate::manifest::command::ProcessCommand;
use crate::manifest::error::BuildWarning;
use crate::manifest::slug_json::{BuilderRecord, CommandProgram};

/// The outcome of a build, ready to be packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltApp {
    /// The source folder and what its files say.
    pub project: Project,
    /// What built the app.
    pub builder: BuilderRecord,
    /// The components.
    pub components: Vec<BuiltFile>,
    /// Further files that the build made, which the app's own folder does not hold under these names.
    pub extra_files: Vec<BuiltFile>,
    /// What the process types run; `None` where the Procfile says it.
    pub commands: Option<BTreeMap<ProcessType, ProcessCommand>>,
    /// What the first word of a one-off dyno's command stands for, besides process types and components.
    pub command_words: BTreeMap<String, CommandProgram>,
    /// Which files of the source folder belong to the app besides those.
    pub files: IncludedFiles,
}

/// Which files of the source folder belong to the app besides what the build made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludedFiles {
    /// All that no pattern leaves out.
    Folder,
    /// None: the app is a single `.wasm` file.
    None,
}

impl BuiltApp {
    /// Joins what a builder made with the project that it was made of.
    pub(super) fn new(mut project: Project, output: BuilderOutput, files: IncludedFiles) -> Self {
        project.warnings.extend(output.warnings);
        Self {
            project,
            builder: output.builder,
            components: output.components,
            extra_files: output.extra_files,
            commands: output.commands,
            command_words: output.command_words,
            files,
        }
    }

    /// What the author should know, although nothing stopped the build.
    pub fn warnings(&self) -> &[BuildWarning] {
        &self.project.warnings
    }
}
