//! `dyno build`: a source folder becomes a slug.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slugs::build::{Built, Tools};
use slugs::pack::Packed;

use super::slug;
use crate::args::Build;
use crate::dirs;
use crate::terminal::{self, Working};

pub(crate) fn run(args: &Build) -> Result<()> {
    let tools = Tools::attached(dirs::cache()?);
    let working = Working::start("Building");
    let built = slugs::build::build(&args.folder, &tools, &mut |progress| {
        working.build(progress)
    })?;
    let file = match &args.output {
        Some(file) => file.clone(),
        None => default_output(&built, &args.folder)?,
    };
    let Packed { slug, .. } = slugs::pack::pack(&built, &file)?;
    drop(working);
    for warning in built.warnings() {
        terminal::warning(&warning.to_string());
    }
    if args.json {
        let warnings: Vec<String> = built.warnings().iter().map(ToString::to_string).collect();
        let mut shown = slug::json(&slug, &file);
        shown["warnings"] = warnings.into();
        return terminal::json(&shown);
    }
    slug::print(&slug, &file)?;
    terminal::note("Next", &format!("dyno local {}", file.display()));
    Ok(())
}

/// `NAME.slug` in the app's folder, by the app's name or the folder's.
fn default_output(built: &Built, folder: &Path) -> Result<PathBuf> {
    let name = match &built.project.settings.name {
        Some(name) => name.to_string(),
        None => {
            let path = folder
                .canonicalize()
                .with_context(|| format!("cannot find {}", folder.display()))?;
            let name = path.file_name().unwrap_or("app".as_ref());
            name.to_string_lossy().into_owned()
        }
    };
    Ok(folder.join(format!("{name}.{}", slugs::EXTENSION)))
}
