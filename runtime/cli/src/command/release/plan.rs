//! Shows what a deploy or a rollback would change.

use anyhow::Result;
use api::resource::{
    ChangesResource, CreateReleaseRequest, ReleasePlanResource, SlugChangeResource,
};
use grid::name::Version;
use slugs::Slug;

use crate::client::RemoteApp;
use crate::terminal::{self, clean, short_slug_id};

/// Most names that are shown of each part: an app has up to 50,000 files.
const NAMES_MAX: usize = 50;

/// Shows what `release` would change. Changes nothing.
pub(crate) fn print_plan(app: &RemoteApp, release: &CreateReleaseRequest) -> Result<()> {
    let answer = app
        .client()
        .post(&app.path("/releases?plan=true"), release)?;
    app.server.show(&answer, || {
        terminal::print(&describe_plan(&answer.read()?))?;
        terminal::print_note("Planned", "only: nothing was changed");
        Ok(())
    })
}

/// Shows the plan for an app that does not exist yet. The plan is computed here, since the server does not know the
/// app.
pub(crate) fn print_first_plan(app: &RemoteApp, slug: &Slug) -> Result<()> {
    let plan = first_plan(app.name.as_str(), slug);
    if app.server.json {
        return terminal::print_json(&plan);
    }
    terminal::print(&describe_plan(&plan))?;
    terminal::print_note("Planned", "only: nothing was changed");
    Ok(())
}

fn first_plan(app: &str, slug: &Slug) -> ReleasePlanResource {
    let manifest = slug.manifest();
    let files = manifest.files.keys().map(|path| path.as_str().to_owned());
    let processes = manifest.processes.keys().map(ToString::to_string);
    let only_added = |added: Vec<String>| ChangesResource {
        added,
        ..ChangesResource::default()
    };
    let create = format!("create the app {app}");
    let steps = [
        &create,
        "upload the slug",
        "start its first dynos",
        "send requests to them",
    ];
    ReleasePlanResource {
        version: Version::FIRST.to_string(),
        description: "Deploy".to_owned(),
        slug: SlugChangeResource {
            from: None,
            to: slug.id().to_string(),
        },
        config: ChangesResource::default(),
        processes: only_added(processes.collect()),
        files: only_added(files.collect()),
        steps: steps.map(str::to_owned).to_vec(),
    }
}

fn describe_plan(plan: &ReleasePlanResource) -> String {
    let mut lines = vec![clean(&format!("{}  {}", plan.version, plan.description))];
    lines.push(format!("  {:<11}{}", "slug", describe_slug(&plan.slug)));
    let parts = [
        ("files", &plan.files),
        ("config", &plan.config),
        ("processes", &plan.processes),
    ];
    for (name, changes) in parts {
        lines.extend(describe_changes(name, changes));
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

fn describe_slug(change: &SlugChangeResource) -> String {
    let to = short_slug_id(&change.to);
    match &change.from {
        Some(from) if *from == change.to => format!("{to} (as before)"),
        Some(from) => format!("{} -> {to}", short_slug_id(from)),
        None => format!("{to} (the first)"),
    }
}

fn describe_changes(name: &str, changes: &ChangesResource) -> Vec<String> {
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
    use serde_json::{Value, json};

    use super::*;

    /// A plan without changes, but for these fields.
    fn plan(fields: Value) -> Value {
        let none = json!({ "added": [], "removed": [], "changed": [] });
        let mut plan = json!({
            "version": "v2", "description": "Deploy", "slug": { "from": null, "to": "sha256:ab" },
            "config": none, "processes": none, "files": none, "steps": [],
        });
        let all = plan.as_object_mut().expect("an object");
        all.extend(fields.as_object().expect("an object").clone());
        plan
    }

    fn shown(plan: Value) -> String {
        describe_plan(&serde_json::from_value(plan).expect("a plan"))
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
    fn a_plan_mentions_a_first_release_and_a_repeated_slug() {
        let first = shown(plan(json!({ "version": "v1" })));
        assert!(
            first.contains("ab (the first)") && first.contains("steps      none"),
            "{first}"
        );
        let same = shown(plan(
            json!({ "slug": { "from": "sha256:ab", "to": "sha256:ab" } }),
        ));
        assert!(same.contains("ab (as before)"), "{same}");
    }

    #[test]
    fn thousands_of_files_are_counted() {
        let added: Vec<String> = (0..1_000).map(|n| format!("f{n}")).collect();
        let text = shown(plan(
            json!({ "files": { "added": added, "removed": [], "changed": [] } }),
        ));
        assert!(text.contains("and 950 more"), "{text}");
    }
}
