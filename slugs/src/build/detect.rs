//! Owns the choice of a builder for a source folder, and the search for `.wasm` files that are there already.
//! Must not know how a builder works.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use grid::name::ProcessType;

use super::project::Project;
use super::toolbox::command_line::{parse_setting, words_of};
use super::unsupported::{self, UnsupportedLanguage};
use super::{c, golang, javascript, python, ruby, rust, site};
use crate::manifest::procfile::Procfile;
use crate::path::{PathError, SlugPath};

/// The largest number of entries of a folder that are searched for `.wasm` files.
const ENTRIES_SEARCHED_MAX: usize = 10_000;

/// How a core module begins: magic number, version 1, layer 0. A component has another layer.
const CORE_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// The builder of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetectedBuilder {
    /// `[build] command` of `dyno.toml`.
    Command(String),
    /// The folder has a `Cargo.toml`.
    Rust,
    /// The folder has a `package.json`, a configuration of Workers or Deno, or a single program with a usual name.
    JavaScript,
    /// The folder has a `requirements.txt`, a `pyproject.toml`, a `Pipfile` or the like, or a Python program with a
    /// usual name.
    Python,
    /// There is a `config.ru`, a `Gemfile`, or a Procfile that starts a Ruby program.
    Ruby,
    /// The folder has a `go.mod`.
    Go,
    /// The folder has `.c` files, and no build file of another tool.
    C,
    /// A folder of pages: `root` in `dyno.toml`, or `index.html` without any sign of another language.
    Static,
    /// The folder has these built components, so no build is needed.
    Ready(Vec<SlugPath>),
}

/// Why no builder fits, or why components are missing.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The folder has no known file.
    #[error(
        "{} holds no app that dyno can build: {LOOKED_FOR}. Begin with `dyno new NAME`, or name the app's folder", folder.display()
    )]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// The app's language has no builder.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedLanguage),
    /// The Procfile names a component that is missing.
    #[error(
        "the Procfile names `{component}`, which is not in the app's folder: correct the path, or say how to build it (`[build] command` in dyno.toml)"
    )]
    NotBuilt {
        /// The component.
        component: SlugPath,
    },
    /// `output` of `dyno.toml` names a file that is missing.
    #[error(
        "dyno.toml's output `{output}` is not there after the build: correct it, or let the build write it"
    )]
    NoOutput {
        /// The setting as written.
        output: String,
    },
    /// `output` of `dyno.toml` is not a path inside of the folder.
    #[error("dyno.toml's output `{output}` is not a path in the app's folder")]
    BadOutput {
        /// The setting as written.
        output: String,
        /// The rule that the path breaks.
        #[source]
        source: PathError,
    },
    /// The only start page is in a subfolder, and `dyno.toml` does not name that folder.
    #[error(
        "{} holds a static site in `{root}`: write `root = \"{root}\"` into dyno.toml, or name that folder", folder.display()
    )]
    SiteElsewhere {
        /// The folder.
        folder: PathBuf,
        /// The subfolder with the start page.
        root: &'static str,
    },
    /// The folder has several `.wasm` files and no Procfile.
    #[error("there are several `.wasm` files ({}): say in a Procfile which one is which, as in `web: {}`", found.join(", "), found[0])]
    Several {
        /// The names of the files.
        found: Vec<String>,
    },
    /// The system refused to read a folder.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Programs that start JavaScript apps: a Go module beside such an app is a tool of it.
const JAVASCRIPT_PROGRAMS: [&str; 7] = ["node", "npm", "npx", "pnpm", "yarn", "bun", "deno"];

const LOOKED_FOR: &str = "looked for `[build] command` in dyno.toml, Cargo.toml, go.mod, package.json, requirements.txt, pyproject.toml, \
     Pipfile or app.py, config.ru, Gemfile, `.c` files, components that a Procfile names, one `.wasm` file, and index.html";

