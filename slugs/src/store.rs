//! Owns the slugs on this disk: stored by digest, checked, and each unpacked once.
//! Must not know apps or releases, nor which slugs are still needed.
//!
//! ```text
//! slugs/<hex>.slug      the slug files, as received
//! unpacked/<hex>/app/   the app's files, read-only
//! work/<random>/        work in progress, locked by the process that does it; removed at the next start
//! ```
//! Each file or folder gets its final name by one rename, so a crash never leaves a partial one under that name.
//! Several threads and processes may use one store.

mod tree;
mod work_folder;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use grid::name::SlugId;
use parking_lot::Mutex;

use crate::digest::Digest;
use crate::format::EXTENSION;
use crate::manifest::slug_json::Manifest;
use crate::slug::Slug;
use crate::verify::{self, VerifyError};
use work_folder::WorkFolder;

/// Folder of the app's files within an unpacked slug.
const APP: &str = "app";

/// Slugs on this disk.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Unpacked folders whose contents this process has compared with their slug.
    compared: Mutex<BTreeSet<SlugId>>,
}

/// The unpacked files of a slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedSlug {
    /// The folder of the app's files. Callers must not write to it.
    pub folder: PathBuf,
    /// The slug's manifest.
    pub manifest: Manifest,
}

/// One slug of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSlug {
    /// The digest, which is the slug's name.
    pub id: SlugId,
    /// Size of the file, in bytes.
    pub bytes: u64,
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store has no such slug.
    #[error("there is no slug {id} here: build or deploy it again")]
    NotFound {
        /// The slug.
        id: SlugId,
    },
    /// A received slug failed the check.
    #[error("the slug is refused")]
    Refused(#[source] VerifyError),
    /// A received slug is not the one that was announced.
    #[error("{expected} was announced, but the slug received is {found}: send it again")]
    Mismatch {
        /// The announced digest.
        expected: SlugId,
        /// The digest of the bytes received.
        found: SlugId,
    },
    /// A slug file on the disk has changed: R17.
    #[error(
        "Error R17 (Checksum error): the file of slug {id} has changed on the disk; deploy it again"
    )]
    Checksum {
        /// The slug.
        id: SlugId,
    },
    /// The system refused a file operation.
    #[error("{} failed in the slug store: is the disk full, or {} read-only?", what, path.display())]
    Disk {
        /// The operation.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

fn disk_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Disk { what, path, source }
}

