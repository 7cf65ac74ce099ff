//! Owns the making of a slug file from a built app. The same input gives the same bytes.
//! Must not know how the components were built.

mod archive;
mod collect;
mod describe;
mod error;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::build::built_app::BuiltApp;
use crate::manifest::error::BuildWarning;
use crate::slug::Slug;

pub use crate::app_files::{ALWAYS_LEFT_OUT, AppFilesError};
pub use error::PackError;

/// Mode of a slug file, before the process's umask.
const SLUG_MODE: u32 = 0o666;

/// A slug file, and the warnings of its build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedSlug {
    /// The slug in the file.
    pub slug: Slug,
    /// The path of the file.
    pub file: PathBuf,
    /// Warnings for the author.
    pub warnings: Vec<BuildWarning>,
}

/// Packs a built app into one file. The file is written under a temporary name and then renamed, so that it is whole or absent.
pub fn pack(app: &BuiltApp, file: &Path) -> Result<PackedSlug, PackError> {
    let collected = collect::collect_files(app, file)?;
    let manifest = describe::describe_app(app, &collected)?;
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
        // A file with this extension is left out of every slug, should this process be killed here.
        .suffix(".slug")
        .permissions(fs::Permissions::from_mode(SLUG_MODE))
        .tempfile_in(folder)
        .map_err(failed)?;
    let (id, bytes) =
        archive::write_archive(&collected.files, &manifest, temporary.as_file(), file)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(file)
        .map_err(|error| failed(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(PackedSlug {
        slug: Slug::new(id, bytes, manifest),
        file: file.to_owned(),
        warnings: app.warnings().to_vec(),
    })
}
