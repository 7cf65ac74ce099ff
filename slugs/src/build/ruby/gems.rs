//! Owns an app's gems: where they are on this machine, which of them a dyno can use, and which of their files go into the slug.
//! Must not know the component.
//!
//! Gems in `vendor/bundle` are taken as they are, which needs no Ruby. Otherwise this machine's Bundler says which gems the
//! Gemfile means: those that are installed, or after `bundle install` into the cache. Native code cannot run in a dyno. What
//! the component's own Ruby has (`json`), and web servers, which a dyno needs not, are left out; any other gem with native code
//! is an error.

mod bundler;
mod native;
mod vendor;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::entry::GemEntry;
use super::layout::GEMS;
use crate::build::output::BuiltFile;
use crate::build::toolbox::build_folder::BuildFolder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::sources::list_files;
use crate::build::toolbox::tools::Tools;

/// Folders of a gem that an app does not load: tests, documents, and the sources of native code.
const LEFT_OUT: [&str; 14] = [
    "test",
    "tests",
    "spec",
    "specs",
    "features",
    "example",
    "examples",
    "benchmark",
    "benchmarks",
    "doc",
    "docs",
    "ext",
    ".github",
    "sig",
];

/// A gem on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FoundGem {
    name: String,
    version: String,
    folder: PathBuf,
    /// The folders of its library, relative to its folder.
    paths: Vec<String>,
    /// Files of its library that are elsewhere: each with its name in the library.
    shared: Vec<(PathBuf, String)>,
    executables: BTreeMap<String, String>,
    has_native_code: bool,
    /// The names of the gems that this gem needs.
    needs: Vec<String>,
}

/// The gems of an app that a dyno can use.
pub(super) struct AppGems {
    pub(super) entries: Vec<GemEntry>,
    pub(super) files: Vec<BuiltFile>,
}

impl AppGems {
    /// Whether there is a gem of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|gem| gem.name == name)
    }
}

/// The name of the app's Gemfile, if there is one.
pub(super) fn gemfile_of(folder: &Path) -> Option<&'static str> {
    ["Gemfile", "gems.rb"]
        .into_iter()
        .find(|name| folder.join(name).is_file())
}

/// Finds the gems of the app, and installs those that are missing.
pub(super) fn ensure_gems(
    folder: &Path,
    outputs: &BuildFolder,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<AppGems, BuilderError> {
    let Some(gemfile) = gemfile_of(folder) else {
        return Ok(AppGems {
            entries: Vec::new(),
            files: Vec::new(),
        });
    };
    let found = match vendor::find_gems(folder)? {
        Some(found) => found,
        None => bundler::find_gems(folder, gemfile, outputs, tools, progress)?,
    };
    let kept = native::keep_usable(found, gemfile)?;
    let mut gems = AppGems {
        entries: Vec::new(),
        files: Vec::new(),
    };
    for gem in kept {
        let place = format!("{GEMS}/{}-{}", gem.name, gem.version);
        gems.files.extend(files_of(&gem, &place)?);
        let mut paths = gem.paths;
        if !gem.shared.is_empty() && !paths.iter().any(|path| path == "lib") {
            paths.push("lib".to_owned());
        }
        gems.entries.push(GemEntry {
            name: gem.name,
            version: gem.version,
            folder: format!("/{place}"),
            paths,
            executables: gem.executables,
        });
    }
    Ok(gems)
}

/// The files of a gem, by their names in the slug.
fn files_of(gem: &FoundGem, place: &str) -> Result<Vec<BuiltFile>, BuilderError> {
    let mut files = Vec::new();
    let kept: BTreeSet<&str> = gem
        .paths
        .iter()
        .filter_map(|path| path.split('/').next())
        .collect();
    let is_kept = |name: &str| {
        let top = name.split_once('/').map(|(top, _)| top);
        top.is_none_or(|top| kept.contains(top) || !LEFT_OUT.contains(&top))
    };
    if gem.folder.is_dir() {
        let folder = fs::canonicalize(&gem.folder).map_err(|source| BuilderError::Read {
            path: gem.folder.clone(),
            source,
        })?;
        for file in list_files(&folder, &is_kept)? {
            files.push(BuiltFile::new(
                &format!("{place}/{}", file.name),
                &file.path,
            )?);
        }
    }
    for (file, name) in &gem.shared {
        files.push(BuiltFile::new(&format!("{place}/lib/{name}"), file)?);
    }
    Ok(files)
}
