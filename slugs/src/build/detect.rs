//! Owns the choice of a builder for a source folder, and where ready `.wasm` files are.
//! Must not know how a builder works.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use grid::name::ProcessType;

use crate::build;
use crate::build::project::Project;
use crate::build::unsupported::{self, Unsupported};
use crate::manifest::procfile;
use crate::path::{PathError, SlugPath};

/// Most entries of a folder that are looked at for `.wasm` files.
const ENTRIES_LOOKED_AT_MAX: usize = 10_000;

/// How a core module begins: magic number, version 1, layer 0. A component has another layer.
const CORE_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// What builds an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// `[build] command` of `dyno.toml`.
    Command(String),
    /// `Cargo.toml`.
    Rust,
    /// `package.json`, the configuration of Workers or Deno, or a lone program of a usual name.
    JavaScript,
    /// `requirements.txt`, `pyproject.toml`, `Pipfile` and their kin, or a Python program at a usual place.
    Python,
    /// `.c` files, and no tool of their own.
    C,
    /// A folder of pages: `root` in `dyno.toml`, or `index.html` and nothing else that is known.
    Static,
    /// Nothing to build: these components are there already.
    Ready(Vec<SlugPath>),
}

/// Why no builder fits.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// Nothing known.
    #[error(
        "{} holds no app that can be built: {LOOKED_FOR}. Begin with `dyno new NAME`, or name the app's folder", folder.display()
    )]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// A language that has no builder.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The Procfile names files that are not there.
    #[error(
        "the Procfile names `{component}`, which is not in the app's folder: correct the path, or say how it is built (`[build] command` in dyno.toml)"
    )]
    NotBuilt {
        /// The component.
        component: SlugPath,
    },
    /// `output` names nothing.
    #[error(
        "dyno.toml's output `{output}` is not there after the build: correct it, or let the build write it"
    )]
    NoOutput {
        /// As written.
        output: String,
    },
    /// `output` leaves the folder, or is no path.
    #[error("dyno.toml's output `{output}` is not a path in the app's folder")]
    BadOutput {
        /// As written.
        output: String,
        /// Why.
        #[source]
        source: PathError,
    },
    /// A site in a folder that is not named.
    #[error(
        "{} holds a static site in `{root}`: write `root = \"{root}\"` into dyno.toml, or name that folder", folder.display()
    )]
    SiteElsewhere {
        /// The folder.
        folder: PathBuf,
        /// Where its pages are.
        root: &'static str,
    },
    /// More than one candidate.
    #[error("there are several `.wasm` files ({}): say in a Procfile which one is which, as in `web: {}`", found.join(", "), found[0])]
    Several {
        /// Their names.
        found: Vec<String>,
    },
    /// The disk said no.
    #[error("{} cannot be read", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Files by which a Python project is known.
pub(crate) const PYTHON_MARKS: [&str; 7] = [
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "setup.py",
    "setup.cfg",
    "poetry.lock",
    "uv.lock",
];
/// Python programs that need no list of packages beside them.
const PYTHON_PROGRAMS: [&str; 4] = ["app.py", "main.py", "wsgi.py", "manage.py"];
/// First words of commands of Python apps, where another language's files are there as well.
const PYTHON_COMMANDS: [&str; 8] = [
    "python",
    "python3",
    "gunicorn",
    "waitress-serve",
    "flask",
    "uwsgi",
    "django-admin",
    "manage.py",
];

/// Whether a folder holds a Python project.
pub(crate) fn is_python(folder: &Path) -> bool {
    let has = |name: &&str| folder.join(name).is_file();
    PYTHON_MARKS.iter().chain(&PYTHON_PROGRAMS).any(has)
}

/// Whether the Procfile's `web` begins as those of Python apps do.
fn serves_python(procfile: &procfile::Procfile) -> bool {
    let web = procfile
        .processes
        .iter()
        .find(|(process, _)| process.is_web());
    web.is_some_and(|(_, command)| PYTHON_COMMANDS.contains(&command.component.file_name()))
}

