//! Owns the way from a source folder to components: it chooses a builder and has it run the language's own tools.
//! Must not know the format of a slug. The tools are processes that inherit this process's environment.
//!
//! Each language is a folder with a `detect` (by which files it is known) and a `build`. What all of them need is in
//! `toolbox`, and what each of them hands back is in `output`.

pub(crate) mod built_app;
mod c;
pub mod detect;
mod error;
mod golang;
mod javascript;
pub(crate) mod output;
pub mod project;
mod python;
mod ruby;
mod rust;
mod site;
mod toolbox;
mod unsupported;

use std::path::Path;

use crate::manifest::slug_json::BuilderRecord;
use crate::path::SlugPath;
use detect::DetectedBuilder;
use output::BuilderOutput;
use project::Project;
use toolbox::run;

pub use built_app::{BuiltApp, IncludedFiles};
pub use error::BuildError;
pub use output::BuiltFile;
pub use toolbox::error::BuilderError;
pub use toolbox::progress::BuildProgress;
pub use toolbox::tools::Tools;
pub use unsupported::UnsupportedLanguage;

/// Builds the app in a folder: chooses a builder and runs it, with the tools of `tools`. The lines that the tools print go
/// to `progress` as they come.
pub fn build(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuiltApp, BuildError> {
    build_project(Project::load(folder)?, tools, progress)
}

/// Builds a project that was loaded before. See [`build`].
pub fn build_project(
    project: Project,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuiltApp, BuildError> {
    let (folder, procfile) = (project.folder.as_path(), project.procfile.as_ref());
    let (settings, has_site) = (&project.settings, project.settings.site.root.is_some());
    let output = match detect::detect_builder(&project)? {
        DetectedBuilder::Rust => rust::build(folder, procfile, tools, progress)?,
        DetectedBuilder::JavaScript => javascript::build(folder, procfile, tools, progress)?,
        DetectedBuilder::Python => python::build(folder, procfile, tools, progress)?,
        DetectedBuilder::Ruby => ruby::build(folder, procfile, tools, progress)?,
        DetectedBuilder::Go => golang::build(folder, procfile, tools, progress)?,
        DetectedBuilder::C => c::build(folder, procfile, tools, progress)?,
        DetectedBuilder::Static => site::build(folder, procfile, settings, tools, progress)?,
        DetectedBuilder::Command(command) => {
            progress(BuildProgress::Step(command.clone()));
            run::run_shell(folder, &command, tools, progress)?;
            match has_site {
                true => site::build(folder, procfile, settings, tools, progress)?,
                false => ready_output("command", folder, detect::find_ready(&project)?),
            }
        }
        DetectedBuilder::Ready(components) => ready_output("wasm", folder, components),
    };
    Ok(BuiltApp::new(project, output, IncludedFiles::Folder))
}

/// An app that is a single `.wasm` file: its `web` process, with no other files.
pub fn ready_made(file: &Path) -> Result<BuiltApp, BuildError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let component = BuiltFile::new(&name, file)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let output = BuilderOutput::from_components(builder_record("wasm"), vec![component]);
    Ok(BuiltApp::new(
        Project::without_files(folder),
        output,
        IncludedFiles::None,
    ))
}

/// The output of no builder: components that are in the folder already.
fn ready_output(builder: &str, folder: &Path, components: Vec<SlugPath>) -> BuilderOutput {
    let built_file = |path: SlugPath| BuiltFile {
        file: folder.join(path.as_str()),
        path,
    };
    let components = components.into_iter().map(built_file).collect();
    BuilderOutput::from_components(builder_record(builder), components)
}

fn builder_record(name: &str) -> BuilderRecord {
    BuilderRecord {
        name: name.to_owned(),
        tool: String::new(),
    }
}
