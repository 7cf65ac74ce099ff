//! Owns the files by which a C program is known. Must not know how it is compiled.

use std::path::{Path, PathBuf};

/// The program, as a slug and a Procfile name it.
pub(in crate::build) const MODULE: &str = "main.wasm";
/// Build files whose presence means that the folder needs more than a C compiler.
const BUILD_FILES: [&str; 2] = ["Makefile", "CMakeLists.txt"];

/// Whether a folder holds C sources and no build file of another tool.
pub(in crate::build) fn is_project(folder: &Path) -> bool {
    let has_build_file = BUILD_FILES.iter().any(|name| folder.join(name).is_file());
    !has_build_file && has_sources(folder)
}

/// Whether a folder holds C sources.
pub(in crate::build) fn has_sources(folder: &Path) -> bool {
    !list_sources(folder).is_empty()
}

/// Lists the files to compile: those of `src`, or those at the top if `src` has none.
pub(super) fn list_sources(folder: &Path) -> Vec<PathBuf> {
    let of = |place: &str| {
        let entries = std::fs::read_dir(folder.join(place));
        let paths = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let is_source = |path: &PathBuf| path.extension().is_some_and(|end| end == "c");
        let mut found: Vec<PathBuf> = paths
            .filter(is_source)
            .filter_map(|path| Some(Path::new(place).join(path.file_name()?)))
            .collect();
        found.sort();
        found
    };
    let found = of("src");
    if found.is_empty() { of("") } else { found }
}
