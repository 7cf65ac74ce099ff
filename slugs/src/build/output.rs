//! Owns what the builder of a language hands back. Must not know any one language, nor how a slug is packed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use grid::name::ProcessType;

use super::toolbox::error::BuilderError;
use crate::manifest::command::ProcessCommand;
use crate::manifest::error::BuildWarning;
use crate::manifest::slug_json::{BuilderRecord, CommandProgram};
use crate::path::SlugPath;

/// A file that a build made or found: a component, or any other file of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFile {
    /// The name of the component in the app, whatever folder the tool wrote to.
    pub path: SlugPath,
    /// Its path on this disk.
    pub file: PathBuf,
}

impl BuiltFile {
    /// A file with this name in the app. Fails if a slug cannot hold the name.
    pub(crate) fn new(name: &str, file: &Path) -> Result<Self, BuilderError> {
        let path = SlugPath::new(name).map_err(|source| BuilderError::Name {
            name: name.to_owned(),
            source,
        })?;
        Ok(Self {
            path,
            file: file.to_owned(),
        })
    }
}

/// The output of a builder for one app.
pub(crate) struct BuilderOutput {
    pub(crate) builder: BuilderRecord,
    /// The components.
    pub(crate) components: Vec<BuiltFile>,
    /// Further files that the app's own folder does not hold under these names.
    pub(crate) extra_files: Vec<BuiltFile>,
    /// The commands of the process types; `None` if the Procfile has them.
    pub(crate) commands: Option<BTreeMap<ProcessType, ProcessCommand>>,
    /// The meaning of the first word of a one-off dyno's command, besides process types and components.
    pub(crate) command_words: BTreeMap<String, CommandProgram>,
    pub(crate) warnings: Vec<BuildWarning>,
}

impl BuilderOutput {
    /// An app that consists of components alone; the Procfile says what each is for.
    pub(crate) fn from_components(builder: BuilderRecord, components: Vec<BuiltFile>) -> Self {
        Self {
            builder,
            components,
            extra_files: Vec::new(),
            commands: None,
            command_words: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }
}

/// The commands of an app whose only process type is `web`, which runs this component.
pub(crate) fn web_command(component: &str) -> BTreeMap<ProcessType, ProcessCommand> {
    BTreeMap::from([(ProcessType::web(), command_without_args(component))])
}

/// The command that runs a component without arguments.
pub(crate) fn command_without_args(component: &str) -> ProcessCommand {
    ProcessCommand {
        component: SlugPath::new(component).expect("a path that this program names"),
        args: Vec::new(),
    }
}
