//! Owns `Slug`: what can be known of a slug file that has been checked.
//! Must not know where the file is kept.

use std::fs::File;
use std::path::Path;

use grid::name::SlugId;

use crate::component::World;
use crate::manifest::{FileRecord, Manifest};
use crate::path::SlugPath;
use crate::verify::{self, VerifyError};

/// A slug that has been checked from its first byte to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug {
    id: SlugId,
    bytes: u64,
    manifest: Manifest,
}

impl Slug {
    pub(crate) fn new(id: SlugId, bytes: u64, manifest: Manifest) -> Self {
        Self {
            id,
            bytes,
            manifest,
        }
    }

    /// Checks a slug file in full.
    pub fn open(file: &Path) -> Result<Self, VerifyError> {
        verify::verify(File::open(file).map_err(VerifyError::Read)?)
    }

    /// SHA-256 of the file.
    pub fn id(&self) -> SlugId {
        self.id
    }

    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it says about itself: process types, builder, formation, files.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The files that process types run, with the world each is run in.
    pub fn components(&self) -> impl Iterator<Item = (&SlugPath, World, FileRecord)> {
        let world = |path: &SlugPath| {
            self.manifest
                .processes
                .values()
                .find(|process| process.component == *path)
                .map(|process| process.world)
        };
        self.manifest
            .components()
            .into_iter()
            .filter_map(move |path| Some((path, world(path)?, *self.manifest.files.get(path)?)))
    }
}
