//! Owns the check of a slug that comes from a stranger, and its unpacking while it is checked.
//! Must not know where the bytes come from or who asked.
//!
//! There is one valid form for each content: the manifest says which files follow and in which order,
//! every header must be byte for byte the one that packing writes, every padding byte zero. So hard links,
//! devices, sparse files, second names and hidden data have no place to be, and of extension records there is one
//! kind, for names that are too long for a header. Symbolic links are those of the manifest, which lead to something
//! in the app (`link`); they are made after all files, so that no file is written through one.

mod error;
mod stream;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use grid::desired::ProcessKind;

use crate::component::{self, World};
use crate::format::Entry;
use crate::manifest::Manifest;
use crate::path::{SlugPath, shown};
use crate::slug::Slug;

pub use error::VerifyError;
use stream::Stream;

/// Mode of an unpacked file.
const FILE_MODE: u32 = 0o444;
/// Mode of an unpacked folder.
const FOLDER_MODE: u32 = 0o555;

/// Checks a slug from its first byte to its last. Takes bounded memory (the largest component, and the manifest).
pub fn verify(reader: impl Read) -> Result<Slug, VerifyError> {
    walk(reader, None)
}

/// Checks a slug and writes its files below a folder, which should be empty. On an error what was
/// written so far is there still: the caller throws the folder away.
pub(crate) fn unpack(reader: impl Read, into: &Dir) -> Result<Slug, VerifyError> {
    walk(reader, Some(into))
}

/// Reads only the manifest of a slug that was checked before.
pub(crate) fn manifest(reader: impl Read) -> Result<Manifest, VerifyError> {
    Stream::open(reader)?.manifest()
}

fn walk(reader: impl Read, into: Option<&Dir>) -> Result<Slug, VerifyError> {
    let mut stream = Stream::open(reader)?;
    let manifest = stream.manifest()?;
    let components = manifest.components();
    let mut sink = Sink {
        into,
        folders: BTreeSet::new(),
    };
    for (path, record) in &manifest.files {
        stream.entry(path, Entry::File(record.bytes), &manifest)?;
        let mut kept = components.contains(path).then(Vec::new);
        let mut file = sink.file(path)?;
        let digest = stream.contents(record.bytes, |bytes| {
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(bytes);
            }
            file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
        })?;
        if digest != record.sha256 {
            return Err(VerifyError::Digest { entry: stream.at });
        }
        if let Some(bytes) = kept {
            check_component(path, &bytes, &manifest)?;
        }
    }
    for (path, target) in &manifest.links {
        stream.entry(path, Entry::Link(target), &manifest)?;
        sink.link(path, target)?;
    }
    sink.close()?;
    drop(components);
    let (id, bytes) = stream.close(&manifest)?;
    Ok(Slug::new(id, bytes, manifest))
}

/// A component must be what the manifest makes of it, for every process type and command word that runs it.
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

fn unwritten(path: &SlugPath, source: std::io::Error) -> VerifyError {
    VerifyError::Write {
        entry: shown(path.as_str().as_bytes()),
        source,
    }
}

/// Where files go: nowhere, or below a folder.
struct Sink<'a> {
    into: Option<&'a Dir>,
    folders: BTreeSet<String>,
}

impl Sink<'_> {
    fn file(&mut self, path: &SlugPath) -> Result<Option<cap_std::fs::File>, VerifyError> {
        let Some(into) = self.into else {
            return Ok(None);
        };
        self.make_folders(into, path)?;
        let failed = |source| unwritten(path, source);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        into.open_with(path.as_str(), &options)
            .map(Some)
            .map_err(failed)
    }

    fn link(&mut self, path: &SlugPath, target: &str) -> Result<(), VerifyError> {
        let Some(into) = self.into else {
            return Ok(());
        };
        self.make_folders(into, path)?;
        let made = into.symlink(target, path.as_str());
        made.map_err(|source| unwritten(path, source))
    }

    fn make_folders(&mut self, into: &Dir, path: &SlugPath) -> Result<(), VerifyError> {
        for folder in path.folders() {
            if !self.folders.contains(folder) {
                let made = into.create_dir(folder);
                made.map_err(|source| unwritten(path, source))?;
                self.folders.insert(folder.to_owned());
            }
        }
        Ok(())
    }

    /// Makes the folders read-only, innermost first.
    fn close(&self) -> Result<(), VerifyError> {
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
