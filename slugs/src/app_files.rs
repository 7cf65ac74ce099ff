//! Owns the list of the files in a source folder that belong to the app.
//! Must not know what is in the files, nor how the app is built or packed.

mod error;
mod ignore_rules;

use std::collections::BTreeMap;
use std::fs::{self, FileType};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::format::{ENTRIES_MAX, EXTENSION};
use crate::link::{AppTree, LinkError};
use crate::manifest::settings::ProjectSettings;
use crate::path::{DEPTH_MAX, PathError, SlugPath, shown};
use ignore_rules::{IgnoreRules, is_cache_folder};

pub use error::AppFilesError;
pub use ignore_rules::ALWAYS_LEFT_OUT;

/// The files and links of an app, sorted by name, whatever order the disk gives.
#[derive(Debug, Default)]
pub(crate) struct FolderContents {
    /// Files: name in the slug, path on the disk.
    pub(crate) files: BTreeMap<SlugPath, PathBuf>,
    /// Symbolic links: name in the slug, target as written.
    pub(crate) links: BTreeMap<SlugPath, String>,
}

impl FolderContents {
    /// Lists a folder. `output` is the slug being written, which may be inside of the folder.
    pub(crate) fn read(
        folder: &Path,
        settings: &ProjectSettings,
        output: Option<PathBuf>,
    ) -> Result<Self, AppFilesError> {
        let walk = FolderWalk {
            rules: IgnoreRules::read(folder, settings)?,
            output,
            root: folder,
        };
        let mut contents = Self::default();
        walk.read_folder(folder, 0, &mut contents)?;
        Ok(contents)
    }

    /// The number of files and links.
    pub(crate) fn len(&self) -> usize {
        self.files.len() + self.links.len()
    }

    /// Checks that each link leads to a file or folder of the app.
    pub(crate) fn check_links(&self) -> Result<(), AppFilesError> {
        let tree = AppTree::new(self.files.keys(), &self.links);
        for (link, target) in &self.links {
            let refused = |source| AppFilesError::Link {
                name: link.to_string(),
                target: shown(target.as_bytes()),
                source,
            };
            tree.check(link, target).map_err(refused)?;
        }
        Ok(())
    }
}

/// The files of a folder that belong to the app, with those behind links, each by name. Output of a build is not listed.
pub(crate) fn list_files(
    folder: &Path,
    settings: &ProjectSettings,
) -> Result<BTreeMap<SlugPath, PathBuf>, AppFilesError> {
    let FolderContents { mut files, links } = FolderContents::read(folder, settings, None)?;
    let own = files.clone();
    for link in links.into_keys() {
        let path = folder.join(link.as_str());
        if path.is_file() {
            files.insert(link, path);
        } else {
            files.extend(files_behind_link(&link, &path, folder, &own));
        }
        if files.len() > ENTRIES_MAX {
            return Err(AppFilesError::TooManyFiles);
        }
    }
    Ok(files)
}

/// The app's files in the folder that a link leads to, by their names behind the link.
fn files_behind_link(
    link: &SlugPath,
    path: &Path,
    root: &Path,
    own: &BTreeMap<SlugPath, PathBuf>,
) -> Vec<(SlugPath, PathBuf)> {
    let real = |path: &Path| path.canonicalize().ok();
    let (Some(root), Some(target)) = (real(root), real(path)) else {
        return Vec::new();
    };
    let Ok(inner) = target.strip_prefix(root) else {
        return Vec::new();
    };
    let below = own.iter().filter_map(|(path, file)| {
        let rest = Path::new(path.as_str()).strip_prefix(inner).ok()?;
        let name = format!("{link}/{}", rest.to_str()?);
        Some((SlugPath::new(&name).ok()?, file.clone()))
    });
    below.collect()
}

/// A walk through a source folder.
struct FolderWalk<'a> {
    rules: IgnoreRules,
    /// The slug being written, should it be in the folder under another extension.
    output: Option<PathBuf>,
    root: &'a Path,
}

