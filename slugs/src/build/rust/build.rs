//! Owns the run of cargo for WebAssembly, and the search for the components that it made.
//! Must not know slugs or process types.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::advice::CargoLines;
use super::flags::remap_flags;
use super::metadata::CargoMetadata;
use super::rustc::{TARGET, ensure_target, run_rustc};
use crate::build::output::{BuilderOutput, BuiltFile, web_command};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run::{self, OutputStream};
use crate::build::toolbox::tools::Tools;
use crate::manifest::procfile::Procfile;
use crate::manifest::slug_json::BuilderRecord;

/// Builds the package or workspace in a folder.
pub(in crate::build) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuilderOutput, BuilderError> {
    let version = run_rustc(folder, &["--version"], tools, progress)?;
    ensure_target(folder, tools, progress)?;
    let metadata = CargoMetadata::load(folder, tools, progress)?;
    let components = compile(folder, &metadata, tools, progress)?;
    let builder = BuilderRecord {
        name: "rust".to_owned(),
        tool: version,
    };
    let default = metadata.default_program().filter(|_| procfile.is_none());
    let default = default.filter(|path| components.iter().any(|built| built.path.as_str() == path));
    let mut output = BuilderOutput::from_components(builder, components);
    output.commands = default.map(|path| web_command(&path));
    Ok(output)
}

/// Runs cargo, and collects the components that it makes.
fn compile(
    folder: &Path,
    metadata: &CargoMetadata,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<Vec<BuiltFile>, BuilderError> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(folder)
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        // Incremental objects differ from run to run.
        .env("CARGO_INCREMENTAL", "0");
    if let Some(flags) = remap_flags(folder, &metadata.workspace_root, tools, progress)? {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    }
    let shown = "cargo build --release --target wasm32-wasip2";
    progress(BuildProgress::Step(shown.to_owned()));
    let (mut components, mut lines) = (Vec::new(), CargoLines::default());
    let outcome = run::run_streaming(cargo, shown, tools, &mut |from, line| match from {
        OutputStream::Stderr => {
            lines.add_line(&line);
            progress(BuildProgress::Line(line));
        }
        OutputStream::Stdout => components.extend(parse_artifact(&line, metadata)),
    });
    outcome.map_err(
        |error| match lines.advice(&metadata.workspace_root.join("Cargo.lock")) {
            Some(advice) => BuilderError::Advised {
                tool: shown,
                advice,
            },
            None => error,
        },
    )?;
    let mut components: Vec<BuiltFile> = components.into_iter().collect::<Result<_, _>>()?;
    components.sort_by(|left, right| left.path.cmp(&right.path));
    components.dedup_by(|left, right| left.path == right.path);
    if components.is_empty() {
        return Err(BuilderError::NoArtifact);
    }
    Ok(components)
}

/// A line of cargo's JSON output about a file that it made.
#[derive(Deserialize)]
struct CargoMessage {
    reason: String,
    package_id: String,
    target: CargoTarget,
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct CargoTarget {
    crate_types: Vec<String>,
}

/// The component that a line of cargo's output is about: a program or a cdylib of the workspace's own packages.
fn parse_artifact(line: &str, metadata: &CargoMetadata) -> Option<Result<BuiltFile, BuilderError>> {
    let message: CargoMessage = serde_json::from_str(line).ok()?;
    let is_runnable = message
        .target
        .crate_types
        .iter()
        .any(|kind| kind == "bin" || kind == "cdylib");
    if message.reason != "compiler-artifact"
        || !is_runnable
        || !metadata.workspace_members.contains(&message.package_id)
    {
        return None;
    }
    let file = message
        .filenames
        .into_iter()
        .find(|file| file.extension().is_some_and(|end| end == "wasm"))?;
    let name = file.file_name()?.to_str()?;
    // The name in the app is the usual one, even where CARGO_TARGET_DIR puts the file elsewhere.
    let name = format!("target/{TARGET}/release/{name}");
    Some(BuiltFile::new(&name, &file))
}
