//! Owns which files of a source folder belong to the app.
//! Must not know what is in them.

use std::collections::BTreeMap;
use std::fs::{self, FileType};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::PackError;
use crate::build::project::{Project, ProjectError, read_text};
use crate::build::{Built, Files};
use crate::format::{ENTRIES_MAX, EXTENSION};
use crate::link::{LinkError, Names};
use crate::path::{DEPTH_MAX, SlugPath, shown};

/// Left out of every slug, as gitignore patterns: what the build leaves behind, secrets, and slugs themselves.
pub const ALWAYS_LEFT_OUT: &[&str] = &[
    ".git",
    "/tmp",
    "/log",
    "/target",
    "node_modules",
    "__pycache__",
    ".env",
    "*.slug",
];

/// Name of the file with an app's own patterns.
const SLUGIGNORE: &str = ".slugignore";
/// Files by which folders of things are known that can be made again: any cache (bford.info/cachedir), and a virtual
/// environment of Python.
const CACHE_MARKS: [&str; 2] = ["CACHEDIR.TAG", "pyvenv.cfg"];

/// What belongs to an app. Sorted, whatever order the disk gives.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Files: name in the slug, place on the disk.
    pub(super) files: BTreeMap<SlugPath, PathBuf>,
    /// Symbolic links: name in the slug, target as it is written. Each leads to something of the app.
    pub(super) links: BTreeMap<SlugPath, String>,
}

impl Collected {
    fn len(&self) -> usize {
        self.files.len() + self.links.len()
    }

    fn check_links(&self) -> Result<(), PackError> {
        let names = Names::new(self.files.keys(), &self.links);
        for (link, target) in &self.links {
            let refused = |source| PackError::Link {
                name: link.to_string(),
                target: shown(target.as_bytes()),
                source,
            };
            names.check(link, target).map_err(refused)?;
        }
        Ok(())
    }
}

/// The app's files and links.
pub(super) fn collect(built: &Built, output: &Path) -> Result<Collected, PackError> {
    let mut found = match built.files {
        Files::Folder => walk(&built.project, output.canonicalize().ok())?,
        Files::None => Collected::default(),
    };
    for made in built.components.iter().chain(&built.made) {
        found.links.remove(&made.path);
        found.files.insert(made.path.clone(), made.file.clone());
    }
    if found.len() > ENTRIES_MAX {
        return Err(PackError::TooManyFiles);
    }
    found.check_links()?;
    // Components that a Procfile names are in, even where a pattern leaves their folder out.
    for command in built
        .project
        .procfile
        .iter()
        .flat_map(|procfile| procfile.processes.values())
    {
        let file = built.project.folder.join(command.component.as_str());
        if built.files == Files::Folder && file.is_file() {
            // A component is a file: in place of a link to one there is a copy.
            found.links.remove(&command.component);
            found.files.entry(command.component.clone()).or_insert(file);
        }
    }
    Ok(found)
}

/// The files of a project's folder that belong to the app, those behind links too, without what a build makes.
pub(crate) fn folder_files(project: &Project) -> Result<BTreeMap<SlugPath, PathBuf>, PackError> {
    let Collected { mut files, links } = walk(project, None)?;
    let own = files.clone();
    for link in links.into_keys() {
        let place = project.folder.join(link.as_str());
        if place.is_file() {
            files.insert(link, place);
        } else {
            files.extend(files_behind(&link, &place, project, &own));
        }
        if files.len() > ENTRIES_MAX {
            return Err(PackError::TooManyFiles);
        }
    }
    Ok(files)
}

