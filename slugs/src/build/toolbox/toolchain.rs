//! Owns the tools of languages: each set has exact versions and is installed once, in the user's cache.
//! Must not know what the tools build, nor where packages come from: the client of each language knows.

use std::path::{Path, PathBuf};

use super::build_folder::{self, BuildFolder};
use super::error::BuilderError;
use super::progress::BuildProgress;
use super::tools::Tools;

/// A set of tools with exact versions.
pub(crate) struct Toolchain {
    /// The prefix of its folder's name.
    pub(crate) name: &'static str,
    /// The name and versions of the toolchain, for people.
    pub(crate) title: &'static str,
    /// All texts that decide its contents: another text gives another folder.
    pub(crate) pins: &'static [&'static str],
}

impl Toolchain {
    /// Returns the folder of the tools. If it is missing, `install` fills a work folder, which then gets its name at once:
    /// a killed installation leaves nothing, and of two builds at a time the second waits and finds the folder.
    pub(crate) fn ensure(
        &self,
        tools: &Tools,
        progress: &mut dyn FnMut(BuildProgress),
        install: impl FnOnce(&Path, &mut dyn FnMut(BuildProgress)) -> Result<(), BuilderError>,
    ) -> Result<PathBuf, BuilderError> {
        let pins: Vec<&[u8]> = self.pins.iter().map(|pin| pin.as_bytes()).collect();
        let name = format!("{}-{}", self.name, build_folder::content_key(&pins));
        let home = tools.cache().join("toolchains").join(self.name);
        if home.join(&name).is_dir() {
            return Ok(home.join(name));
        }
        let toolchains = BuildFolder::open(&home, tools, progress)?;
        if toolchains.path_of(&name).is_dir() {
            return Ok(toolchains.path_of(&name));
        }
        let title = self.title;
        progress(BuildProgress::Step(format!("installing {title}, once")));
        let work = toolchains.make_work_folder()?;
        install(work.path(), progress).map_err(|source| match source {
            BuilderError::NoTool { .. } => source,
            source => BuilderError::Toolchain {
                title,
                source: Box::new(source),
            },
        })?;
        let folder = toolchains.keep_as(&work.keep(), &name)?;
        toolchains.prune_old(self.name);
        Ok(folder)
    }
}
