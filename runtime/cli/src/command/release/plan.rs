//! What a deploy or a rollback would change, for people.

use anyhow::Result;
use grid::name::{ProcessType, Version};
use serde::Deserialize;
use serde_json::{Value, json};
use slugs::{Slug, SlugPath};

use crate::client::App;
use crate::client::types::{Changes, Plan, SlugChange};
use crate::terminal::{self, clean, short_slug_id};

/// Names that are shown of each part, at most: an app has up to 50,000 files.
const NAMES_MAX: usize = 50;

/// Asks what `release` would change, and shows it. Changes nothing.
pub(crate) fn plan(app: &App, release: &Value) -> Result<()> {
    let answer = app
        .client()
        .post(&app.path("/releases?plan=true"), release)?;
    app.server.show(&answer, || {
        terminal::print(&describe(&answer.read()?))?;
        terminal::note("Planned", "only: nothing was changed");
        Ok(())
    })
}

/// The plan for an app that is not there yet: told without the server, which knows nothing of it.
pub(crate) fn plan_of_first(app: &App, slug: &Slug) -> Result<()> {
    let plan = first(app.name.as_str(), slug);
    if app.server.json {
        return terminal::json(&plan);
    }
    terminal::print(&describe(&Plan::deserialize(&plan)?))?;
    terminal::note("Planned", "only: nothing was changed");
    Ok(())
}

fn first(app: &str, slug: &Slug) -> Value {
    let manifest = slug.manifest();
    let files: Vec<&str> = manifest.files.keys().map(SlugPath::as_str).collect();
    let processes: Vec<&str> = manifest.processes.keys().map(ProcessType::as_str).collect();
    let none: [&str; 0] = [];
    json!({
        "version": Version::FIRST.to_string(),
        "description": "Deploy",
        "slug": { "from": null, "to": slug.id().to_string() },
        "config": { "added": none, "removed": none, "changed": none },
        "processes": { "added": processes, "removed": none, "changed": none },
        "files": { "added": files, "removed": none, "changed": none },
        "steps": [format!("create the app {app}"), "upload the slug", "start its first dynos", "send requests to them"],
    })
}

fn describe(plan: &Plan) -> String {
    let mut lines = vec![clean(&format!("{}  {}", plan.version, plan.description))];
    lines.push(format!("  {:<11}{}", "slug", slug(&plan.slug)));
    let parts = [
        ("files", &plan.files),
        ("config", &plan.config),
        ("processes", &plan.processes),
    ];
    for (name, changes) in parts {
        lines.extend(part(name, changes));
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let name = if index == 0 { "steps" } else { "" };
        lines.push(format!("  {name:<11}{}. {}", index + 1, clean(step)));
    }
    if plan.steps.is_empty() {
        lines.push(format!("  {:<11}none", "steps"));
    }
    lines.join("\n")
}

fn slug(change: &SlugChange) -> String {
    match (&change.from, &change.to) {
        (from, Some(to)) if from.as_ref() == Some(to) => {
            format!("{} (as before)", short_slug_id(to))
        }
        (Some(from), Some(to)) => format!("{} -> {}", short_slug_id(from), short_slug_id(to)),
        (None, Some(to)) => format!("{} (the first)", short_slug_id(to)),
        (_, None) => "none".into(),
    }
}

fn part(name: &str, changes: &Changes) -> Vec<String> {
    if changes.is_empty() {
        return vec![format!("  {name:<11}as before")];
    }
    let signed = |sign: char, names: &[String]| -> Vec<String> {
        names
            .iter()
            .map(|name| format!("{sign} {}", clean(name)))
            .collect()
    };
    let mut all = signed('+', &changes.added);
    all.extend(signed('-', &changes.removed));
    all.extend(signed('~', &changes.changed));
    let more = all.len().saturating_sub(NAMES_MAX);
    all.truncate(NAMES_MAX);
    if more > 0 {
        all.push(format!("and {more} more: see --json"));
    }
    let heads = std::iter::once(name).chain(std::iter::repeat(""));
    heads
        .zip(all)
        .map(|(head, line)| format!("  {head:<11}{line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(plan: Value) -> String {
        describe(&serde_json::from_value(plan).expect("a plan"))
    }

    #[test]
    fn a_plan_shows_what_changes() {
        let text = shown(json!({
            "version": "v4", "description": "Deploy", "warnings": [],
            "slug": { "from": "sha256:aaaaaaaaaaaaaaaa", "to": "sha256:bbbbbbbbbbbbbbbb" },
            "config": { "added": [], "removed": [], "changed": [] },
            "processes": { "added": ["worker"], "removed": ["clock"], "changed": ["web"] },
            "files": { "added": ["a.txt"], "removed": [], "changed": ["app.wasm"] },
            "steps": ["fetch v4", "start web.1 of v4"],
        }));
        let expected = "\
v4  Deploy
  slug       aaaaaaaaaaaa -> bbbbbbbbbbbb
  files      + a.txt
             ~ app.wasm
  config     as before
  processes  + worker
             - clock
             ~ web
  steps      1. fetch v4
             2. start web.1 of v4";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_first_release_and_a_repeated_slug_say_so() {
        let first = shown(json!({ "version": "v1", "slug": { "from": null, "to": "sha256:ab" } }));
        assert!(
            first.contains("ab (the first)") && first.contains("steps      none"),
            "{first}"
        );
        let same =
            shown(json!({ "version": "v2", "slug": { "from": "sha256:ab", "to": "sha256:ab" } }));
        assert!(same.contains("ab (as before)"), "{same}");
    }

    #[test]
    fn thousands_of_files_are_counted() {
        let added: Vec<String> = (0..1_000).map(|n| format!("f{n}")).collect();
        let text = shown(json!({ "version": "v2", "files": { "added": added } }));
        assert!(text.contains("and 950 more"), "{text}");
    }
}
