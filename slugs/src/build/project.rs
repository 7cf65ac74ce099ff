//! Owns a source folder as its author describes it: `dyno.toml`, `Procfile` and `app.json`, read together.
//! Must not know how the app is built or packed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use grid::name::ProcessType;

use super::unsupported::{self, UnsupportedLanguage};
use super::{golang, javascript, python, ruby, rust, site};
use crate::manifest::app_json::{self, AppJson};
use crate::manifest::error::{BuildWarning, ParsedFile, SyntaxError};
use crate::manifest::procfile::{self, Procfile};
use crate::manifest::settings::{self, ProjectSettings};
use crate::text_file::{TextFileError, read_text};

/// A source folder and what its files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The app's folder.
    pub folder: PathBuf,
    /// `dyno.toml`.
    pub settings: ProjectSettings,
    /// `Procfile`, if there is one that names a process type.
    pub procfile: Option<Procfile>,
    /// `app.json`.
    pub app_json: AppJson,
    /// Warnings for the author; the files can be used nevertheless.
    pub warnings: Vec<BuildWarning>,
}

/// Why a source folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The path is not a folder.
    #[error("{} is not a folder: name the folder of the app", folder.display())]
    NotAFolder {
        /// The path as given.
        folder: PathBuf,
    },
    /// A file cannot be read, or is not text.
    #[error(transparent)]
    File(#[from] TextFileError),
    /// A file has a syntax error.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A Rust package without a program. Its Procfile cannot be used either.
    #[error(
        "{} is a Rust library without a program: add `src/main.rs`, or `crate-type = [\"cdylib\"]` under [lib] in Cargo.toml", folder.display()
    )]
    NoProgram {
        /// The folder.
        folder: PathBuf,
    },
    /// A language without a builder. Its Procfile cannot be used either.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedLanguage),
}

impl Project {
    /// Reads the files of a folder; each may be absent.
    pub fn load(folder: &Path) -> Result<Self, ProjectError> {
        Self::load_files(folder, &folder.join(procfile::NAME))
    }

    /// As [`Project::load`], with a Procfile of another name, which must exist.
    pub fn load_with(folder: &Path, procfile: &Path) -> Result<Self, ProjectError> {
        let failed = |source| TextFileError::Read {
            file: procfile.to_owned(),
            source,
        };
        std::fs::metadata(procfile).map_err(failed)?;
        Self::load_files(folder, procfile)
    }

    fn load_files(folder: &Path, procfile: &Path) -> Result<Self, ProjectError> {
        if !folder.is_dir() {
            return Err(ProjectError::NotAFolder {
                folder: folder.to_owned(),
            });
        }
        let mut warnings = Vec::new();
        let settings = parse_file(&folder.join(settings::NAME), settings::parse, &mut warnings)?;
        let parse = match is_built_from_source(folder, &settings) {
            true => procfile::parse_for_builder,
            false if rust::detect::is_project(folder) => procfile::parse_for_cargo,
            false => procfile::parse,
        };
        let procfile = parse_file(procfile, parse, &mut warnings)
            .map_err(|error| explain_procfile_error(error, folder, procfile))?;
        let app_json = parse_file(&folder.join(app_json::NAME), app_json::parse, &mut warnings)?;
        Ok(Self {
            folder: folder.to_owned(),
            settings: settings.unwrap_or_default(),
            procfile: procfile.filter(|procfile| !procfile.processes.is_empty()),
            app_json: app_json.unwrap_or_default(),
            warnings,
        })
    }

    /// Reads only `dyno.toml`, which is enough to know the app's name.
    pub fn load_settings(folder: &Path) -> Result<ProjectSettings, ProjectError> {
        let file = folder.join(settings::NAME);
        let settings = parse_file(&file, settings::parse, &mut Vec::new())?;
        Ok(settings.unwrap_or_default())
    }

    /// A project whose folder has none of the files.
    pub(super) fn without_files(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            settings: ProjectSettings::default(),
            procfile: None,
            app_json: AppJson::default(),
            warnings: Vec::new(),
        }
    }

    /// How many dynos of each process type to begin with. `dyno.toml` wins over `app.json`.
    pub fn formation(&self) -> BTreeMap<ProcessType, u32> {
        let mut formation = self.app_json.formation.clone();
        formation.extend(self.settings.formation.clone());
        formation
    }
}

/// Replaces a syntax error in a Procfile by the reason behind it, such as a language that has no builder: correcting the
/// Procfile line by line would not help then.
fn explain_procfile_error(error: ProjectError, folder: &Path, procfile: &Path) -> ProjectError {
    let ProjectError::Syntax(_) = &error else {
        return error;
    };
    let text = read_text(procfile).ok().flatten().unwrap_or_default();
    let words = unsupported::command_words(&text);
    if rust::detect::is_project(folder) {
        return match rust::detect::has_program(folder) {
            true => error,
            false => ProjectError::NoProgram {
                folder: folder.to_owned(),
            },
        };
    }
    if let Some(unsupported) = unsupported::find_language(folder, &words) {
        return unsupported.into();
    }
    match error {
        ProjectError::Syntax(mut error) if site::detect::has_start_page(folder) => {
            error
                .problem
                .push_str("; a static site needs no Procfile: remove it");
            error.into()
        }
        error => unsupported::find_platform(folder).map_or(error, ProjectError::from),
    }
}

/// Whether a builder will be chosen that reads the Procfile's words itself (JavaScript, Python, Ruby, Go or a static site), unless
/// the Procfile names components.
fn is_built_from_source(folder: &Path, settings: &Option<ProjectSettings>) -> bool {
    let has_command = settings
        .as_ref()
        .is_some_and(|settings| settings.build_command.is_some());
    let has_builder = javascript::detect::is_project(folder)
        || javascript::detect::is_lone_program(folder)
        || python::detect::is_project(folder)
        || ruby::detect::is_project(folder)
        || golang::detect::is_project(folder);
    let is_site = settings
        .as_ref()
        .is_some_and(|settings| settings.site.root.is_some());
    is_site || (!has_command && !rust::detect::is_project(folder) && has_builder)
}

/// Reads and parses a file; `None` if there is no such file.
fn parse_file<T>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<ParsedFile<T>, SyntaxError>,
    warnings: &mut Vec<BuildWarning>,
) -> Result<Option<T>, ProjectError> {
    let Some(text) = read_text(file)? else {
        return Ok(None);
    };
    let parsed = parse(&text).map_err(|error| with_file_name(error, file))?;
    warnings.extend(parsed.warnings);
    Ok(Some(parsed.value))
}

/// Puts the name of the file into the error: a Procfile may have an unusual name.
fn with_file_name(mut error: SyntaxError, file: &Path) -> SyntaxError {
    if let Some(name) = file.file_name() {
        error.file = name.to_string_lossy().into_owned();
    }
    error
}
