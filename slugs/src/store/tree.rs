//! Owns folder trees of unpacked slugs: whether one is what its manifest says, and removing one.
//! Must not follow a link, wherever it leads: only the links of the manifest may be there, and they are compared as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::manifest::{FileRecord, Manifest};
use crate::path::SlugPath;

/// Mode that lets a folder's entries be removed.
const REMOVABLE: u32 = 0o700;

/// Whether a folder holds a manifest's files and no others, unchanged.
pub(super) fn matches(folder: &Path, manifest: &Manifest) -> bool {
    let mut wanted: BTreeSet<String> = manifest
        .files
        .keys()
        .map(|path| path.as_str().to_owned())
        .collect();
    let mut links = manifest.links.clone();
    let only_wanted = strike(folder, "", &mut wanted, &mut links).unwrap_or(false);
    let is_unchanged = |(path, record): (&SlugPath, &FileRecord)| {
        File::open(folder.join(path.as_str()))
            .and_then(|file| super::digest(&file))
            .is_ok_and(|digest| digest == record.sha256)
    };
    only_wanted && wanted.is_empty() && links.is_empty() && manifest.files.iter().all(is_unchanged)
}

/// Strikes the plain files and the links of a tree off their lists; false if there is anything else.
fn strike(
    folder: &Path,
    prefix: &str,
    wanted: &mut BTreeSet<String>,
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
        let is_ours = if kind.is_dir() {
            strike(&entry.path(), &format!("{name}/"), wanted, links)?
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            let wanted = links.remove(name.as_str());
            wanted.is_some_and(|wanted| target.as_os_str() == wanted.as_str())
        } else {
            kind.is_file() && wanted.remove(&name)
        };
        if !is_ours {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes a tree whose folders may be read-only.
pub(super) fn remove(root: &Path) -> io::Result<()> {
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
