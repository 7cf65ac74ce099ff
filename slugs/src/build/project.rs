//! Owns a source folder as its author describes it: `dyno.toml`, `Procfile`, `app.json` read together.
//! Must not know how the app is built or packed.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use grid::name::ProcessType;

use crate::build::SITE_INDEX;
use crate::build::unsupported::{self, Unsupported};
use crate::manifest::{AppJson, Parsed, Procfile, Settings, SyntaxError, Warning, decode_text};
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
    #[error("{} is {problem}: save it as a short text in UTF-8", file.display())]
    NotText {
        /// Which.
        file: PathBuf,
        /// What it is instead.
        problem: &'static str,
    },
    /// One of the files has an error in it.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A Rust library, whose Procfile is not one of ours either.
    #[error(
        "{} is a Rust library without a program: add `src/main.rs`, or `crate-type = [\"cdylib\"]` under [lib] in Cargo.toml", folder.display()
    )]
    NoProgram {
        /// The folder.
        folder: PathBuf,
    },
    /// A language without a builder, whose Procfile is not one of ours either.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
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
            false if folder.join("Cargo.toml").is_file() => procfile::parse_for_cargo,
            false => procfile::parse,
        };
        let procfile = read(procfile, parse, &mut warnings)
            .map_err(|error| explain_procfile(error, folder, procfile))?;
        let app_json = read(&folder.join(app_json::NAME), app_json::parse, &mut warnings)?;
        Ok(Self {
            folder: folder.to_owned(),
            settings: settings.unwrap_or_default(),
            procfile: procfile.filter(|procfile| !procfile.processes.is_empty()),
            app_json: app_json.unwrap_or_default(),
            warnings,
        })
    }

    /// The settings of a folder alone: all that an app's name needs.
    pub fn load_settings(folder: &Path) -> Result<Settings, ProjectError> {
        let settings = read(
            &folder.join(settings::NAME),
            settings::parse,
            &mut Vec::new(),
        )?;
        Ok(settings.unwrap_or_default())
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

/// A Procfile for another language is not corrected line by line: the language has no builder.
fn explain_procfile(error: ProjectError, folder: &Path, procfile: &Path) -> ProjectError {
    let ProjectError::Syntax(_) = &error else {
        return error;
    };
    let text = read_text(procfile).ok().flatten().unwrap_or_default();
    let words = unsupported::command_words(&text);
    if folder.join("Cargo.toml").is_file() {
        return match unsupported::has_cargo_program(folder) {
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
        ProjectError::Syntax(mut error) if folder.join(SITE_INDEX).is_file() => {
            error
                .problem
                .push_str("; a static site needs no Procfile: remove it");
            error.into()
        }
        error => unsupported::find_platform(folder).map_or(error, ProjectError::from),
    }
}

/// Whether a builder of an interpreted language will be chosen, unless the Procfile names components.
fn is_built_from_source(folder: &Path, settings: &Option<Settings>) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    let has_command = settings
        .as_ref()
        .is_some_and(|settings| settings.build_command.is_some());
    let is_known = crate::build::is_javascript_project(folder)
        || crate::build::is_lone_javascript(folder)
        || crate::build::detect::is_python(folder);
    let is_site = settings
        .as_ref()
        .is_some_and(|settings| settings.site.root.is_some());
    is_site || (!has_command && !has("Cargo.toml") && is_known)
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
    let parsed = parse(&text).map_err(|error| of_file(error, file))?;
    warnings.extend(parsed.warnings);
    Ok(Some(parsed.value))
}

/// Names the file that was read: a Procfile may have another name than usual.
fn of_file(mut error: SyntaxError, file: &Path) -> SyntaxError {
    if let Some(name) = file.file_name() {
        error.file = name.to_string_lossy().into_owned();
    }
    error
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
    decode_text(bytes).map(Some).map_err(not_text)
}