/// Chooses a builder. The order: `[build] command`, `root` of a site, `Cargo.toml`, `.wasm` files that a Procfile names, a
/// Procfile that serves a Python project, a Rack app or a Procfile that starts one, `go.mod`, `package.json` (or `wrangler.toml`,
/// `deno.json`), a Python project, a `Gemfile`, `.c` files, `index.html`, a single JavaScript program, a `.wasm` file.
pub fn detect_builder(project: &Project) -> Result<DetectedBuilder, DetectError> {
    let folder = project.folder.as_path();
    let (settings, procfile) = (&project.settings, project.procfile.as_ref());
    if let Some(command) = &settings.build_command {
        return Ok(DetectedBuilder::Command(command.clone()));
    }
    if settings.site.root.is_some() {
        return Ok(DetectedBuilder::Static);
    }
    if rust::detect::is_project(folder) {
        return Ok(DetectedBuilder::Rust);
    }
    let names_ready = procfile.is_some_and(names_wasm) && !names_c_module_only(project);
    if names_ready || !settings.output.is_empty() {
        return find_ready(project).map(DetectedBuilder::Ready);
    }
    let is_python = python::detect::is_project(folder);
    if is_python && procfile.is_some_and(serves_python) {
        return Ok(DetectedBuilder::Python);
    }
    let is_ruby = ruby::detect::is_project(folder);
    let says_ruby = procfile.map_or_else(|| ruby::detect::is_rack_app(folder), runs_ruby);
    if is_ruby && says_ruby {
        return Ok(DetectedBuilder::Ruby);
    }
    if golang::detect::is_project(folder) && !procfile.is_some_and(serves_javascript) {
        return Ok(DetectedBuilder::Go);
    }
    refuse_sure_language(project)?;
    if javascript::detect::is_project(folder) {
        return Ok(DetectedBuilder::JavaScript);
    }
    if is_python {
        return Ok(DetectedBuilder::Python);
    }
    if is_ruby {
        return Ok(DetectedBuilder::Ruby);
    }
    if c::detect::is_project(folder) {
        return Ok(DetectedBuilder::C);
    }
    if is_site(project)? {
        return Ok(DetectedBuilder::Static);
    }
    if javascript::detect::is_lone_program(folder) && list_wasm_files(folder)?.is_empty() {
        return Ok(DetectedBuilder::JavaScript);
    }
    find_ready(project).map(DetectedBuilder::Ready)
}

/// Whether the Procfile's `web` begins with a program that starts Python apps.
fn serves_python(procfile: &Procfile) -> bool {
    let web = procfile.processes.get(&ProcessType::web());
    web.is_some_and(|command| python::detect::is_server_command(command.component.file_name()))
}

/// Whether the Procfile's `web` begins with a program that starts JavaScript apps.
fn serves_javascript(procfile: &Procfile) -> bool {
    let web = procfile.processes.get(&ProcessType::web());
    web.is_some_and(|command| JAVASCRIPT_PROGRAMS.contains(&command.component.as_str()))
}

/// Whether the Procfile's `web` begins with a program that starts Ruby apps.
fn runs_ruby(procfile: &Procfile) -> bool {
    let Some(web) = procfile.processes.get(&ProcessType::web()) else {
        return false;
    };
    let words = words_of(web);
    let mut programs = words.iter().skip_while(|word| {
        parse_setting(word).is_some() || ["env", "exec"].contains(&word.as_str())
    });
    let program = programs.next().and_then(|word| word.rsplit('/').next());
    program.is_some_and(ruby::detect::is_ruby_command)
}

/// Whether a folder is a static site: it has a start page, and no sign of another language.
fn is_site(project: &Project) -> Result<bool, DetectError> {
    let folder = &project.folder;
    let belongs_to_page = |name: &String| is_core_module(&folder.join(name));
    Ok(site::detect::has_start_page(folder)
        && project.procfile.is_none()
        && list_wasm_files(folder)?.iter().all(belongs_to_page)
        && unsupported::find_language(folder, &[]).is_none())
}

