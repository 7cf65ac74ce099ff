//! Owns what all steps of one build of a Python app share. Must not know the steps.

use std::path::Path;
use std::process::Command;

use crate::build::toolbox::build_folder::BuildFolder;
use crate::build::toolbox::tools::Tools;

/// One build of a Python app.
pub(super) struct PythonBuild<'a> {
    /// The app's folder, which is only read.
    pub(super) folder: &'a Path,
    /// Outputs of this app.
    pub(super) app_outputs: &'a BuildFolder,
    /// Packages and components, shared by all apps that ask for the same.
    pub(super) shared_outputs: &'a BuildFolder,
    pub(super) toolchain: &'a Path,
    pub(super) tools: &'a Tools,
}

impl PythonBuild<'_> {
    /// The Python of the toolchain, to be run in the app's folder.
    pub(super) fn python_command(&self) -> Command {
        let mut python = Command::new(self.toolchain.join("venv/bin/python"));
        python
            .current_dir(self.folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME");
        python
    }
}
