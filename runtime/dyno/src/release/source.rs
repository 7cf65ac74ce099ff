//! The source of unpacked slugs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use grid::name::{ProcessType, SlugId};
use slugs::World;

use crate::error_chain::chain;

/// A process type, as described in the slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlugProgram {
    /// The component's file in the unpacked slug.
    pub component: PathBuf,
    /// The arguments after the program's name, as stored in the manifest: they may contain `$NAME`.
    pub args: Vec<String>,
    /// The world of the component, which decides how it is called and on which engine it runs.
    pub world: World,
}

/// A slug on this machine's disk.
#[derive(Debug, Clone)]
pub struct FetchedSlug {
    /// The app's files, which guests may only read.
    pub folder: PathBuf,
    /// The programs of the slug, by process type.
    pub programs: BTreeMap<ProcessType, SlugProgram>,
    /// The symbolic links in the folder: path and target, relative to the folder of the link. None leads out of the
    /// slug.
    pub links: Arc<BTreeMap<String, String>>,
}

/// Finds the unpacked slug with this id, or returns the reason why there is none. May block: it is called outside the
/// runtime's threads.
pub type SlugSource = Arc<dyn Fn(SlugId) -> Result<FetchedSlug, String> + Send + Sync>;

/// Slugs from a store, which unpacks them.
pub fn from_store(store: Arc<slugs::store::Store>) -> SlugSource {
    Arc::new(move |id| {
        let unpacked = store.unpack(id).map_err(|e| chain(&e))?;
        let programs = unpacked.manifest.processes.iter();
        let programs = programs.map(|(name, process)| (name.clone(), program(process)));
        let links = unpacked.manifest.links.iter();
        let links = links.map(|(path, target)| (path.as_str().to_owned(), target.clone()));
        Ok(FetchedSlug {
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