/// Whether a file is a core module. Beside a start page, a core module is loaded by the page: it cannot be `web`.
fn is_core_module(file: &Path) -> bool {
    let mut begin = Vec::new();
    let read = std::fs::File::open(file)
        .and_then(|file| file.take(CORE_MODULE.len() as u64).read_to_end(&mut begin));
    read.is_ok() && begin == CORE_MODULE
}

/// Whether any command of a Procfile is a component.
fn names_wasm(procfile: &Procfile) -> bool {
    let mut commands = procfile.processes.values();
    commands.any(|command| command.component.as_str().ends_with(".wasm"))
}

/// Whether all commands are the module that the C builder makes of the sources here.
fn names_c_module_only(project: &Project) -> bool {
    let commands = project.procfile.iter().flat_map(|p| p.processes.values());
    let mut names = commands.map(|command| command.component.as_str());
    c::detect::has_sources(&project.folder) && names.all(|name| name == c::detect::MODULE)
}

/// Finds the components that are there already: those of `output`, those of the Procfile, or the only one.
pub(super) fn find_ready(project: &Project) -> Result<Vec<SlugPath>, DetectError> {
    let folder = &project.folder;
    if !project.settings.output.is_empty() {
        let found: Result<Vec<_>, _> = project
            .settings
            .output
            .iter()
            .map(|output| find_output(folder, output))
            .collect();
        return Ok(found?.concat());
    }
    if let Some(procfile) = &project.procfile {
        return find_named(folder, procfile);
    }
    let found = list_wasm_files(folder)?;
    match found.as_slice() {
        [] => Err(explain_nothing(folder)),
        [only] => Ok(vec![SlugPath::new(only).map_err(|source| {
            DetectError::BadOutput {
                output: only.clone(),
                source,
            }
        })?]),
        _ => Err(DetectError::Several { found }),
    }
}

/// The most helpful error about a folder that no builder fits.
fn explain_nothing(folder: &Path) -> DetectError {
    if let Some(unsupported) = unsupported::find_language(folder, &[]) {
        return unsupported.into();
    }
    if let Some(unsupported) = unsupported::find_platform(folder) {
        return unsupported.into();
    }
    if let Some(root) = site::detect::find_site_folder(folder) {
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
    match found.filter(|_| list_wasm_files(&project.folder).is_ok_and(|files| files.is_empty())) {
        Some(unsupported) => Err(unsupported.into()),
        None => Ok(()),
    }
}

/// The components that a Procfile names. All of them must be there.
fn find_named(folder: &Path, procfile: &Procfile) -> Result<Vec<SlugPath>, DetectError> {
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
        Some(component) => match explain_nothing(folder) {
            DetectError::Nothing { .. } => Err(DetectError::NotBuilt {
                component: component.clone(),
            }),
            error => Err(error),
        },
    }
}

/// The components of one `output`: a file, or a folder with `.wasm` files in it.
fn find_output(folder: &Path, output: &str) -> Result<Vec<SlugPath>, DetectError> {
    let bad = |source| DetectError::BadOutput {
        output: output.to_owned(),
        source,
    };
    let trimmed = output
        .strip_prefix("./")
        .unwrap_or(output)
        .trim_end_matches('/');
    let path = SlugPath::new(trimmed).map_err(bad)?;
    let on_disk = folder.join(path.as_str());
    if on_disk.is_file() {
        return Ok(vec![path]);
    }
    if !on_disk.is_dir() {
        return Err(DetectError::NoOutput {
            output: output.to_owned(),
        });
    }
    let found = list_wasm_files(&on_disk)?;
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

/// The names of the `.wasm` files directly in a folder, sorted.
fn list_wasm_files(folder: &Path) -> Result<Vec<String>, DetectError> {
    let failed = |source| DetectError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)
        .map_err(failed)?
        .take(ENTRIES_SEARCHED_MAX)
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
