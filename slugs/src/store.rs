//! Owns slugs on this disk: by digest, checked, and unpacked once each.
//! Must not know apps or releases, nor which slugs are still needed.
//!
//! ```text
//! slugs/<hex>.slug      the files, as they came
//! unpacked/<hex>/app/   the app's files, read-only; beside it nothing
//! work/<random>/        what is being made, locked by its maker; the rest is swept at the next start
//! ```
//! Everything appears under its final name by one rename, so that a crash at any instant leaves a whole
//! thing or none. Several threads and processes may use one store.

mod tree;
mod work;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use grid::name::SlugId;

use crate::digest::{Digest, Digesting};
use crate::format::EXTENSION;
use crate::manifest::Manifest;
use crate::slug::Slug;
use crate::verify::{self, VerifyError};
use work::Work;

/// Folder of the app's files within an unpacked slug.
const APP: &str = "app";

/// Slugs on this disk.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Unpacked folders whose contents this process has compared with their slug.
    compared: Mutex<BTreeSet<SlugId>>,
}

/// A slug as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The folder of the app's files; nothing in it may be written.
    pub folder: PathBuf,
    /// What the slug says about itself.
    pub manifest: Manifest,
}

/// One slug of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub id: SlugId,
    /// Size of the file.
    pub bytes: u64,
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not here.
    #[error("there is no slug {id} here: build or deploy it again")]
    NotFound {
        /// Which.
        id: SlugId,
    },
    /// A slug that was brought is not acceptable.
    #[error("the slug is refused")]
    Refused(#[source] VerifyError),
    /// A slug that was brought is another one than was said.
    #[error("the slug is {found}, and {expected} was announced: send it again")]
    Mismatch {
        /// As announced.
        expected: SlugId,
        /// As computed.
        found: SlugId,
    },
    /// A slug on the disk is no longer what it was: R17.
    #[error(
        "Error R17 (Checksum error): the file of slug {id} has changed on the disk; deploy it again"
    )]
    Checksum {
        /// Which.
        id: SlugId,
    },
    /// The disk said no.
    #[error("{} failed in the slug store: is the disk full, or {} read-only?", what, path.display())]
    Disk {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn disk(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Disk { what, path, source }
}

impl Store {
    /// Opens a store, making its folders if they are not there, and sweeps what a crash left half done.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self {
            root: root.to_owned(),
            compared: Mutex::new(BTreeSet::new()),
        };
        for folder in [store.slugs(), store.unpacked(), store.works()] {
            fs::create_dir_all(&folder).map_err(disk("making a folder", &folder))?;
        }
        store.clean()?;
        Ok(store)
    }

    /// Takes a slug in: checks it in full, syncs it to the disk, then names it. Bringing one again is no error.
    pub fn put(&self, reader: impl Read) -> Result<Slug, StoreError> {
        self.take(reader, None)
    }

    /// As [`Store::put`], for a slug whose name was announced.
    pub fn put_as(&self, expected: SlugId, reader: impl Read) -> Result<Slug, StoreError> {
        self.take(reader, Some(expected))
    }

    fn take(&self, reader: impl Read, expected: Option<SlugId>) -> Result<Slug, StoreError> {
        let works = self.works();
        let work = Work::begin(&works).map_err(disk("making a folder", &works))?;
        let half = work.path().join("slug");
        let file = File::create_new(&half).map_err(disk("writing a slug", &half))?;
        let mut copy = Copying {
            from: reader,
            to: io::BufWriter::new(file),
            failed: None,
        };
        let slug = verify::verify(&mut copy);
        if let Some(error) = copy.failed {
            return Err(disk("writing a slug", &half)(error));
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
        synced.map_err(disk("writing a slug", &half))?;
        let place = self.file(slug.id());
        // Over one of the same name too: should that have changed on the disk, this heals it.
        fs::rename(&half, &place).map_err(disk("naming a slug", &place))?;
        sync_folder(&self.slugs())?;
        Ok(slug)
    }

    /// Whether a slug is here, without looking into it.
    pub fn contains(&self, id: SlugId) -> bool {
        self.file(id).is_file()
    }

    /// The file of a slug, at its beginning, after its digest was compared.
    pub fn get(&self, id: SlugId) -> Result<File, StoreError> {
        let path = self.file(id);
        let mut file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { id },
            _ => disk("reading a slug", &path)(error),
        })?;
        if digest(&file)
            .map_err(disk("reading a slug", &path))?
            .bytes()
            != id.bytes()
        {
            return Err(StoreError::Checksum { id });
        }
        file.rewind().map_err(disk("reading a slug", &path))?;
        Ok(file)
    }

    /// What a slug says about itself.
    pub fn manifest(&self, id: SlugId) -> Result<Manifest, StoreError> {
        verify::manifest(self.get(id)?).map_err(StoreError::Refused)
    }

    /// The folder of a slug's files, unpacked if it is not yet. The first time in this process, the slug's
    /// digest and every unpacked file are compared; files that changed are unpacked anew.
    pub fn unpack(&self, id: SlugId) -> Result<Unpacked, StoreError> {
        let place = self.unpacked().join(id.hex());
        let folder = place.join(APP);
        let slug = self.get(id)?;
        let manifest = verify::manifest(&slug).map_err(StoreError::Refused)?;
        let known = self
            .compared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id);
        if !(known && folder.is_dir()) {
            if place.exists() && !tree::matches(&folder, &manifest) {
                self.discard(&place)?;
            }
            if !place.exists() {
                self.unpack_to(id, &place)?;
            }
            self.compared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id);
        }
        Ok(Unpacked { folder, manifest })
    }

    fn unpack_to(&self, id: SlugId, place: &Path) -> Result<(), StoreError> {
        let works = self.works();
        let work = Work::begin(&works).map_err(disk("making a folder", &works))?;
        let half = work.path().join("slug");
        let app = half.join(APP);
        fs::create_dir_all(&app).map_err(disk("making a folder", &app))?;
        let into = Dir::open_ambient_dir(&app, ambient_authority())
            .map_err(disk("making a folder", &app))?;
        verify::unpack(self.get(id)?, &into).map_err(StoreError::Refused)?;
        match fs::rename(&half, place) {
            // Someone else was faster, with the same files.
            Err(_) if place.is_dir() => Ok(()),
            other => other.map_err(disk("naming an unpacked slug", place)),
        }
    }

    /// All slugs, by name.
    pub fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let folder = self.slugs();
        let failed = || disk("listing slugs", &folder);
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_suffix(".slug")?.parse().ok());
            // One that is removed meanwhile is none.
            if let (Some(id), Ok(data)) = (id, entry.metadata()) {
                found.push(Stored {
                    id,
                    bytes: data.len(),
                });
            }
        }
        found.sort_by_key(|stored| stored.id);
        Ok(found)
    }

    /// Removes a slug and its unpacked files; says whether it was here.
    pub fn remove(&self, id: SlugId) -> Result<bool, StoreError> {
        self.compared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        let path = self.file(id);
        let was_here = match fs::remove_file(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(disk("removing a slug", &path)(error)),
        };
        let place = self.unpacked().join(id.hex());
        if place.exists() {
            self.discard(&place)?;
        }
        sync_folder(&self.slugs())?;
        Ok(was_here)
    }

    /// Sweeps what makers that no longer live left half done; says how much.
    pub fn clean(&self) -> Result<usize, StoreError> {
        let works = self.works();
        work::sweep(&works).map_err(disk("cleaning up", &works))
    }

    /// Takes a folder out of sight at once, then removes it.
    fn discard(&self, place: &Path) -> Result<(), StoreError> {
        let works = self.works();
        let work = Work::begin(&works).map_err(disk("making a folder", &works))?;
        match fs::rename(place, work.path().join("old")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(disk("removing an unpacked slug", place)),
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

    fn file(&self, id: SlugId) -> PathBuf {
        self.slugs().join(id.hex()).with_extension(EXTENSION)
    }
}

/// Makes a rename in a folder last.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(disk("writing to the disk", folder))
}

fn digest(file: &File) -> io::Result<Digest> {
    let mut reader = Digesting::new(file);
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.digest())
}

/// A reader that keeps a copy of what passes. An error of the copy ends the reading, and is told apart.
struct Copying<R, W> {
    from: R,
    to: W,
    failed: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Copying<R, W> {
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
