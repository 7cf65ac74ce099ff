//! Owns the tools of languages, each set with its exact versions, installed once in the user's cache.
//! Must not know what they build, nor where packages come from: each language's own client does.

use std::path::{Path, PathBuf};

use super::tools::Tools;
use crate::build::toolbox::build_folder::{self, Place};
use crate::build::{BuildError, Progress};

/// A set of tools.
pub(crate) struct Toolchain {
    /// Its folder's name begins so.
    pub(crate) name: &'static str,
    /// What it is, for people, with versions.
    pub(crate) title: &'static str,
    /// All that decides what is in it.
    pub(crate) pins: &'static [&'static str],
}

impl Toolchain {
    /// The folder of the tools. If it is not there, `install` fills one, which then gets its name at once: a killed
    /// installation leaves none, and of two at a time the second one waits, and finds it.
    pub(crate) fn ensure(
        &self,
        tools: &Tools,
        progress: &mut dyn FnMut(Progress),
        install: impl FnOnce(&Path, &mut dyn FnMut(Progress)) -> Result<(), BuildError>,
    ) -> Result<PathBuf, BuildError> {
        let pins: Vec<&[u8]> = self.pins.iter().map(|pin| pin.as_bytes()).collect();
        let name = format!("{}-{}", self.name, build_folder::key(&pins));
        let home = tools.cache().join("toolchains").join(self.name);
        if home.join(&name).is_dir() {
            return Ok(home.join(name));
        }
        let place = Place::open(&home, tools, progress)?;
        if place.at(&name).is_dir() {
            return Ok(place.at(&name));
        }
        let title = self.title;
        progress(Progress::Step(format!("installing {title}, once")));
        let work = place.work()?;
        install(work.path(), progress).map_err(|source| match source {
            BuildError::NoTool { .. } => source,
            source => BuildError::Toolchain {
                title,
                source: Box::new(source),
            },
        })?;
        let folder = place.keep(&work.keep(), &name)?;
        place.prune(self.name);
        Ok(folder)
    }
}
