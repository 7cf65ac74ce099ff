//! Owns an app's npm packages and its own build: whether `node_modules` is up to date, and otherwise a copy of the app, in
//! the cache, in which npm installs and builds. Must not know what the packages are for.
//!
//! The app's own folder is only read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::entry::BUILD_SCRIPT;
use super::package::{PACKAGE_JSON, PackageJson};
use super::project::JavascriptProject;
use crate::build::toolbox::build_folder::{self, BuildFolder};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::node::run_npm;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::sources::{SourceFile, list_files, read_text_lossy};
use crate::build::toolbox::tools::Tools;

/// The lock files of npm.
const LOCKS: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];
/// The lock files of other package managers, each with the command that installs.
const OTHER_LOCKS: [(&str, &str); 4] = [
    ("pnpm-lock.yaml", "pnpm install"),
    ("yarn.lock", "yarn install"),
    ("bun.lock", "bun install"),
    ("bun.lockb", "bun install"),
];
/// npm's own record of what it installed.
const INSTALLED: &str = "node_modules/.package-lock.json";
/// The copy of the app, and the records about it: its files, what was installed, what was built.
const COPY: &str = "app";
const COPIED: &str = "copied.txt";
const INSTALLED_STAMP: &str = "npm.txt";
const BUILT_STAMP: &str = "built.txt";

/// An app: its own files, what they say, and the folder for its outputs.
pub(super) struct JavascriptApp<'a> {
    pub(super) folder: &'a Path,
    pub(super) sources: &'a [SourceFile],
    pub(super) project: &'a JavascriptProject,
    pub(super) outputs: &'a BuildFolder,
    pub(super) tools: &'a Tools,
}

