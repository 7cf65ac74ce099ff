//! Owns the making of a slug file from a build: the same input gives the same bytes.
//! Must not know how the components were built.

mod archive;
mod collect;
mod describe;
mod error;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::build::Built;
use crate::manifest::Warning;
use crate::slug::Slug;

pub use collect::ALWAYS_LEFT_OUT;
pub(crate) use collect::folder_files;
pub use error::PackError;

/// Mode of a slug file, less what the process's umask takes.
const SLUG_MODE: u32 = 0o666;

/// A slug file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// What it is.
    pub slug: Slug,
    /// Where it is.
    pub file: PathBuf,
    /// What deserves a word.
    pub warnings: Vec<Warning>,
}

/// Packs a build into one file, written beside its final name and then renamed, so that there is a whole slug or none.
pub fn pack(built: &Built, file: &Path) -> Result<Packed, PackError> {
    let collected = collect::collect(built, file)?;
    let manifest = describe::manifest(built, &collected)?;
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |source| PackError::Write {
        path: file.to_owned(),
        source,
    };
    let temporary = tempfile::Builder::new()
        .prefix(".dyno-")
        // Left out of every slug, should this process be killed here.
        .suffix(".slug")
        .permissions(fs::Permissions::from_mode(SLUG_MODE))
        .tempfile_in(folder)
        .map_err(failed)?;
    let (id, bytes) = archive::write(&collected.files, &manifest, temporary.as_file(), file)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(file)
        .map_err(|error| failed(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(Packed {
        slug: Slug::new(id, bytes, manifest),
        file: file.to_owned(),
        warnings: built.warnings().to_vec(),
    })
}