/// Folders that tools leave a site in.
const SITE_FOLDERS: &[&str] = &[
    "public", "dist", "build", "out", "_site", "site", "www", "docs",
];

const LOOKED_FOR: &str = "looked for `[build] command` in dyno.toml, Cargo.toml, package.json, requirements.txt, pyproject.toml, \
     Pipfile or app.py, `.c` files, components that a Procfile names, one `.wasm` file, and index.html";

/// Chooses a builder: `[build] command`, `root` of a site, `Cargo.toml`, `.wasm` files that a Procfile names, a Procfile
/// that serves a Python project, `package.json` (or `wrangler.toml`, `deno.json`), a Python project, `.c` files,
/// `index.html`, a lone JavaScript program, then a ready `.wasm` file.
pub fn detect(project: &Project) -> Result<Detected, DetectError> {
    if let Some(command) = &project.settings.build_command {
        return Ok(Detected::Command(command.clone()));
    }
    if project.settings.site.root.is_some() {
        return Ok(Detected::Static);
    }
    if project.folder.join("Cargo.toml").is_file() {
        return Ok(Detected::Rust);
    }
    let has = |name: &str| project.folder.join(name).is_file();
    let are_named = project.procfile.as_ref().is_some_and(names_wasm) && !is_built_here(project);
    if are_named || !project.settings.output.is_empty() {
        return ready(project).map(Detected::Ready);
    }
    let python = is_python(&project.folder);
    if python && project.procfile.as_ref().is_some_and(serves_python) {
        return Ok(Detected::Python);
    }
    refuse_sure_language(project)?;
    if build::is_javascript_project(&project.folder) {
        return Ok(Detected::JavaScript);
    }
    if python {
        return Ok(Detected::Python);
    }
    if !has("Makefile") && !has("CMakeLists.txt") && is_c(&project.folder) {
        return Ok(Detected::C);
    }
    if is_site(project)? {
        return Ok(Detected::Static);
    }
    if build::is_lone_javascript(&project.folder) && wasm_files(&project.folder)?.is_empty() {
        return Ok(Detected::JavaScript);
    }
    ready(project).map(Detected::Ready)
}

/// Whether a folder is a static site: it has a start page, and no sign of anything else.
fn is_site(project: &Project) -> Result<bool, DetectError> {
    let folder = &project.folder;
    let is_page = |name: &String| is_core_module(&folder.join(name));
    Ok(folder.join(build::SITE_INDEX).is_file()
        && project.procfile.is_none()
        && wasm_files(folder)?.iter().all(is_page)
        && unsupported::find_language(folder, &[]).is_none())
}

/// Whether a file is a core module: beside a start page, that is the page's, since none can be `web`.
fn is_core_module(file: &Path) -> bool {
    let mut begin = Vec::new();
    let read = std::fs::File::open(file)
        .and_then(|file| file.take(CORE_MODULE.len() as u64).read_to_end(&mut begin));
    read.is_ok() && begin == CORE_MODULE
}

/// Whether what runs is given as components.
fn names_wasm(procfile: &procfile::Procfile) -> bool {
    let mut commands = procfile.processes.values();
    commands.any(|command| command.component.as_str().ends_with(".wasm"))
}

/// The C builder's own module, which a Procfile names to run it as something.
fn is_built_here(project: &Project) -> bool {
    let commands = project.procfile.iter().flat_map(|p| p.processes.values());
    let mut names = commands.map(|command| command.component.as_str());
    is_c(&project.folder) && names.all(|name| name == build::C_MODULE)
}

fn is_c(folder: &Path) -> bool {
    !build::c_sources(folder).is_empty()
}

