//! Owns the Python toolchain (a virtual environment with componentize-py), and how such environments are made.
//! Must not know apps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::toolbox::build_folder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run::{self, OutputStream};
use crate::build::toolbox::toolchain::Toolchain;
use crate::build::toolbox::tools::Tools;

pub(super) const GET_PYTHON: &str =
    "get Python 3.10 or newer, with `venv` and `pip` (on Debian: python3 python3-venv)";
const REQUIREMENTS: &str = include_str!("host/requirements.txt");

const TOOLCHAIN: Toolchain = Toolchain {
    name: "python",
    title: "the Python toolchain (componentize-py 0.25.1)",
    pins: &[REQUIREMENTS],
};

/// Returns the toolchain's folder, which is filled if it is not there yet.
pub(super) fn ensure(
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<PathBuf, BuilderError> {
    TOOLCHAIN.ensure(tools, progress, |folder, progress| {
        install_venv(folder, REQUIREMENTS, tools, progress)
    })
}

/// Makes the virtual environment `venv` in a folder, and installs pinned packages into it.
pub(in crate::build) fn install_venv(
    folder: &Path,
    requirements: &str,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    check_python(tools, progress)?;
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements).map_err(build_folder::write_error(&list))?;
    let mut forward = |_, line| progress(BuildProgress::Line(line));
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "venv"]).current_dir(folder);
    run::run_streaming(venv, "python3 -m venv", tools, &mut forward)?;
    let mut pip = Command::new(folder.join("venv/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--only-binary", ":all:"])
        .args(["-r", "requirements.txt"])
        .current_dir(folder);
    run::run_streaming(pip, "pip install", tools, &mut forward)
}

/// Checks that this machine's Python is new enough and has what virtual environments need.
fn check_python(
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    let missing = BuilderError::NoTool {
        tool: "python3",
        remedy: GET_PYTHON,
    };
    let mut python = Command::new("python3");
    python.args([
        "-c",
        "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))",
    ]);
    match run::run_streaming(python, "python3", tools, &mut |from, line| {
        if from == OutputStream::Stderr {
            progress(BuildProgress::Line(line));
        }
    }) {
        Err(BuilderError::Failed { .. }) => Err(missing),
        Err(error) if run::is_absent(&error) => Err(missing),
        other => other,
    }
}
