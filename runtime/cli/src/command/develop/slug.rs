//! `dyno slug inspect`: checks a slug file completely, and shows its content.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use slugs::manifest::ManifestProcess;
use slugs::{Manifest, Slug};

use crate::terminal::{self, details, format_count, format_size, table};

pub(crate) fn inspect(file: &Path, as_json: bool) -> Result<()> {
    let slug =
        Slug::open(file).with_context(|| format!("{} is not a sound slug", file.display()))?;
    if as_json {
        terminal::print_json(&slug_to_json(&slug, file))
    } else {
        print_slug(&slug, file)
    }
}

/// The slug as JSON.
pub(crate) fn slug_to_json(slug: &Slug, file: &Path) -> Value {
    let manifest = slug.manifest();
    let processes = manifest.processes.iter().map(|(name, process)| {
        let record = manifest.files.get(&process.component);
        let shown = json!({
            "component": process.component.as_str(),
            "args": process.args,
            "world": process.world.as_str(),
            "kind": kind_name(process),
            "bytes": record.map(|record| record.bytes),
            "sha256": record.map(|record| record.sha256.to_string()),
            "limits": process.limits,
        });
        (name.to_string(), shown)
    });
    json!({
        "path": file,
        "id": slug.id().to_string(),
        "bytes": slug.bytes(),
        "unpacked_bytes": manifest.unpacked_bytes(),
        "builder": { "name": manifest.builder.name, "tool": manifest.builder.tool },
        "processes": processes.collect::<serde_json::Map<_, _>>(),
        "commands": manifest.commands,
        "formation": manifest.formation,
        "files": manifest.files,
    })
}

/// `handler`, `server` or `process`.
fn kind_name(process: &ManifestProcess) -> String {
    format!("{:?}", process.kind).to_lowercase()
}

/// Prints the slug as text.
pub(crate) fn print_slug(slug: &Slug, file: &Path) -> Result<()> {
    let manifest = slug.manifest();
    let unpacked = format_size(manifest.unpacked_bytes());
    let files = format_count(manifest.files.len(), "file");
    let builder = &manifest.builder;
    let rows = [
        ("id", slug.id().to_string()),
        (
            "size",
            format!(
                "{} ({unpacked} unpacked, {files})",
                format_size(slug.bytes())
            ),
        ),
        (
            "builder",
            format!("{} {}", builder.name, builder.tool)
                .trim_end()
                .to_owned(),
        ),
    ];
    let title = file.display().to_string();
    terminal::print(&format!(
        "{}\n\n{}",
        details(&title, rows),
        process_table(manifest)
    ))
}

fn process_table(manifest: &Manifest) -> String {
    let rows = manifest.processes.iter().map(|(name, process)| {
        let record = manifest.files.get(&process.component);
        let command = std::iter::once(process.component.as_str());
        let command: Vec<&str> = command
            .chain(process.args.iter().map(String::as_str))
            .collect();
        [
            name.to_string(),
            kind_name(process),
            process.world.to_string(),
            command.join(" "),
            record.map_or_else(String::new, |record| format_size(record.bytes)),
            record.map_or_else(String::new, |record| {
                record.sha256.to_string().chars().take(12).collect()
            }),
        ]
    });
    table(
        ["process", "kind", "world", "component", "size", "sha256"],
        rows,
    )
}
