//! `dyno releases`: what was deployed, and what became of it.

use std::time::SystemTime;

use anyhow::Result;
use api::resource::{PageResource, ReleaseResource};
use grid::name::Version;

use crate::args::{ReleasesArgs, ReleasesCommand};
use crate::client::RemoteApp;
use crate::terminal::{self, clean, details, format_age, format_moment, table};

pub(crate) fn run(args: &ReleasesArgs) -> Result<()> {
    let app = RemoteApp::find(&args.on)?;
    match &args.command {
        None => list(&app),
        Some(ReleasesCommand::Info { version }) => info(&app, *version),
    }
}

fn list(app: &RemoteApp) -> Result<()> {
    let answer = app.client().list(&app.path("/releases"))?;
    app.server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<ReleaseResource>>()?;
        if items.is_empty() {
            terminal::print_note("No releases", &format!("of {} yet: dyno deploy", app.name));
            return Ok(());
        }
        terminal::print(&rows(&items, SystemTime::now()))
    })
}

fn rows(releases: &[ReleaseResource], now: SystemTime) -> String {
    let rows = releases.iter().map(|release| {
        [
            clean(&release.version),
            clean(&release.status.to_string()),
            clean(&release.description),
            clean(&release.created_by),
            format_age(&release.created_at, now),
        ]
    });
    table(["release", "status", "description", "by", "when"], rows)
}

fn info(app: &RemoteApp, version: Version) -> Result<()> {
    let answer = app
        .client()
        .get(&app.path(&format!("/releases/{version}")))?;
    app.server
        .show(&answer, || terminal::print(&describe(&answer.read()?)))
}

fn describe(release: &ReleaseResource) -> String {
    let lines = [
        ("status", clean(&release.status.to_string())),
        ("reason", release.reason.clone().unwrap_or_default()),
        ("description", release.description.clone()),
        ("slug", release.slug.clone()),
        ("config vars", release.config_names.join(" ")),
        (
            "created",
            format!(
                "{} by {}",
                format_moment(&release.created_at),
                release.created_by
            ),
        ),
    ];
    let processes = release.processes.iter().map(|(name, process)| {
        let process = format!(
            "{name} ({}, {}, timeout {})",
            process.kind, process.memory, process.timeout
        );
        ("process", process)
    });
    let rows = lines.into_iter().chain(processes);
    details(
        &clean(&release.version),
        rows.map(|(name, value)| (name, clean(&value))),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn releases_are_printed_as_table_rows() {
        let releases: Vec<ReleaseResource> = serde_json::from_value(json!([
            { "version": "v2", "status": "serving", "description": "Set A", "created_by": "ci", "slug": "sha256:ab",
              "created_at": "1970-01-01T00:00:40Z", "config_names": ["A"], "processes": {} },
            // A status that only a newer server knows.
            { "version": "v1", "status": "sleeping", "description": "Deploy", "created_by": "me", "slug": "sha256:ab",
              "created_at": "1970-01-01T00:00:40Z", "config_names": [], "processes": {} },
        ]))
        .expect("releases");
        let text = rows(&releases, SystemTime::UNIX_EPOCH + Duration::from_secs(100));
        let expected = "\
release  status    description  by  when
v2       serving   Set A        ci  1m ago
v1       sleeping  Deploy       me  1m ago";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_failed_release_shows_its_reason() {
        let release: ReleaseResource = serde_json::from_value(json!({
            "version": "v4", "status": "failed", "reason": "web.1 crashed", "description": "Deploy",
            "slug": "sha256:ab", "created_at": "2026-11-22T00:53:12+00:00", "created_by": "me", "config_names": [],
            "processes": { "web": { "kind": "handler", "memory": "128MiB", "timeout": "30s" } },
        }))
        .expect("a release");
        let expected = "v4
  status       failed
  reason       web.1 crashed
  description  Deploy
  slug         sha256:ab
  created      2026-11-22 00:53:12 UTC by me
  process      web (handler, 128MiB, timeout 30s)";
        assert_eq!(describe(&release), expected);
    }
}