impl JavascriptApp<'_> {
    /// Returns the folder to bundle from: the app's own if its packages are installed there, else the copy, where npm
    /// installs them.
    pub(super) fn with_packages(
        &self,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<PathBuf, BuilderError> {
        if !self.project.package.has_dependencies() || self.is_own_current() {
            return Ok(self.folder.to_owned());
        }
        if let Some((lock, command)) = self.other_lock() {
            if self.folder.join("node_modules").is_dir() {
                return Ok(self.folder.to_owned());
            }
            return Err(BuilderError::Refused(format!(
                "there is a {lock} but no node_modules: run `{command}` first; dyno builds with the packages that it installs"
            )));
        }
        self.install(progress)
    }

    /// Runs the script `build` in the copy, unless nothing has changed since the last time, and returns the copy.
    pub(super) fn run_build_script(
        &self,
        digest: &str,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<PathBuf, BuilderError> {
        if let Some((lock, command)) = self.other_lock() {
            let tool = command.split(' ').next().unwrap_or("npm");
            return Err(BuilderError::Refused(format!(
                "the app has to be built, but with the {lock} dyno cannot do that: run `{command}` and `{tool} run \
                 {BUILD_SCRIPT}` first; dyno builds with the files that they write"
            )));
        }
        let copy = self.install(progress)?;
        if read_text_lossy(&self.outputs.path_of(BUILT_STAMP))?.as_deref() != Some(digest) {
            // A build that fails leaves the copy in an unknown state.
            self.forget_stamp(BUILT_STAMP)?;
            // A file that an earlier version wrote must not pass for one that this version writes.
            for old in list_written_files(&copy, self.sources)? {
                fs::remove_file(&old.path).map_err(build_folder::write_error(&old.path))?;
            }
            let arguments = ["run", BUILD_SCRIPT, "--silent"];
            run_npm(&copy, &arguments, self.tools, progress)?;
            self.outputs.save_file(BUILT_STAMP, digest)?;
        }
        Ok(copy)
    }

    /// Copies the app, and installs its packages in the copy unless they are there.
    fn install(&self, progress: &mut dyn FnMut(BuildProgress)) -> Result<PathBuf, BuilderError> {
        let copy = self.outputs.path_of(COPY);
        self.copy_files(&copy)
            .map_err(build_folder::write_error(&copy))?;
        let wanted = self.wanted_key()?;
        let is_current =
            read_text_lossy(&self.outputs.path_of(INSTALLED_STAMP))?.as_ref() == Some(&wanted);
        if !self.project.package.has_dependencies()
            || (is_current && copy.join("node_modules").is_dir())
        {
            return Ok(copy);
        }
        let has_lock = LOCKS.iter().any(|lock| self.folder.join(lock).is_file());
        let arguments: &[&str] = match has_lock && self.project.deno.is_none() {
            true => &["ci", "--loglevel=error"],
            false => &["install", "--no-package-lock", "--loglevel=error"],
        };
        self.refuse_packages_outside()?;
        self.forget_stamp(INSTALLED_STAMP)?;
        run_npm(&copy, arguments, self.tools, progress)?;
        self.outputs.save_file(INSTALLED_STAMP, &wanted)?;
        Ok(copy)
    }

    /// Refuses a package that is a path out of the app's folder: from the copy, the path leads to nothing.
    fn refuse_packages_outside(&self) -> Result<(), BuilderError> {
        match self.project.package.dependency_outside() {
            Some((name, path)) => Err(BuilderError::Refused(format!(
                "the package {name} is `{path}`, outside of the app's folder: run `npm install` in the app's folder first; \
                 dyno builds with the packages that it installs"
            ))),
            None => Ok(()),
        }
    }

    /// Removes a stamp: what it records is not true until the stamp is written again.
    fn forget_stamp(&self, name: &str) -> Result<(), BuilderError> {
        let stamp = self.outputs.path_of(name);
        match fs::remove_file(&stamp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(build_folder::write_error(&stamp)(error))
            }
            _ => Ok(()),
        }
    }

    /// Brings the copy up to date. Files that npm or the app's own build wrote there stay.
    fn copy_files(&self, copy: &Path) -> std::io::Result<()> {
        fs::create_dir_all(copy)?;
        let names: BTreeSet<&str> = self.sources.iter().map(|file| file.name.as_str()).collect();
        let before = fs::read_to_string(self.outputs.path_of(COPIED)).unwrap_or_default();
        for gone in before.lines().filter(|name| !names.contains(name)) {
            // Fails if a folder has replaced the file, or if the file is gone already.
            let _ = fs::remove_file(copy.join(gone));
        }
        for file in self.sources {
            copy_file(&file.path, &copy.join(&file.name))?;
        }
        self.write_package_json(copy)?;
        let list: Vec<&str> = names.into_iter().collect();
        fs::write(self.outputs.path_of(COPIED), list.join("\n"))
    }

    /// Makes sure that `package.json` lists the packages that a Deno project imports: the project may have no such file, or
    /// one that does not list them.
    fn write_package_json(&self, copy: &Path) -> std::io::Result<()> {
        let written = PackageJson::read(self.folder).unwrap_or_default();
        let dependencies = &self.project.package.dependencies;
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

    /// The lock file of another package manager, if npm has none, and the command that installs.
    fn other_lock(&self) -> Option<(&'static str, &'static str)> {
        let has = |lock: &str| self.folder.join(lock).is_file();
        if LOCKS.iter().any(|lock| has(lock)) {
            return None;
        }
        OTHER_LOCKS.iter().copied().find(|(lock, _)| has(lock))
    }

    /// Whether the author has installed the app's own `node_modules` since the manifests changed.
    fn is_own_current(&self) -> bool {
        let Some(installed) = modified_at(&self.folder.join(INSTALLED)) else {
            return false;
        };
        let is_newer =
            |name: &&str| modified_at(&self.folder.join(name)).is_some_and(|time| time > installed);
        ![PACKAGE_JSON, LOCKS[0], LOCKS[1]].iter().any(is_newer)
    }

    /// A digest over the manifests and lock files, which decide the packages to install.
    fn wanted_key(&self) -> Result<String, BuilderError> {
        let package = &self.project.package;
        let mut inputs = vec![format!(
            "{:?}{:?}{:?}",
            package.dependencies, package.dev_dependencies, package.optional_dependencies
        )];
        let names = LOCKS.iter().map(PathBuf::from);
        let workspaces = package.workspaces(self.folder).into_iter();
        for name in names.chain(workspaces.map(|workspace| workspace.join(PACKAGE_JSON))) {
            inputs.push(read_text_lossy(&self.folder.join(name))?.unwrap_or_default());
        }
        let inputs: Vec<&[u8]> = inputs.iter().map(String::as_bytes).collect();
        Ok(build_folder::content_key(&inputs))
    }
}

/// Copies a file, unless the copy has the same length and modification time.
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
    // An older copy may be read-only.
    let _ = fs::remove_file(to);
    fs::copy(from, to)?;
    fs::File::open(to)?.set_modified(source.modified()?)
}

/// A digest over the packages that are installed in a folder.
pub(super) fn installed_key(folder: &Path) -> Result<String, BuilderError> {
    let installed = read_text_lossy(&folder.join(INSTALLED))?.unwrap_or_default();
    let modified = modified_at(&folder.join("node_modules"));
    let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let nanoseconds = since.unwrap_or_default().as_nanos();
    Ok(build_folder::content_key(&[
        installed.as_bytes(),
        &nanoseconds.to_le_bytes(),
    ]))
}

/// Lists the files of the copy that are not the app's own: those that the app's build wrote.
pub(super) fn list_written_files(
    folder: &Path,
    sources: &[SourceFile],
) -> Result<Vec<SourceFile>, BuilderError> {
    let names: BTreeSet<&str> = sources.iter().map(|file| file.name.as_str()).collect();
    let mut files = list_files(folder, &|_| true)?;
    files.retain(|SourceFile { name, .. }| {
        !names.contains(name.as_str()) && !LOCKS.contains(&name.as_str())
    });
    Ok(files)
}

fn modified_at(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}
