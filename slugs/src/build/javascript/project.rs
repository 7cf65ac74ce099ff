//! Owns all that the files of a JavaScript project say about it. Must not know how the project is built.

use std::collections::BTreeMap;
use std::path::Path;

use super::deno::{self, DenoConfig};
use super::package::PackageJson;
use super::wrangler::WranglerConfig;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::sources::SourceFile;

/// The facts about a project that its files state.
#[derive(Debug)]
pub(super) struct JavascriptProject {
    pub(super) package: PackageJson,
    pub(super) worker: Option<WranglerConfig>,
    pub(super) deno: Option<DenoConfig>,
}

impl JavascriptProject {
    /// Reads the project's files. Packages that Deno's specifiers name become dependencies.
    pub(super) fn read(folder: &Path, sources: &[SourceFile]) -> Result<Self, BuilderError> {
        let mut package = PackageJson::read(folder)?;
        let deno = DenoConfig::read(folder)?;
        let none = BTreeMap::new();
        let imports = deno.as_ref().map_or(&none, |deno| &deno.imports);
        for (name, version) in deno::find_npm_packages(imports, sources)? {
            package.dependencies.entry(name).or_insert(version);
        }
        Ok(Self {
            package,
            worker: WranglerConfig::read(folder)?,
            deno,
        })
    }

    /// The file that the configuration of a worker names as its `main`.
    pub(super) fn worker_main(&self) -> Option<&str> {
        self.worker.as_ref()?.main.as_deref()
    }
}
