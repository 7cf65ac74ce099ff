//! Owns the build of a Go app: each program becomes a core module of WASI preview 1. Must not know slugs.
//!
//! `go` runs at each build, and finds out by itself what has changed. It writes to its own caches and to the app's folder in
//! the cache of `dyno`.

use std::path::Path;

use super::advice::{FailedBuild, check_stubs};
use super::certificates::find_certificates;
use super::overlay::ensure_overlay;
use super::programs::{GoProgram, choose_programs, list_programs};
use super::toolchain::{CgoFiles, GoToolchain};
use crate::build::output::{BuilderOutput, BuiltFile};
use crate::build::toolbox::build_folder::BuildFolder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::tools::Tools;
use crate::manifest::procfile::Procfile;
use crate::manifest::slug_json::{BuilderRecord, CommandProgram, is_command_word};
use crate::path::SlugPath;

/// The command, as people would type it.
const SHOWN: &str = "go build";

/// Builds the module in a folder.
pub(in crate::build) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuilderOutput, BuilderError> {
    let toolchain = GoToolchain::find(folder, tools, progress)?;
    let programs = list_programs(&toolchain, folder, tools, progress)?;
    let choice = choose_programs(&programs, procfile)?;
    check_stubs(&toolchain, folder, tools)?;
    let overlay = ensure_overlay(&toolchain, tools, progress)?;
    let outputs = BuildFolder::open_for_app(folder, tools, progress)?;
    let mut components = Vec::new();
    for program in &choice.programs {
        let file = outputs.path_of(&format!("go-{}.wasm", program.name));
        compile(
            &toolchain,
            folder,
            program,
            (&overlay, &file),
            tools,
            progress,
        )?;
        components.push(BuiltFile::new(&program.component(), &file)?);
    }
    let builder = BuilderRecord {
        name: "go".to_owned(),
        tool: toolchain.version,
    };
    let mut output = BuilderOutput::from_components(builder, components);
    output.extra_files.extend(find_certificates()?);
    output.commands = Some(choice.commands);
    for program in choice.programs {
        if is_command_word(&program.name) {
            let component =
                SlugPath::new(&program.component()).map_err(|source| BuilderError::Name {
                    name: program.component(),
                    source,
                })?;
            let args = Vec::new();
            let word = CommandProgram { component, args };
            output.command_words.insert(program.name, word);
        }
    }
    Ok(output)
}

/// Compiles a program. The file is left as it is if nothing has changed.
fn compile(
    toolchain: &GoToolchain,
    folder: &Path,
    program: &GoProgram,
    (overlay, file): (&Path, &Path),
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    let package = program.package();
    progress(BuildProgress::Step(format!("{SHOWN} {package}")));
    let mut go = toolchain.command(folder, CgoFiles::LeftOut);
    // Paths of this machine and states of a repository would make two builds of the same files differ.
    go.args(["build", "-trimpath", "-buildvcs=false", "-overlay"])
        .arg(overlay)
        .arg("-o")
        .arg(file)
        .arg(&package);
    let mut failed = FailedBuild::default();
    let outcome = run::run_streaming(go, SHOWN, tools, &mut |_, line| {
        failed.add_line(&line);
        progress(BuildProgress::Line(line));
    });
    outcome.map_err(|error| match error {
        BuilderError::Failed { .. } => {
            match failed.explain(&toolchain.list_cgo_packages(folder, &package, tools)) {
                Some(advice) => BuilderError::Advised {
                    tool: SHOWN,
                    advice,
                },
                None => error,
            }
        }
        _ => error,
    })
}