/// The components that lie ready: those of `output`, of the Procfile, or the only one.
pub(crate) fn ready(project: &Project) -> Result<Vec<SlugPath>, DetectError> {
    let folder = &project.folder;
    if !project.settings.output.is_empty() {
        let found: Result<Vec<_>, _> = project
            .settings
            .output
            .iter()
            .map(|output| at_output(folder, output))
            .collect();
        return Ok(found?.concat());
    }
    if let Some(procfile) = &project.procfile {
        return named(folder, procfile);
    }
    let found = wasm_files(folder)?;
    match found.as_slice() {
        [] => Err(nothing(folder, &[])),
        [one] => Ok(vec![SlugPath::new(one).map_err(|source| {
            DetectError::BadOutput {
                output: one.clone(),
                source,
            }
        })?]),
        _ => Err(DetectError::Several { found }),
    }
}

fn nothing(folder: &Path, words: &[&str]) -> DetectError {
    if let Some(unsupported) = unsupported::find_language(folder, words) {
        return unsupported.into();
    }
    if let Some(unsupported) = unsupported::find_platform(folder) {
        return unsupported.into();
    }
    let index = |root: &&&str| folder.join(root).join(build::SITE_INDEX).is_file();
    if let Some(root) = SITE_FOLDERS.iter().find(index) {
        return DetectError::SiteElsewhere {
            folder: folder.to_owned(),
            root,
        };
    }
    DetectError::Nothing {
        folder: folder.to_owned(),
    }
}

/// Refuses an app of a language without a builder, although there is a `package.json` or the like beside it.
fn refuse_sure_language(project: &Project) -> Result<(), DetectError> {
    let web = project
        .procfile
        .iter()
        .filter_map(|procfile| procfile.processes.get(&ProcessType::web()));
    let words: Vec<&str> = web.map(|command| command.component.as_str()).collect();
    let found = unsupported::find_sure_language(&project.folder, &words);
    match found.filter(|_| wasm_files(&project.folder).is_ok_and(|files| files.is_empty())) {
        Some(unsupported) => Err(unsupported.into()),
        None => Ok(()),
    }
}

/// What a Procfile names: all of it must be there, or else nothing has been built at all.
fn named(folder: &Path, procfile: &procfile::Procfile) -> Result<Vec<SlugPath>, DetectError> {
    let mut components: Vec<SlugPath> = procfile
        .processes
        .values()
        .map(|command| command.component.clone())
        .collect();
    components.sort();
    components.dedup();
    let absent = components
        .iter()
        .find(|component| !folder.join(component.as_str()).is_file());
    match absent {
        None => Ok(components),
        Some(component) => match nothing(folder, &[]) {
            DetectError::Nothing { .. } => Err(DetectError::NotBuilt {
                component: component.clone(),
            }),
            error => Err(error),
        },
    }
}

/// One `output`: a file, or a folder with `.wasm` files in it.
fn at_output(folder: &Path, output: &str) -> Result<Vec<SlugPath>, DetectError> {
    let bad = |source| DetectError::BadOutput {
        output: output.to_owned(),
        source,
    };
    let trimmed = output
        .strip_prefix("./")
        .unwrap_or(output)
        .trim_end_matches('/');
    let path = SlugPath::new(trimmed).map_err(bad)?;
    let place = folder.join(path.as_str());
    if place.is_file() {
        return Ok(vec![path]);
    }
    if !place.is_dir() {
        return Err(DetectError::NoOutput {
            output: output.to_owned(),
        });
    }
    let found = wasm_files(&place)?;
    if found.is_empty() {
        return Err(DetectError::NoOutput {
            output: format!("{trimmed}/*.wasm"),
        });
    }
    found
        .iter()
        .map(|name| SlugPath::new(&format!("{path}/{name}")).map_err(bad))
        .collect()
}

/// Names of the `.wasm` files right in a folder, sorted.
fn wasm_files(folder: &Path) -> Result<Vec<String>, DetectError> {
    let failed = |source| DetectError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)
        .map_err(failed)?
        .take(ENTRIES_LOOKED_AT_MAX)
    {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().map_err(failed)?.is_file();
        if let Some(name) = entry
            .file_name()
            .to_str()
            .filter(|name| is_file && name.ends_with(".wasm"))
        {
            found.push(name.to_owned());
        }
    }
    found.sort();
    Ok(found)
}
