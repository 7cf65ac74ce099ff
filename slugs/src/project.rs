//! Owns a source folder as its author describes it: `dyno.toml`, `Procfile`, `app.json` read together.
//! Must not know how the app is built or packed.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use grid::name::ProcessType;

use crate::manifest::{AppJson, Parsed, Procfile, Settings, SyntaxError, Warning};
use crate::manifest::{app_json, procfile, settings};

/// Largest of the files read here (1 MiB): people write them by hand.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A source folder and what its files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The app's folder.
    pub folder: PathBuf,
    /// `dyno.toml`.
    pub settings: Settings,
    /// `Procfile`, if there is one.
    pub procfile: Option<Procfile>,
    /// `app.json`.
    pub app_json: AppJson,
    /// What deserves a word.
    pub warnings: Vec<Warning>,
}

/// Why a source folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Not there, or a file.
    #[error("{} is not a folder: name the folder of the app", folder.display())]
    NotAFolder {
        /// As given.
        folder: PathBuf,
    },
    /// One of the files cannot be read.
    #[error("{} cannot be read", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// One of the files is not text, or too large.
    #[error("{} is {problem}: it should be a short text in UTF-8", file.display())]
    NotText {
        /// Which.
        file: PathBuf,
        /// What it is instead.
        problem: &'static str,
    },
    /// One of the files has an error in it.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
}

impl Project {
    /// Reads the files of a folder; each may be absent.
    pub fn load(folder: &Path) -> Result<Self, ProjectError> {
        Self::read(folder, &folder.join(procfile::NAME))
    }

    /// As [`Project::load`], with a Procfile of another name, which must be there.
    pub fn load_with(folder: &Path, procfile: &Path) -> Result<Self, ProjectError> {
        let failed = |source| ProjectError::Read {
            file: procfile.to_owned(),
            source,
        };
        std::fs::metadata(procfile).map_err(failed)?;
        Self::read(folder, procfile)
    }

    fn read(folder: &Path, procfile: &Path) -> Result<Self, ProjectError> {
        if !folder.is_dir() {
            return Err(ProjectError::NotAFolder {
                folder: folder.to_owned(),
            });
        }
        let mut warnings = Vec::new();
        let settings = read(&folder.join(settings::NAME), settings::parse, &mut warnings)?;
        let parse = match is_built_from_source(folder, &settings) {
            true => procfile::parse_for_builder,
            false => procfile::parse,
        };
        let procfile = read(procfile, parse, &mut warnings)?;
        let app_json = read(&folder.join(app_json::NAME), app_json::parse, &mut warnings)?;
        Ok(Self {
            folder: folder.to_owned(),
            settings: settings.unwrap_or_default(),
            procfile: procfile.filter(|procfile| !procfile.processes.is_empty()),
            app_json: app_json.unwrap_or_default(),
            warnings,
        })
    }

    /// A project that is nothing but settings left at their defaults.
    pub(crate) fn bare(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            settings: Settings::default(),
            procfile: None,
            app_json: AppJson::default(),
            warnings: Vec::new(),
        }
    }

    /// How many dynos of each type to begin with: `app.json`'s, with `dyno.toml`'s over them.
    pub fn formation(&self) -> BTreeMap<ProcessType, u32> {
        let mut formation = self.app_json.formation.clone();
        formation.extend(self.settings.formation.clone());
        formation
    }
}

/// Whether a builder of an interpreted language will be chosen, unless the Procfile names components.
fn is_built_from_source(folder: &Path, settings: &Option<Settings>) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    let has_command = settings
        .as_ref()
        .is_some_and(|settings| settings.build_command.is_some());
    let is_known = has("package.json") || crate::detect::is_python(folder);
    !has_command && !has("Cargo.toml") && is_known
}

/// Reads and parses a file, if it is there.
fn read<T>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<Parsed<T>, SyntaxError>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<T>, ProjectError> {
    let Some(text) = read_text(file)? else {
        return Ok(None);
    };
    let parsed = parse(&text)?;
    warnings.extend(parsed.warnings);
    Ok(Some(parsed.value))
}

/// A short text file, or nothing if it is not there.
pub(crate) fn read_text(file: &Path) -> Result<Option<String>, ProjectError> {
    let failed = |source| ProjectError::Read {
        file: file.to_owned(),
        source,
    };
    let not_text = |problem| ProjectError::NotText {
        file: file.to_owned(),
        problem,
    };
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(not_text("over 1 MiB"));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| not_text("not UTF-8"))
}
