//! Owns the files by which a Rust project is known. Must not know how cargo is run.

use std::path::Path;

/// The file of every Rust package and workspace.
pub(in crate::build) const CARGO_TOML: &str = "Cargo.toml";

/// Whether a folder holds a Rust package or workspace.
pub(in crate::build) fn is_project(folder: &Path) -> bool {
    folder.join(CARGO_TOML).is_file()
}

/// Whether the package in a folder may have a program. `true` as well if its `Cargo.toml` cannot be read.
pub(in crate::build) fn has_program(folder: &Path) -> bool {
    let text = std::fs::read_to_string(folder.join(CARGO_TOML)).unwrap_or_default();
    let Ok(manifest) = text.parse::<toml::Table>() else {
        return true;
    };
    let types = manifest.get("lib").and_then(|lib| lib.get("crate-type"));
    let types = types.and_then(|types| types.as_array());
    let is_cdylib =
        types.is_some_and(|types| types.iter().any(|one| one.as_str() == Some("cdylib")));
    is_cdylib
        || manifest.contains_key("workspace") && !manifest.contains_key("package")
        || manifest.contains_key("bin")
        || ["src/main.rs", "src/bin"]
            .iter()
            .any(|path| folder.join(path).exists())
}
