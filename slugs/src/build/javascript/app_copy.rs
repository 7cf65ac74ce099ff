//! Owns an app's npm packages and its own build: whether `node_modules` is what the manifest asks for, and a copy of the
//! app in the build's place where npm installs and builds if it is not. Must not know what they are for.
//!
//! The app's own folder is only read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::entry::BUILD_SCRIPT;
use super::package::{PACKAGE_JSON, Package};
use super::project::Shape;
use crate::build::toolbox::build_folder::{self, Place};
use crate::build::toolbox::sources;
use crate::build::{BuildError, Progress, Tools};

/// The lock files of npm.
const LOCKS: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];
/// Those of others, with the command that installs.
const OTHERS: [(&str, &str); 4] = [
    ("pnpm-lock.yaml", "pnpm install"),
    ("yarn.lock", "yarn install"),
    ("bun.lock", "bun install"),
    ("bun.lockb", "bun install"),
];
/// npm's own note of what it installed.
const INSTALLED: &str = "node_modules/.package-lock.json";
/// The copy of the app, and notes on it: its files, what was installed, what was built.
const COPY: &str = "app";
const COPIED: &str = "copied.txt";
const INSTALLED_STAMP: &str = "npm.txt";
const BUILT_STAMP: &str = "built.txt";

/// An app, its own files, and the place of its build.
pub(super) struct AppSources<'a> {
    pub(super) folder: &'a Path,
    pub(super) own: &'a [sources::Source],
    pub(super) shape: &'a Shape,
    pub(super) place: &'a Place,
    pub(super) tools: &'a Tools,
}

