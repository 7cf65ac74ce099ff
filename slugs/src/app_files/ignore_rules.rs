//! Owns the ignore patterns of an app: `.slugignore`, `include` and `exclude` of `dyno.toml`, and the fixed list.
//! Must not know how the folder is walked.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::error::AppFilesError;
use crate::manifest::settings::ProjectSettings;
use crate::text_file::read_text;

/// Left out of every slug, as gitignore patterns: build output, secrets, and slugs themselves.
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

/// The file with an app's own patterns.
const SLUGIGNORE: &str = ".slugignore";
/// Files that mark a folder as reproducible: any cache (bford.info/cachedir), and a virtual environment of Python.
const CACHE_MARKS: [&str; 2] = ["CACHEDIR.TAG", "pyvenv.cfg"];

/// The patterns of one app. `include` wins over all others.
pub(super) struct IgnoreRules {
    include: Gitignore,
    exclude: Gitignore,
}

impl IgnoreRules {
    /// Reads the `.slugignore` of a folder, and adds the patterns of `dyno.toml` and the fixed list.
    pub(super) fn read(folder: &Path, settings: &ProjectSettings) -> Result<Self, AppFilesError> {
        let text = read_text(&folder.join(SLUGIGNORE))?.unwrap_or_default();
        let slugignore: Vec<String> = text.lines().map(str::to_owned).collect();
        let always: Vec<String> = ALWAYS_LEFT_OUT
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        // Later patterns win in a gitignore file: an app cannot re-include the fixed list.
        let exclude = [
            (SLUGIGNORE, &slugignore),
            ("dyno.toml's exclude", &settings.exclude),
            ("", &always),
        ];
        Ok(Self {
            include: parse_patterns(folder, &[("dyno.toml's include", &settings.include)])?,
            exclude: parse_patterns(folder, &exclude)?,
        })
    }

    /// Whether `include` has any pattern.
    pub(super) fn has_include(&self) -> bool {
        !self.include.is_empty()
    }

    /// Whether `include` names the path, or a folder above the path.
    pub(super) fn is_included(&self, path: &Path, is_folder: bool) -> bool {
        self.include
            .matched_path_or_any_parents(path, is_folder)
            .is_ignore()
    }

    /// Whether a pattern, or a mark in a cache folder, leaves the path out. `include` is not considered here.
    pub(super) fn is_left_out(&self, path: &Path, is_folder: bool) -> bool {
        let is_marked = is_folder && is_cache_folder(path);
        is_marked
            || self
                .exclude
                .matched_path_or_any_parents(path, is_folder)
                .is_ignore()
    }
}

/// Whether a folder holds only what can be made again.
pub(super) fn is_cache_folder(folder: &Path) -> bool {
    CACHE_MARKS.iter().any(|mark| folder.join(mark).is_file())
}

fn parse_patterns(
    folder: &Path,
    sources: &[(&'static str, &Vec<String>)],
) -> Result<Gitignore, AppFilesError> {
    let mut builder = GitignoreBuilder::new(folder);
    for (place, lines) in sources {
        for line in *lines {
            let bad = |source| AppFilesError::Pattern {
                place,
                pattern: line.clone(),
                source,
            };
            builder.add_line(None, line).map_err(bad)?;
        }
    }
    builder.build().map_err(|source| AppFilesError::Pattern {
        place: sources[0].0,
        pattern: String::new(),
        source,
    })
}
