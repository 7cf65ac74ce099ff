//! Owns the file by which a Go app is known. Must not know how it is built.

use std::path::Path;

/// The file of every Go module.
pub(super) const GO_MOD: &str = "go.mod";

/// Whether a folder holds a Go module.
pub(in crate::build) fn is_project(folder: &Path) -> bool {
    folder.join(GO_MOD).is_file()
}
