//! Owns what `cargo metadata` says of a workspace. Must not know how cargo builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::rustc::{GET_RUST, TARGET};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::tools::Tools;

/// The members of `cargo metadata`'s output that a build needs.
#[derive(Deserialize)]
pub(super) struct CargoMetadata {
    pub(super) workspace_members: Vec<String>,
    pub(super) workspace_root: PathBuf,
    #[serde(default)]
    packages: Vec<CargoPackage>,
}

#[derive(Deserialize)]
struct CargoPackage {
    default_run: Option<String>,
}

impl CargoMetadata {
    /// Runs `cargo metadata` in a folder.
    pub(super) fn load(
        folder: &Path,
        tools: &Tools,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<Self, BuilderError> {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(folder);
        let text = match run::run_for_output(cargo, "cargo metadata", tools, progress) {
            Err(error) if run::is_absent(&error) => {
                return Err(BuilderError::NoTool {
                    tool: "cargo",
                    remedy: GET_RUST,
                });
            }
            other => other?,
        };
        serde_json::from_str(&text).map_err(|error| BuilderError::Output {
            tool: "cargo metadata",
            problem: error.to_string(),
        })
    }

    /// The component of the program that `default-run` names, if exactly one package has that setting.
    pub(super) fn default_program(&self) -> Option<String> {
        let mut named = self
            .packages
            .iter()
            .filter_map(|package| package.default_run.as_deref());
        let name = named.next().filter(|_| named.next().is_none())?;
        Some(format!("target/{TARGET}/release/{name}.wasm"))
    }
}
