//! Owns `Slug`: the facts about a slug file that was checked.
//! Must not know where the file is kept.

use grid::name::SlugId;

use crate::component::world::World;
use crate::manifest::slug_json::{FileRecord, Manifest};
use crate::path::SlugPath;

/// A slug whose file was checked from its first byte to its last.
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

    /// The SHA-256 of the file, which is the slug's name.
    pub fn id(&self) -> SlugId {
        self.id
    }

    /// The size of the file, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The manifest: process types, builder, formation, files.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The components that process types run, each with its world and its file.
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
