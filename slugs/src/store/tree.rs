//! Owns the folder trees of unpacked slugs: the comparison with a manifest, and removal.
//! Must not follow symbolic links: the manifest lists them, and their targets are compared as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::digest::Digest;
use crate::manifest::slug_json::{FileRecord, Manifest};
use crate::path::SlugPath;

/// Mode of a folder that allows its entries to be removed.
const REMOVABLE: u32 = 0o700;

/// Whether a folder holds exactly the files and links of a manifest, unchanged.
pub(super) fn matches_manifest(folder: &Path, manifest: &Manifest) -> bool {
    let mut files: BTreeSet<String> = manifest
        .files
        .keys()
        .map(|path| path.as_str().to_owned())
        .collect();
    let mut links = manifest.links.clone();
    let only_known = remove_found(folder, "", &mut files, &mut links).unwrap_or(false);
    let is_unchanged = |(path, record): (&SlugPath, &FileRecord)| {
        File::open(folder.join(path.as_str()))
            .and_then(|file| Digest::of_reader(&file))
            .is_ok_and(|(digest, _)| digest == record.sha256)
    };
    only_known && files.is_empty() && links.is_empty() && manifest.files.iter().all(is_unchanged)
}

/// Removes the files and links of a tree from the two lists. Returns false if the tree holds anything else.
fn remove_found(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeSet<String>,
    links: &mut BTreeMap<SlugPath, String>,
) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let Some(name) = entry
            .file_name()
            .to_str()
            .map(|name| format!("{prefix}{name}"))
        else {
            return Ok(false);
        };
        let is_known = if kind.is_dir() {
            remove_found(&entry.path(), &format!("{name}/"), files, links)?
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            let expected = links.remove(name.as_str());
            expected.is_some_and(|expected| target.as_os_str() == expected.as_str())
        } else {
            kind.is_file() && files.remove(&name)
        };
        if !is_known {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes a tree whose folders may be read-only.
pub(super) fn remove_tree(root: &Path) -> io::Result<()> {
    make_removable(root)?;
    fs::remove_dir_all(root)
}

fn make_removable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(REMOVABLE))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_removable(&entry.path())?;
        }
    }
    Ok(())
}
