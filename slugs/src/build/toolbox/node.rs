//! Owns the use of Node.js and npm: the check that both are there and new enough, and npm's runs.
//! Must not know which packages are installed.

use std::path::Path;
use std::process::Command;

use super::error::BuilderError;
use super::progress::BuildProgress;
use super::run::{self, OutputStream};
use super::tools::Tools;

/// The oldest Node.js that all toolchains from npm run on; Debian 12 has it.
const NODE_MAJOR_MIN: u32 = 18;
const GET_NODE: &str =
    "get Node.js 18 or newer, with npm, from https://nodejs.org or as a package of your system";

/// Runs npm in a folder.
pub(crate) fn run_npm(
    folder: &Path,
    arguments: &[&str],
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    let mut npm = Command::new("npm");
    npm.args(arguments)
        .args(["--no-audit", "--no-fund", "--no-progress"])
        .arg("--no-update-notifier")
        .current_dir(folder);
    let shown = format!("npm {}", arguments[0]);
    progress(BuildProgress::Step(shown.clone()));
    run::run_streaming(npm, &shown, tools, &mut |_, line| {
        progress(BuildProgress::Line(line))
    })
    .map_err(explain_absent_node)
}

/// Turns the failure to start `node` or `npm` into the advice to install Node.js.
pub(crate) fn explain_absent_node(error: BuilderError) -> BuilderError {
    match run::is_absent(&error) {
        true => BuilderError::NoTool {
            tool: "node",
            remedy: GET_NODE,
        },
        false => error,
    }
}

/// Checks that Node.js is installed, and new enough.
pub(crate) fn check_node(
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    let mut version = String::new();
    let mut node = Command::new("node");
    node.arg("--version");
    run::run_streaming(node, "node", tools, &mut |from, line| match from {
        OutputStream::Stdout => version = line,
        OutputStream::Stderr => progress(BuildProgress::Line(line)),
    })
    .map_err(explain_absent_node)?;
    let major = version.trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(()),
        _ => Err(BuilderError::Refused(format!(
            "this machine has Node.js {version}, which is too old: {GET_NODE}"
        ))),
    }
}