impl FolderWalk<'_> {
    fn read_folder(
        &self,
        folder: &Path,
        depth: usize,
        contents: &mut FolderContents,
    ) -> Result<(), AppFilesError> {
        let failed = |source| AppFilesError::Read {
            path: folder.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            if kind.is_dir() {
                self.read_subfolder(&path, depth, contents)?;
            } else if self.belongs_to_app(&path) {
                self.add_entry(path, kind, contents)?;
            }
            if contents.len() > ENTRIES_MAX {
                return Err(AppFilesError::TooManyFiles);
            }
        }
        Ok(())
    }

    /// Enters a folder that is left out as well, where `include` might keep a file in it.
    fn read_subfolder(
        &self,
        path: &Path,
        depth: usize,
        contents: &mut FolderContents,
    ) -> Result<(), AppFilesError> {
        let is_left_out = self.rules.is_left_out(path, true) && !self.rules.is_included(path, true);
        let is_git = path.file_name().is_some_and(|name| name == ".git");
        if is_git || (is_left_out && !self.rules.has_include()) {
            return Ok(());
        }
        if depth + 1 >= DEPTH_MAX && !is_left_out {
            return Err(AppFilesError::Name {
                name: self.shown_name(path),
                source: PathError::TooLong,
            });
        }
        if is_left_out && depth + 1 >= DEPTH_MAX {
            return Ok(());
        }
        self.read_folder(path, depth + 1, contents)
    }

    fn belongs_to_app(&self, path: &Path) -> bool {
        let is_slug = path.extension().is_some_and(|end| end == EXTENSION);
        let is_env = path.file_name().is_some_and(|name| name == ".env");
        let is_output = self.output.is_some() && path.canonicalize().ok() == self.output;
        if is_slug || is_env || is_output {
            return false;
        }
        self.rules.is_included(path, false)
            || !(self.rules.is_left_out(path, false) || self.is_in_cache(path))
    }

    /// Whether a folder above is marked as a cache. The walk enters such a folder only if there is an `include`.
    fn is_in_cache(&self, path: &Path) -> bool {
        self.rules.has_include()
            && path
                .ancestors()
                .skip(1)
                .take_while(|above| *above != self.root)
                .any(is_cache_folder)
    }

    fn add_entry(
        &self,
        path: PathBuf,
        kind: FileType,
        contents: &mut FolderContents,
    ) -> Result<(), AppFilesError> {
        if kind.is_symlink() {
            let target = self.read_target(&path)?;
            contents.links.insert(self.slug_path(&path)?, target);
        } else if kind.is_file() {
            contents.files.insert(self.slug_path(&path)?, path);
        } else {
            return Err(AppFilesError::NotAFile {
                name: self.shown_name(&path),
                what: describe_kind(kind),
            });
        }
        Ok(())
    }

    /// The target of a symbolic link, as written.
    fn read_target(&self, path: &Path) -> Result<String, AppFilesError> {
        let target = fs::read_link(path).map_err(|source| AppFilesError::Read {
            path: path.to_owned(),
            source,
        })?;
        let not_text = |target: std::ffi::OsString| AppFilesError::Link {
            name: self.shown_name(path),
            target: shown(target.as_encoded_bytes()),
            source: LinkError::Target,
        };
        target.into_os_string().into_string().map_err(not_text)
    }

    fn slug_path(&self, path: &Path) -> Result<SlugPath, AppFilesError> {
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        SlugPath::from_bytes(relative.as_os_str().as_encoded_bytes()).map_err(|source| {
            AppFilesError::Name {
                name: self.shown_name(path),
                source,
            }
        })
    }

    fn shown_name(&self, path: &Path) -> String {
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        shown(relative.as_os_str().as_encoded_bytes())
    }
}

/// The kind of a special file, for an error.
fn describe_kind(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