impl Store {
    /// Opens a store: makes its folders if they are missing, and removes work that a crash left unfinished.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self {
            root: root.to_owned(),
            compared: Mutex::new(BTreeSet::new()),
        };
        for folder in [store.slugs(), store.unpacked(), store.works()] {
            fs::create_dir_all(&folder).map_err(disk_error("making a folder", &folder))?;
        }
        store.clean()?;
        Ok(store)
    }

    /// Stores a slug: checks it in full, syncs it to the disk, then gives it its name. Storing a slug again is no error.
    pub fn put(&self, reader: impl Read) -> Result<Slug, StoreError> {
        self.receive(reader, None)
    }

    /// As [`Store::put`]. Fails if the slug is not the expected one.
    pub fn put_as(&self, expected: SlugId, reader: impl Read) -> Result<Slug, StoreError> {
        self.receive(reader, Some(expected))
    }

    fn receive(&self, reader: impl Read, expected: Option<SlugId>) -> Result<Slug, StoreError> {
        let works = self.works();
        let work = WorkFolder::create_in(&works).map_err(disk_error("making a folder", &works))?;
        let unnamed = work.path().join("slug");
        let file = File::create_new(&unnamed).map_err(disk_error("writing a slug", &unnamed))?;
        let mut copy = CopyingReader {
            from: reader,
            to: io::BufWriter::new(file),
            failed: None,
        };
        let slug = verify::verify(&mut copy);
        if let Some(error) = copy.failed {
            return Err(disk_error("writing a slug", &unnamed)(error));
        }
        let slug = slug.map_err(StoreError::Refused)?;
        if let Some(expected) = expected.filter(|expected| *expected != slug.id()) {
            return Err(StoreError::Mismatch {
                expected,
                found: slug.id(),
            });
        }
        let synced = copy
            .to
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all());
        synced.map_err(disk_error("writing a slug", &unnamed))?;
        let path = self.slug_file(slug.id());
        // Replaces an older file of this name, which may have changed on the disk since.
        fs::rename(&unnamed, &path).map_err(disk_error("naming a slug", &path))?;
        sync_folder(&self.slugs())?;
        Ok(slug)
    }

    /// Whether the store has a slug. The file is not read.
    pub fn contains(&self, id: SlugId) -> bool {
        self.slug_file(id).is_file()
    }

    /// Opens the file of a slug, after comparing its digest. The file is positioned at its begin.
    pub fn get(&self, id: SlugId) -> Result<File, StoreError> {
        let path = self.slug_file(id);
        let mut file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { id },
            _ => disk_error("reading a slug", &path)(error),
        })?;
        let (digest, _) = Digest::of_reader(&file).map_err(disk_error("reading a slug", &path))?;
        if digest.bytes() != id.bytes() {
            return Err(StoreError::Checksum { id });
        }
        file.rewind().map_err(disk_error("reading a slug", &path))?;
        Ok(file)
    }

    /// Reads the manifest of a slug.
    pub fn manifest(&self, id: SlugId) -> Result<Manifest, StoreError> {
        verify::read_manifest(self.get(id)?).map_err(StoreError::Refused)
    }

    /// Returns the folder of a slug's files, unpacked if it is not yet. The first time in this process, all unpacked files are
    /// compared with the manifest, and unpacked again if any has changed. The slug's own digest is compared each time.
    pub fn unpack(&self, id: SlugId) -> Result<UnpackedSlug, StoreError> {
        let target = self.unpacked().join(id.hex());
        let folder = target.join(APP);
        let slug = self.get(id)?;
        let manifest = verify::read_manifest(&slug).map_err(StoreError::Refused)?;
        let was_compared = self.compared.lock().contains(&id);
        if !(was_compared && folder.is_dir()) {
            if target.exists() && !tree::matches_manifest(&folder, &manifest) {
                self.discard(&target)?;
            }
            if !target.exists() {
                self.unpack_to(id, &target)?;
            }
            self.compared.lock().insert(id);
        }
        Ok(UnpackedSlug { folder, manifest })
    }

    fn unpack_to(&self, id: SlugId, target: &Path) -> Result<(), StoreError> {
        let works = self.works();
        let work = WorkFolder::create_in(&works).map_err(disk_error("making a folder", &works))?;
        let unnamed = work.path().join("slug");
        let app = unnamed.join(APP);
        fs::create_dir_all(&app).map_err(disk_error("making a folder", &app))?;
        let into = Dir::open_ambient_dir(&app, ambient_authority())
            .map_err(disk_error("making a folder", &app))?;
        verify::unpack(self.get(id)?, &into).map_err(StoreError::Refused)?;
        match fs::rename(&unnamed, target) {
            // Another thread or process has unpacked the same files meanwhile.
            Err(_) if target.is_dir() => Ok(()),
            other => other.map_err(disk_error("naming an unpacked slug", target)),
        }
    }

    /// Lists all slugs, sorted by digest.
    pub fn list(&self) -> Result<Vec<StoredSlug>, StoreError> {
        let folder = self.slugs();
        let failed = || disk_error("listing slugs", &folder);
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_suffix(".slug")?.parse().ok());
            // A slug may be removed between listing and reading its size.
            if let (Some(id), Ok(data)) = (id, entry.metadata()) {
                found.push(StoredSlug {
                    id,
                    bytes: data.len(),
                });
            }
        }
        found.sort_by_key(|stored| stored.id);
        Ok(found)
    }

    /// Removes a slug and its unpacked files. Returns whether the store had the slug.
    pub fn remove(&self, id: SlugId) -> Result<bool, StoreError> {
        self.compared.lock().remove(&id);
        let path = self.slug_file(id);
        let had_slug = match fs::remove_file(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(disk_error("removing a slug", &path)(error)),
        };
        let unpacked = self.unpacked().join(id.hex());
        if unpacked.exists() {
            self.discard(&unpacked)?;
        }
        sync_folder(&self.slugs())?;
        Ok(had_slug)
    }

    /// Removes the unfinished work of processes that have ended. Returns the number of work folders removed.
    pub fn clean(&self) -> Result<usize, StoreError> {
        let works = self.works();
        work_folder::remove_abandoned(&works).map_err(disk_error("cleaning up", &works))
    }

    /// Removes a folder: moves it away by one rename, then deletes it.
    fn discard(&self, folder: &Path) -> Result<(), StoreError> {
        let works = self.works();
        let work = WorkFolder::create_in(&works).map_err(disk_error("making a folder", &works))?;
        match fs::rename(folder, work.path().join("old")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(disk_error("removing an unpacked slug", folder)),
        }
    }

    fn slugs(&self) -> PathBuf {
        self.root.join("slugs")
    }

    fn unpacked(&self) -> PathBuf {
        self.root.join("unpacked")
    }

    fn works(&self) -> PathBuf {
        self.root.join("work")
    }

    fn slug_file(&self, id: SlugId) -> PathBuf {
        self.slugs().join(id.hex()).with_extension(EXTENSION)
    }
}

/// Syncs a folder, so that a rename in it survives a crash.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(disk_error("writing to the disk", folder))
}

/// A reader that writes a copy of the bytes that it gives. An error of the copy ends the reading, and is kept apart.
struct CopyingReader<R, W> {
    from: R,
    to: W,
    failed: Option<io::Error>,
}

impl<R: Read, W: Write> Read for CopyingReader<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        if let Err(error) = self.to.write_all(&buffer[..read]) {
            let kind = error.kind();
            self.failed = Some(error);
            return Err(kind.into());
        }
        Ok(read)
    }
}
