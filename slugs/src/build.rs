//! Owns the way from a source folder to components: it picks the builder and runs the language's own tool.
//! Must not know the slug's form. It runs processes, which inherit this process's environment.

mod c;
pub mod detect;
mod javascript;
pub mod project;
mod python;
mod rust;
mod site;
mod toolbox;
mod unsupported;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use grid::name::ProcessType;

use crate::manifest::{Builder, Command, CommandProgram, Warning};
use crate::path::{PathError, SlugPath};
use detect::{DetectError, Detected};
use project::{Project, ProjectError};
use toolbox::run;

pub(crate) use c::{MODULE as C_MODULE, sources_of as c_sources};
pub(crate) use javascript::{
    is_lone_program as is_lone_javascript, is_project as is_javascript_project,
};
pub(crate) use site::INDEX as SITE_INDEX;
pub use toolbox::tools::Tools;

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
    /// Further files that the build made, which the app's own folder does not hold under these names.
    pub made: Vec<BuiltComponent>,
    /// What the process types run, where the builder knows it better than the Procfile.
    pub commands: Option<BTreeMap<ProcessType, Command>>,
    /// What the first word of a one-off's command stands for, besides process types and components.
    pub command_words: BTreeMap<String, CommandProgram>,
    /// What else belongs to the app.
    pub files: Files,
}

impl Built {
    /// What deserves a word.
    pub fn warnings(&self) -> &[Warning] {
        &self.project.warnings
    }
}

/// What a builder leaves.
struct Made {
    builder: Builder,
    components: Vec<BuiltComponent>,
    files: Vec<BuiltComponent>,
    commands: Option<BTreeMap<ProcessType, Command>>,
    command_words: BTreeMap<String, CommandProgram>,
    warnings: Vec<Warning>,
}

impl Made {
    /// Components alone, which the Procfile tells apart.
    fn components(builder: Builder, components: Vec<BuiltComponent>) -> Self {
        Self {
            builder,
            components,
            files: Vec::new(),
            commands: None,
            command_words: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }
}

/// One component, as the only process type `web`.
fn web(component: &str) -> BTreeMap<ProcessType, Command> {
    BTreeMap::from([(ProcessType::web(), command(component))])
}

/// A component without arguments.
fn command(component: &str) -> Command {
    Command {
        component: SlugPath::new(component).expect("a path that this program names"),
        args: Vec::new(),
    }
}

/// A component, or another file, that a build made or found.
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
    /// A tool failed for a reason that is known.
    #[error("`{tool}` failed: {advice}")]
    Advised {
        /// As typed.
        tool: &'static str,
        /// What stands in the way, and what works.
        advice: String,
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
    /// Tools of a language could not be had.
    #[error(
        "{title} could not be installed: it comes from the language's package registry, which must be reached this once"
    )]
    Toolchain {
        /// What they are.
        title: &'static str,
        /// Why.
        #[source]
        source: Box<BuildError>,
    },
    /// The app's files cannot be listed.
    #[error(transparent)]
    Files(#[from] Box<crate::pack::PackError>),
    /// The app is not what its builder can build; the text says what, where, and what to do.
    #[error("{0}")]
    Refused(String),
    /// The disk said no.
    #[error("{} cannot be read", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk said no, or the build was broken off while it waited to write.
    #[error("{} cannot be written", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
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

/// Builds the app in a folder: detects the builder and runs it, with the tools of `tools`. Their lines go to `progress`
/// as they come.
pub fn build(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    build_project(Project::load(folder)?, tools, progress)
}

/// As [`build`], of a project that was read before.
pub fn build_project(
    project: Project,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let (folder, procfile) = (&project.folder, project.procfile.as_ref());
    let made = match detect::detect(&project)? {
        Detected::Rust => rust::build(folder, procfile, tools, progress)?,
        Detected::JavaScript => javascript::build(folder, procfile, tools, progress)?,
        Detected::Python => python::build(folder, procfile, tools, progress)?,
        Detected::C => c::build(folder, procfile, tools, progress)?,
        Detected::Static => site::build(&project, tools, progress)?,
        Detected::Command(command) => {
            progress(Progress::Step(command.clone()));
            run::shell(folder, &command, tools, progress)?;
            if project.settings.site.root.is_some() {
                let made = site::build(&project, tools, progress)?;
                return Ok(finish(project, made));
            }
            let components = in_folder(&project, detect::ready(&project)?);
            Made::components(named("command"), components)
        }
        Detected::Ready(components) => {
            Made::components(named("wasm"), in_folder(&project, components))
        }
    };
    Ok(finish(project, made))
}

fn finish(mut project: Project, made: Made) -> Built {
    project.warnings.extend(made.warnings);
    Built {
        project,
        builder: made.builder,
        components: made.components,
        made: made.files,
        commands: made.commands,
        command_words: made.command_words,
        files: Files::Folder,
    }
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
        made: Vec::new(),
        commands: None,
        command_words: BTreeMap::new(),
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
