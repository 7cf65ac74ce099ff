//! `dyno new`: creates an app from a template.

use std::path::Path;

use anyhow::{Context, Result, bail};
use grid::name::AppName;

use crate::args::NewArgs;
use crate::terminal;

mod templates;

use templates::{TEMPLATES, Template};

pub(crate) fn run(args: &NewArgs) -> Result<()> {
    if args.list {
        return list_templates(args.json);
    }
    let name = args.name.as_deref().unwrap_or_default();
    let name: AppName = name.parse()?;
    let Some(template) = TEMPLATES.iter().find(|t| t.name == args.template) else {
        let known: Vec<&str> = TEMPLATES.iter().map(|t| t.name).collect();
        bail!(
            "there is no template {:?}: there is {}",
            args.template,
            known.join(", ")
        );
    };
    let folder = Path::new(name.as_str());
    write_app(template, &name, folder)?;
    terminal::print_note("Created", &format!("{name}, {}", template.about));
    terminal::print_note("Next", &template.next.replace("NAME", name.as_str()));
    Ok(())
}

fn list_templates(as_json: bool) -> Result<()> {
    if as_json {
        let list: Vec<_> = TEMPLATES
            .iter()
            .map(|t| serde_json::json!({ "name": t.name, "about": t.about }))
            .collect();
        return terminal::print_json(&list);
    }
    let rows = TEMPLATES
        .iter()
        .map(|t| [t.name.to_owned(), t.about.to_owned()]);
    terminal::print(&terminal::table(["template", "what it is"], rows))
}

/// Writes a temporary folder and renames it, so that a failure leaves no incomplete app.
fn write_app(template: &Template, name: &AppName, folder: &Path) -> Result<()> {
    if folder.exists() {
        bail!(
            "{} exists already: choose another name, or remove it",
            folder.display()
        );
    }
    let work = tempfile::Builder::new()
        .prefix(".dyno-new-")
        .tempdir_in(".")
        .context("cannot write in this folder")?;
    for (path, text) in template.files {
        let path = work.path().join(path);
        let parent = path.parent().context("a template's path has a folder")?;
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text.replace("{{name}}", name.as_str())))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(work.path(), std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(work.keep(), folder)
        .with_context(|| format!("cannot make {}", folder.display()))
}
