//! The input of a deploy: a folder that is built, a component, or a slug. Each is turned into a slug.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slugs::Slug;
use slugs::build::{BuiltApp, Tools};

use crate::dirs::{self, RunFolder};
use crate::terminal::ProgressLine;

/// A slug's file, and the folder that it is packed in, unless it was there before.
pub(super) struct DeploySource {
    slug: Slug,
    file: PathBuf,
    _folder: Option<RunFolder>,
}

impl DeploySource {
    /// Builds and packs it, if it is no slug yet.
    pub(super) fn make(what: &Path, progress: &ProgressLine) -> Result<DeploySource> {
        let is_slug = what
            .extension()
            .is_some_and(|extension| extension == slugs::EXTENSION);
        if is_slug && !what.is_dir() {
            let slug = Slug::open(what);
            let slug = slug.with_context(|| format!("{} is not a sound slug", what.display()))?;
            return Ok(DeploySource {
                slug,
                file: what.to_owned(),
                _folder: None,
            });
        }
        let built = build(what, progress)?;
        let folder = RunFolder::create(&dirs::cache()?)?;
        let file = folder.path().join("app").with_extension(slugs::EXTENSION);
        let packed = slugs::pack::pack(&built, &file)?;
        for warning in built.warnings() {
            progress.print_warning(&warning.to_string());
        }
        Ok(DeploySource {
            slug: packed.slug,
            file,
            _folder: Some(folder),
        })
    }

    pub(super) fn slug(&self) -> &Slug {
        &self.slug
    }

    pub(super) fn open(&self) -> Result<File> {
        File::open(&self.file).with_context(|| format!("cannot read {}", self.file.display()))
    }

    /// Config vars without which the app does not work, and that are not among `set`.
    pub(super) fn missing<'a>(&'a self, set: &'a [String]) -> impl Iterator<Item = &'a str> {
        let wanted = self.slug.manifest().env.iter();
        let required = wanted.filter(|(_, var)| var.required && var.value.is_none());
        let names = required.map(|(name, _)| name.as_str());
        names.filter(move |name| !set.iter().any(|known| known == name))
    }
}

fn build(what: &Path, progress: &ProgressLine) -> Result<BuiltApp> {
    if what.is_dir() {
        let tools = Tools::attached(dirs::cache()?);
        return Ok(slugs::build::build(what, &tools, &mut |event| {
            progress.show_build_event(event)
        })?);
    }
    Ok(slugs::build::ready_made(what)?)
}
