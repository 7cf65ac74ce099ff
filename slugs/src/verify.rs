//! Owns the check of a slug from an untrusted source, and its unpacking while it is checked.
//! Must not know where the bytes come from.
//!
//! Each content has exactly one valid form: the manifest lists the files in order, each header must be byte for byte the one
//! that `pack` writes, and each padding byte must be zero. This excludes hard links, devices, sparse files, second names and
//! hidden data, and allows one kind of extension record, for names that are too long for a header. The manifest lists the
//! symbolic links too, and each of them leads to a file or folder of the app (`link`). Links are made after all files, so that
//! no file is written through a link.

mod error;
mod slug_reader;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use grid::desired::ProcessKind;

use crate::component::{self, World};
use crate::format::ArchiveEntry;
use crate::manifest::slug_json::Manifest;
use crate::path::{SlugPath, shown};
use crate::slug::Slug;

pub use error::VerifyError;
use slug_reader::SlugReader;

/// Mode of an unpacked file.
const FILE_MODE: u32 = 0o444;
/// Mode of an unpacked folder.
const FOLDER_MODE: u32 = 0o555;

/// Checks a slug from its first byte to its last. Memory is bounded by the largest component and the manifest.
pub fn verify(reader: impl Read) -> Result<Slug, VerifyError> {
    read_slug(reader, None)
}

impl Slug {
    /// Checks a slug file in full.
    pub fn open(file: &Path) -> Result<Self, VerifyError> {
        verify(File::open(file).map_err(VerifyError::Read)?)
    }
}

/// Checks a slug and writes its files below a folder, which should be empty. After an error, some files may be there: the
/// caller has to remove the folder.
pub(crate) fn unpack(reader: impl Read, into: &Dir) -> Result<Slug, VerifyError> {
    read_slug(reader, Some(into))
}

/// Reads the manifest of a slug that was checked before.
pub(crate) fn read_manifest(reader: impl Read) -> Result<Manifest, VerifyError> {
    SlugReader::open(reader)?.read_manifest()
}

/// Reads and checks a whole slug, and writes its files if there is a folder for them.
fn read_slug(reader: impl Read, into: Option<&Dir>) -> Result<Slug, VerifyError> {
    let mut stream = SlugReader::open(reader)?;
    let manifest = stream.read_manifest()?;
    let components = manifest.components();
    let mut unpack_target = UnpackTarget {
        into,
        folders: BTreeSet::new(),
    };
    for (path, record) in &manifest.files {
        stream.read_head(path, ArchiveEntry::File(record.bytes), &manifest)?;
        let mut kept = components.contains(path).then(Vec::new);
        let mut file = unpack_target.create_file(path)?;
        let digest = stream.read_contents(record.bytes, |bytes| {
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(bytes);
            }
            file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
        })?;
        if digest != record.sha256 {
            return Err(VerifyError::Digest {
                entry: stream.current,
            });
        }
        if let Some(bytes) = kept {
            check_component(path, &bytes, &manifest)?;
        }
    }
    for (path, target) in &manifest.links {
        stream.read_head(path, ArchiveEntry::Link(target), &manifest)?;
        unpack_target.create_link(path, target)?;
    }
    unpack_target.make_read_only()?;
    drop(components);
    let (id, bytes) = stream.finish(&manifest)?;
    Ok(Slug::new(id, bytes, manifest))
}

/// Checks that a component fits each process type and command word of the manifest that runs it.
fn check_component(path: &SlugPath, bytes: &[u8], manifest: &Manifest) -> Result<(), VerifyError> {
    let entry = || shown(path.as_str().as_bytes());
    let component = component::inspect(bytes).map_err(|source| VerifyError::Component {
        entry: entry(),
        source,
    })?;
    for (process, claimed) in manifest
        .processes
        .iter()
        .filter(|(_, claimed)| claimed.component == *path)
    {
        let unfit = |source| VerifyError::Unfit {
            entry: entry(),
            process: process.clone(),
            source,
        };
        let found: (World, ProcessKind) = component.fit(process).map_err(unfit)?;
        if found != (claimed.world, claimed.kind) {
            return Err(VerifyError::World {
                entry: entry(),
                process: process.clone(),
                said: claimed.world,
            });
        }
    }
    let mut commands = manifest.commands.iter();
    match commands.find(|(_, command)| command.component == *path) {
        Some((word, _)) if !component.is_command() => Err(VerifyError::NotACommand {
            entry: entry(),
            word: word.clone(),
        }),
        _ => Ok(()),
    }
}

fn write_error(path: &SlugPath, source: std::io::Error) -> VerifyError {
    VerifyError::Write {
        entry: shown(path.as_str().as_bytes()),
        source,
    }
}

/// The destination of unpacked files: a folder, or none.
struct UnpackTarget<'a> {
    into: Option<&'a Dir>,
    folders: BTreeSet<String>,
}

impl UnpackTarget<'_> {
    fn create_file(&mut self, path: &SlugPath) -> Result<Option<cap_std::fs::File>, VerifyError> {
        let Some(into) = self.into else {
            return Ok(None);
        };
        self.make_folders(into, path)?;
        let failed = |source| write_error(path, source);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        into.open_with(path.as_str(), &options)
            .map(Some)
            .map_err(failed)
    }

    fn create_link(&mut self, path: &SlugPath, target: &str) -> Result<(), VerifyError> {
        let Some(into) = self.into else {
            return Ok(());
        };
        self.make_folders(into, path)?;
        let made = into.symlink(target, path.as_str());
        made.map_err(|source| write_error(path, source))
    }

    fn make_folders(&mut self, into: &Dir, path: &SlugPath) -> Result<(), VerifyError> {
        for folder in path.folders() {
            if !self.folders.contains(folder) {
                let made = into.create_dir(folder);
                made.map_err(|source| write_error(path, source))?;
                self.folders.insert(folder.to_owned());
            }
        }
        Ok(())
    }

    /// Makes the folders read-only, innermost first.
    fn make_read_only(&self) -> Result<(), VerifyError> {
        let Some(into) = self.into else {
            return Ok(());
        };
        for folder in self.folders.iter().rev().map(String::as_str).chain(["."]) {
            into.set_permissions(Path::new(folder), Permissions::from_mode(FOLDER_MODE))
                .map_err(|source| VerifyError::Write {
                    entry: shown(folder.as_bytes()),
                    source,
                })?;
        }
        Ok(())
    }
}
