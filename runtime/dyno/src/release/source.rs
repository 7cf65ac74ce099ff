//! Where a node gets unpacked slugs from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use grid::name::{ProcessType, SlugId};
use slugs::World;

use crate::error_chain::chain;

/// One process type as its slug describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlugProgram {
    /// The component's file, within the unpacked slug.
    pub component: PathBuf,
    /// Arguments after the program's name, as the manifest stores them: `$NAME` stands in them.
    pub args: Vec<String>,
    /// How it is entered, and so which engine it needs.
    pub world: World,
}

/// A slug on this machine's disk.
#[derive(Debug, Clone)]
pub struct UnpackedSlug {
    /// The app's files; read-only to guests.
    pub folder: PathBuf,
    /// What can be run of it.
    pub programs: BTreeMap<ProcessType, SlugProgram>,
    /// The symbolic links in the folder: path and target, relative to where they stand. None leads out of the folder.
    pub links: Arc<BTreeMap<String, String>>,
}

/// Gives the slug of that id, or says why not. May block: it is called off the runtime's threads.
pub type SlugSource = Arc<dyn Fn(SlugId) -> Result<UnpackedSlug, String> + Send + Sync>;

/// Slugs from a store, unpacked there.
pub fn from_store(store: Arc<slugs::store::Store>) -> SlugSource {
    Arc::new(move |id| {
        let unpacked = store.unpack(id).map_err(|e| chain(&e))?;
        let programs = unpacked.manifest.processes.iter();
        let programs = programs.map(|(name, process)| (name.clone(), program(process)));
        let links = unpacked.manifest.links.iter();
        let links = links.map(|(path, target)| (path.as_str().to_owned(), target.clone()));
        Ok(UnpackedSlug {
            folder: unpacked.folder,
            programs: programs.collect(),
            links: Arc::new(links.collect()),
        })
    })
}

fn program(process: &slugs::manifest::ManifestProcess) -> SlugProgram {
    SlugProgram {
        component: process.component.as_str().into(),
        args: process.args.clone(),
        world: process.world,
    }
}
