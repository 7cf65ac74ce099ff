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
    /// The builder, with the versions of its tools.
    pub builder: BuilderRecord,
    /// The components.
    pub components: Vec<BuiltFile>,
    /// Further files that the build made, which the app's own folder does not hold under these names.
    pub extra_files: Vec<BuiltFile>,
    /// The commands of the process types; `None` if the Procfile has them.
    pub commands: Option<BTreeMap<ProcessType, ProcessCommand>>,
    /// The meaning of the first word of a one-off dyno's command, besides process types and components.
    pub command_words: BTreeMap<String, CommandProgram>,
    /// The other files of the source folder that belong to the app.
    pub files: IncludedFiles,
}

/// The files of the source folder that belong to the app, besides the output of the build.
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

    /// Warnings for the author; the build succeeded nevertheless.
    pub fn warnings(&self) -> &[BuildWarning] {
        &self.project.warnings
    }
}
