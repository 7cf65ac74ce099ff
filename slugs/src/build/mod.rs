//! Owns the way from a source folder to components: it picks the builder and runs the language's own tool.
//! Must not know the slug's form. It runs processes, which inherit this process's environment.

mod run;
mod rust;
mod tools;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::detect::{self, DetectError, Detected};
use crate::manifest::{Builder, Warning};
use crate::path::{PathError, SlugPath};
use crate::project::{Project, ProjectError};

pub use tools::Tools;

/// What a build tells while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A step begins, such as `cargo build`; for people.
    Step(String),
    /// A line of the tool's own output.
    Line(String),
}

/// The outcome of a build, ready to be packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The source folder and what its files say.
    pub project: Project,
    /// What built it.
    pub builder: Builder,
    /// The components, each with its name in the app and its place on this disk.
    pub components: Vec<BuiltComponent>,
    /// What else belongs to the app.
    pub files: Files,
}

impl Built {
    /// What deserves a word.
    pub fn warnings(&self) -> &[Warning] {
        &self.project.warnings
    }
}

/// A component that a build made or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltComponent {
    /// Its name in the app, whatever folder the tool wrote to.
    pub path: SlugPath,
    /// Where it is.
    pub file: PathBuf,
}

/// What of the source folder belongs to the app besides components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// All that is not left out.
    Folder,
    /// Nothing: the app is a single `.wasm` file.
    None,
}

/// Why a build failed. What the tool itself had to say went to the progress callback.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder's own files.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// No builder fits, or the build did not leave what it should.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// A tool is not there.
    #[error("`{tool}` is not installed: {remedy}")]
    NoTool {
        /// The program.
        tool: &'static str,
        /// How to get it.
        remedy: &'static str,
    },
    /// A tool could not be run.
    #[error("`{tool}` could not be run")]
    Run {
        /// The program.
        tool: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A tool failed.
    #[error("`{tool}` failed with {status}; its messages above say why")]
    Failed {
        /// As typed.
        tool: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// Rust cannot compile for wasm here.
    #[error(
        "this Rust has no wasm32-wasip2 and there is no rustup to add it: install Rust from https://rustup.rs, \
         then `rustup target add wasm32-wasip2`; or your system's package of the target"
    )]
    NoTarget,
    /// What a tool printed for us was not understood.
    #[error("`{tool}` printed what was not understood: {problem}; is it a current version?")]
    Output {
        /// As typed.
        tool: &'static str,
        /// What was wrong.
        problem: String,
    },
    /// The build made no program.
    #[error(
        "the build made no `.wasm` program: the package needs a `src/main.rs`, or `crate-type = [\"cdylib\"]` under [lib]"
    )]
    NoArtifact,
    /// A component with a name that no slug holds.
    #[error("`{name}` cannot be a file in a slug")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: PathError,
    },
}

/// Builds the app in a folder: detects the builder and runs it. Lines of the tool go to `progress` as they come.
pub fn build(folder: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Built, BuildError> {
    build_project(Project::load(folder)?, &Tools::attached(), progress)
}

/// As [`build`], of a project that was read before, with tools that can be ended.
pub fn build_project(
    project: Project,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let (builder, components) = match detect::detect(&project)? {
        Detected::Rust => rust::build(&project.folder, tools, progress)?,
        Detected::Command(command) => {
            progress(Progress::Step(command.clone()));
            run::shell(&project.folder, &command, tools, progress)?;
            (
                named("command"),
                in_folder(&project, detect::ready(&project)?),
            )
        }
        Detected::Ready(components) => (named("wasm"), in_folder(&project, components)),
    };
    Ok(Built {
        project,
        builder,
        components,
        files: Files::Folder,
    })
}

/// An app that is a single `.wasm` file: its `web` process, with no other files.
pub fn ready_made(file: &Path) -> Result<Built, BuildError> {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let path = SlugPath::new(&name).map_err(|source| BuildError::Name { name, source })?;
    let folder = file.parent().unwrap_or(Path::new("."));
    Ok(Built {
        project: Project::bare(folder),
        builder: named("wasm"),
        components: vec![BuiltComponent {
            path,
            file: file.to_owned(),
        }],
        files: Files::None,
    })
}

fn named(name: &str) -> Builder {
    Builder {
        name: name.to_owned(),
        tool: String::new(),
    }
}

fn in_folder(project: &Project, components: Vec<SlugPath>) -> Vec<BuiltComponent> {
    let place = |path: SlugPath| BuiltComponent {
        file: project.folder.join(path.as_str()),
        path,
    };
    components.into_iter().map(place).collect()
}
