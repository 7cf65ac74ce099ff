//! `dyno build`: builds an app's folder into a slug.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slugs::build::{BuiltApp, Tools};
use slugs::pack::PackedSlug;

use super::slug;
use crate::args::BuildArgs;
use crate::dirs;
use crate::terminal::{self, ProgressLine};

pub(crate) fn run(args: &BuildArgs) -> Result<()> {
    let tools = Tools::attached(dirs::cache()?);
    let progress = ProgressLine::start("Building");
    let built = slugs::build::build(&args.folder, &tools, &mut |event| {
        progress.show_build_event(event)
    })?;
    let file = match &args.output {
        Some(file) => file.clone(),
        None => default_output(&built, &args.folder)?,
    };
    let PackedSlug { slug, .. } = slugs::pack::pack(&built, &file)?;
    drop(progress);
    for warning in built.warnings() {
        terminal::print_warning(&warning.to_string());
    }
    if args.json {
        let warnings: Vec<String> = built.warnings().iter().map(ToString::to_string).collect();
        let mut shown = slug::slug_to_json(&slug, &file);
        shown["warnings"] = warnings.into();
        return terminal::print_json(&shown);
    }
    slug::print_slug(&slug, &file)?;
    terminal::print_note("Next", &format!("dyno local {}", file.display()));
    Ok(())
}

/// `NAME.slug` in the app's folder. NAME is the app's name, or the folder's.
fn default_output(built: &BuiltApp, folder: &Path) -> Result<PathBuf> {
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