/// The app's files in the folder that a link leads to, by their names behind the link.
fn files_behind(
    link: &SlugPath,
    place: &Path,
    project: &Project,
    own: &BTreeMap<SlugPath, PathBuf>,
) -> Vec<(SlugPath, PathBuf)> {
    let real = |path: &Path| path.canonicalize().ok();
    let (Some(root), Some(target)) = (real(&project.folder), real(place)) else {
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

/// `output` is the slug being made, which may be in the folder.
fn walk(project: &Project, output: Option<PathBuf>) -> Result<Collected, PackError> {
    let walk = Walk {
        rules: Rules::new(project)?,
        output,
        root: &project.folder,
    };
    let mut found = Collected::default();
    walk.folder(&project.folder, 0, &mut found)?;
    Ok(found)
}

/// Patterns: what to keep in any case, what to leave out.
struct Rules {
    include: Gitignore,
    exclude: Gitignore,
}

impl Rules {
    fn new(project: &Project) -> Result<Self, PackError> {
        let (folder, settings) = (&project.folder, &project.settings);
        let own = slugignore(folder)?;
        let own: Vec<String> = own.lines().map(str::to_owned).collect();
        let always: Vec<String> = ALWAYS_LEFT_OUT
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        // Later patterns win in a gitignore file: an app cannot take back what is always left out.
        let exclude = [
            (SLUGIGNORE, &own),
            ("dyno.toml's exclude", &settings.exclude),
            ("", &always),
        ];
        Ok(Self {
            include: patterns(folder, &[("dyno.toml's include", &settings.include)])?,
            exclude: patterns(folder, &exclude)?,
        })
    }

    fn keeps(&self, path: &Path, is_folder: bool) -> bool {
        self.include
            .matched_path_or_any_parents(path, is_folder)
            .is_ignore()
    }

    fn leaves_out(&self, path: &Path, is_folder: bool) -> bool {
        let marked = is_folder && is_cache(path);
        marked
            || self
                .exclude
                .matched_path_or_any_parents(path, is_folder)
                .is_ignore()
    }
}

fn is_cache(folder: &Path) -> bool {
    CACHE_MARKS.iter().any(|mark| folder.join(mark).is_file())
}

fn slugignore(folder: &Path) -> Result<String, PackError> {
    match read_text(&folder.join(SLUGIGNORE)) {
        Ok(text) => Ok(text.unwrap_or_default()),
        Err(ProjectError::Read { file, source }) => Err(PackError::Read { path: file, source }),
        Err(other) => Err(PackError::Read {
            path: folder.join(SLUGIGNORE),
            source: std::io::Error::other(other),
        }),
    }
}

fn patterns(
    folder: &Path,
    sources: &[(&'static str, &Vec<String>)],
) -> Result<Gitignore, PackError> {
    let mut builder = GitignoreBuilder::new(folder);
    for (place, lines) in sources {
        for line in *lines {
            let bad = |source| PackError::Pattern {
                place,
                pattern: line.clone(),
                source,
            };
            builder.add_line(None, line).map_err(bad)?;
        }
    }
    builder.build().map_err(|source| PackError::Pattern {
        place: sources[0].0,
        pattern: String::new(),
        source,
    })
}

struct Walk<'a> {
    rules: Rules,
    /// The slug being made, should it be in the folder under another extension.
    output: Option<PathBuf>,
    root: &'a Path,
}

impl Walk<'_> {
    fn folder(&self, folder: &Path, depth: usize, found: &mut Collected) -> Result<(), PackError> {
        let failed = |source| PackError::Read {
            path: folder.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            if kind.is_dir() {
                self.subfolder(&path, depth, found)?;
            } else if self.belongs(&path) {
                self.entry(path, kind, found)?;
            }
            if found.len() > ENTRIES_MAX {
                return Err(PackError::TooManyFiles);
            }
        }
        Ok(())
    }

    /// A folder that is left out is still looked into where `include` might keep something of it.
    fn subfolder(&self, path: &Path, depth: usize, found: &mut Collected) -> Result<(), PackError> {
        let left_out = self.rules.leaves_out(path, true) && !self.rules.keeps(path, true);
        let is_git = path.file_name().is_some_and(|name| name == ".git");
        if is_git || (left_out && self.rules.include.is_empty()) {
            return Ok(());
        }
        if depth + 1 >= DEPTH_MAX && !left_out {
            let name = self.shown(path);
            return Err(PackError::Name {
                name,
                source: crate::path::PathError::TooLong,
            });
        }
        if left_out && depth + 1 >= DEPTH_MAX {
            return Ok(());
        }
        self.folder(path, depth + 1, found)
    }

    fn belongs(&self, path: &Path) -> bool {
        let is_slug = path.extension().is_some_and(|end| end == EXTENSION);
        let is_env = path.file_name().is_some_and(|name| name == ".env");
        let is_output = self.output.is_some() && path.canonicalize().ok() == self.output;
        if is_slug || is_env || is_output {
            return false;
        }
        self.rules.keeps(path, false)
            || !(self.rules.leaves_out(path, false) || self.in_cache(path))
    }

    /// Whether a folder above is marked as a cache: only then when `include` let the walk go in.
    fn in_cache(&self, path: &Path) -> bool {
        !self.rules.include.is_empty()
            && path
                .ancestors()
                .skip(1)
                .take_while(|above| *above != self.root)
                .any(is_cache)
    }

    fn entry(&self, path: PathBuf, kind: FileType, found: &mut Collected) -> Result<(), PackError> {
        if kind.is_symlink() {
            let target = self.target(&path)?;
            found.links.insert(self.name(&path)?, target);
        } else if kind.is_file() {
            found.files.insert(self.name(&path)?, path);
        } else {
            return Err(PackError::NotAFile {
                name: self.shown(&path),
                what: what(kind),
            });
        }
        Ok(())
    }

    /// Where a symbolic link leads, as it is written.
    fn target(&self, path: &Path) -> Result<String, PackError> {
        let target = fs::read_link(path).map_err(|source| PackError::Read {
            path: path.to_owned(),
            source,
        })?;
        let not_text = |target: std::ffi::OsString| PackError::Link {
            name: self.shown(path),
            target: shown(target.as_encoded_bytes()),
            source: LinkError::Target,
        };
        target.into_os_string().into_string().map_err(not_text)
    }

    fn name(&self, path: &Path) -> Result<SlugPath, PackError> {
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        SlugPath::from_bytes(relative.as_os_str().as_encoded_bytes()).map_err(|source| {
            PackError::Name {
                name: self.shown(path),
                source,
            }
        })
    }

    fn shown(&self, path: &Path) -> String {
        shown(
            path.strip_prefix(self.root)
                .unwrap_or(path)
                .as_os_str()
                .as_encoded_bytes(),
        )
    }
}

fn what(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