impl AppSources<'_> {
    /// The folder to bundle from: the app's own if its packages are there, else the copy, with them.
    pub(super) fn with_packages(
        &self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, BuildError> {
        if !self.shape.package.has_dependencies() || self.is_own_current() {
            return Ok(self.folder.to_owned());
        }
        if let Some((lock, command)) = self.other_lock() {
            if self.folder.join("node_modules").is_dir() {
                return Ok(self.folder.to_owned());
            }
            return Err(BuildError::Refused(format!(
                "there is a {lock} and no node_modules: run `{command}` first; dyno builds with what it installs"
            )));
        }
        self.install(progress)
    }

    /// The copy, after its script `build` has run.
    pub(super) fn built(
        &self,
        digest: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, BuildError> {
        if let Some((lock, command)) = self.other_lock() {
            let tool = command.split(' ').next().unwrap_or("npm");
            return Err(BuildError::Refused(format!(
                "the app is to be built and there is a {lock}: run `{command}` and `{tool} run {BUILD_SCRIPT}` first; dyno \
                 builds with what they leave"
            )));
        }
        let copy = self.install(progress)?;
        if sources::text(&self.place.at(BUILT_STAMP))?.as_deref() != Some(digest) {
            // A build that fails leaves the copy in no known state.
            self.forget_stamp(BUILT_STAMP)?;
            // What an earlier version of the app had written would pass for what this one writes.
            for (_, old) in written(&copy, self.own)? {
                fs::remove_file(&old).map_err(build_folder::cannot_write(&old))?;
            }
            let arguments = ["run", BUILD_SCRIPT, "--silent"];
            super::toolchain::npm(&copy, &arguments, self.tools, progress)?;
            self.place.save(BUILT_STAMP, digest)?;
        }
        Ok(copy)
    }

    /// Copies the app and has npm install there, unless it has.
    fn install(&self, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, BuildError> {
        let copy = self.place.at(COPY);
        self.copy_files(&copy)
            .map_err(build_folder::cannot_write(&copy))?;
        let asked = self.asked()?;
        let is_current = sources::text(&self.place.at(INSTALLED_STAMP))?.as_ref() == Some(&asked);
        if !self.shape.package.has_dependencies()
            || (is_current && copy.join("node_modules").is_dir())
        {
            return Ok(copy);
        }
        let has_lock = LOCKS.iter().any(|lock| self.folder.join(lock).is_file());
        let arguments: &[&str] = match has_lock && self.shape.deno.is_none() {
            true => &["ci", "--loglevel=error"],
            false => &["install", "--no-package-lock", "--loglevel=error"],
        };
        self.refuse_packages_outside()?;
        self.forget_stamp(INSTALLED_STAMP)?;
        super::toolchain::npm(&copy, arguments, self.tools, progress)?;
        self.place.save(INSTALLED_STAMP, &asked)?;
        Ok(copy)
    }

    /// The copy stands elsewhere: a path out of the app's folder leads to nothing there.
    fn refuse_packages_outside(&self) -> Result<(), BuildError> {
        match self.shape.package.dependency_outside() {
            Some((name, path)) => Err(BuildError::Refused(format!(
                "the package {name} is `{path}`, outside of the app's folder: run `npm install` there first; dyno builds with \
                 what it installs"
            ))),
            None => Ok(()),
        }
    }

    /// What a stamp says holds no longer, until it is written again.
    fn forget_stamp(&self, name: &str) -> Result<(), BuildError> {
        let stamp = self.place.at(name);
        match fs::remove_file(&stamp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(build_folder::cannot_write(&stamp)(error))
            }
            _ => Ok(()),
        }
    }

    /// Brings the copy up to date. What npm or the app's own build wrote there stays.
    fn copy_files(&self, copy: &Path) -> std::io::Result<()> {
        fs::create_dir_all(copy)?;
        let names: BTreeSet<&str> = self.own.iter().map(|(name, _)| name.as_str()).collect();
        let before = fs::read_to_string(self.place.at(COPIED)).unwrap_or_default();
        for gone in before.lines().filter(|name| !names.contains(name)) {
            // It may have been replaced by a folder, or be gone already.
            let _ = fs::remove_file(copy.join(gone));
        }
        for (name, from) in self.own {
            copy_file(from, &copy.join(name))?;
        }
        self.write_manifest(copy)?;
        let list: Vec<&str> = names.into_iter().collect();
        fs::write(self.place.at(COPIED), list.join("\n"))
    }

    /// A project of Deno's may have no `package.json`, or one without the packages that its imports name.
    fn write_manifest(&self, copy: &Path) -> std::io::Result<()> {
        let written = Package::read(self.folder).unwrap_or_default();
        let dependencies = &self.shape.package.dependencies;
        if written.dependencies == *dependencies {
            return Ok(());
        }
        let text = fs::read_to_string(self.folder.join(PACKAGE_JSON)).unwrap_or("{}".to_owned());
        let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        manifest["dependencies"] = serde_json::json!(dependencies);
        let path = copy.join(PACKAGE_JSON);
        let _ = fs::remove_file(&path);
        fs::write(path, manifest.to_string())
    }

    fn other_lock(&self) -> Option<(&'static str, &'static str)> {
        let has = |lock: &str| self.folder.join(lock).is_file();
        if LOCKS.iter().any(|lock| has(lock)) {
            return None;
        }
        OTHERS.iter().copied().find(|(lock, _)| has(lock))
    }

    /// Whether the app's own `node_modules`, installed by hand, is as new as what asks for it.
    fn is_own_current(&self) -> bool {
        let Some(installed) = modified(&self.folder.join(INSTALLED)) else {
            return false;
        };
        let is_newer =
            |name: &&str| modified(&self.folder.join(name)).is_some_and(|time| time > installed);
        ![PACKAGE_JSON, LOCKS[0], LOCKS[1]].iter().any(is_newer)
    }

    /// The packages that the manifests and the lock file ask for, as one text.
    fn asked(&self) -> Result<String, BuildError> {
        let package = &self.shape.package;
        let mut inputs = vec![format!(
            "{:?}{:?}{:?}",
            package.dependencies, package.dev_dependencies, package.optional_dependencies
        )];
        let names = LOCKS.iter().map(PathBuf::from);
        let workspaces = package.workspaces(self.folder).into_iter();
        for name in names.chain(workspaces.map(|workspace| workspace.join(PACKAGE_JSON))) {
            inputs.push(sources::text(&self.folder.join(name))?.unwrap_or_default());
        }
        let inputs: Vec<&[u8]> = inputs.iter().map(String::as_bytes).collect();
        Ok(build_folder::key(&inputs))
    }
}

/// Copies a file unless the copy has its length and age.
fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let source = fs::metadata(from)?;
    if let Ok(copy) = fs::metadata(to)
        && copy.len() == source.len()
        && copy.modified()? == source.modified()?
    {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    // A read-only copy could not be written to.
    let _ = fs::remove_file(to);
    fs::copy(from, to)?;
    fs::File::open(to)?.set_modified(source.modified()?)
}

/// What is installed in a folder, as one text.
pub(super) fn state(folder: &Path) -> Result<String, BuildError> {
    let installed = sources::text(&folder.join(INSTALLED))?.unwrap_or_default();
    let modified = modified(&folder.join("node_modules"));
    let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let nanoseconds = since.unwrap_or_default().as_nanos();
    Ok(build_folder::key(&[
        installed.as_bytes(),
        &nanoseconds.to_le_bytes(),
    ]))
}

/// Files of a folder that a list does not have: what the app's own build wrote.
pub(super) fn written(
    folder: &Path,
    own: &[sources::Source],
) -> Result<Vec<sources::Source>, BuildError> {
    let names: BTreeSet<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
    let mut files = sources::files(folder, &|_| true)?;
    files.retain(|(name, _)| !names.contains(name.as_str()) && !LOCKS.contains(&name.as_str()));
    Ok(files)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}
