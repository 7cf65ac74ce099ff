//! Owns what `package.json` says that matters to a build. Must not know how the app's first file is chosen: `entry` does that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::jsonc;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::sources::read_text_lossy;

pub(super) const PACKAGE_JSON: &str = "package.json";
/// The largest number of workspaces of one app that are read.
const WORKSPACES_MAX: usize = 200;

/// The members of `package.json` that a build needs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PackageJson {
    pub(super) name: Option<String>,
    pub(super) main: Option<String>,
    pub(super) module: Option<String>,
    pub(super) exports: Option<Value>,
    #[serde(default)]
    pub(super) scripts: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) dependencies: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) dev_dependencies: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) optional_dependencies: BTreeMap<String, String>,
    pub(super) workspaces: Option<Value>,
}

impl PackageJson {
    /// Reads the `package.json` of a folder. Without the file, all members are empty.
    pub(super) fn read(folder: &Path) -> Result<Self, BuilderError> {
        let Some(text) = read_text_lossy(&folder.join(PACKAGE_JSON))? else {
            return Ok(Self::default());
        };
        serde_json::from_str(jsonc::without_bom(&text)).map_err(|error| {
            BuilderError::Refused(format!("{PACKAGE_JSON} cannot be read: {error}"))
        })
    }

    /// Whether npm has something to install.
    pub(super) fn has_dependencies(&self) -> bool {
        let lists = [
            &self.dependencies,
            &self.dev_dependencies,
            &self.optional_dependencies,
        ];
        lists.iter().any(|list| !list.is_empty()) || self.workspaces.is_some()
    }

    /// A dependency that is a folder outside of the app's own (`file:../shared`), and its path.
    pub(super) fn dependency_outside(&self) -> Option<(&str, &str)> {
        let lists = [&self.dependencies, &self.dev_dependencies];
        let mut all = lists.into_iter().flatten();
        let is_outside = |path: &str| {
            let path = ["file:", "link:", "portal:"]
                .iter()
                .find_map(|kind| path.strip_prefix(kind));
            path.is_some_and(|path| path.starts_with("../") || path.starts_with('/'))
        };
        all.find(|(_, path)| is_outside(path))
            .map(|(name, path)| (name.as_str(), path.as_str()))
    }

    /// Whether the app needs a package, to run or to be built.
    pub(super) fn asks_for(&self, name: &str) -> bool {
        self.dependencies.contains_key(name) || self.dev_dependencies.contains_key(name)
    }

    /// The folders of its workspaces that have a `package.json`, sorted, named from the root.
    pub(super) fn workspaces(&self, root: &Path) -> Vec<PathBuf> {
        let list = match &self.workspaces {
            Some(Value::Array(list)) => list.as_slice(),
            Some(Value::Object(map)) => match map.get("packages") {
                Some(Value::Array(list)) => list.as_slice(),
                _ => &[],
            },
            _ => &[],
        };
        let patterns = list.iter().filter_map(Value::as_str);
        let mut found: Vec<PathBuf> = patterns
            .flat_map(|pattern| expand_pattern(root, pattern))
            .collect();
        found.sort();
        found.dedup();
        found.truncate(WORKSPACES_MAX);
        found
    }
}

/// The folders that a pattern such as `packages/*` names.
fn expand_pattern(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::new()];
    for part in pattern.trim_start_matches("./").split('/') {
        folders = match part {
            "" => folders,
            "*" | "**" => folders
                .iter()
                .flat_map(|folder| list_subfolders(root, folder))
                .collect(),
            part => folders.iter().map(|folder| folder.join(part)).collect(),
        };
    }
    folders.retain(|folder| root.join(folder).join(PACKAGE_JSON).is_file());
    folders
}

/// The folders in a folder, except `node_modules`.
fn list_subfolders(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten();
    entries
        .flatten()
        .filter(|entry| entry.file_name() != "node_modules" && entry.path().is_dir())
        .map(|entry| folder.join(entry.file_name()))
        .collect()
}
