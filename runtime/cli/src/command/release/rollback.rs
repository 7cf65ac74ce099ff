//! `dyno rollback`: a new release with the slug and config vars of an earlier one.

use anyhow::{Context, Result};
use api::resource::{CreateReleaseRequest, PageResource, ReleaseResource, ReleaseStatus};

use super::plan::print_plan;
use super::wait::{print_served, wait_for_release};
use crate::args::RollbackArgs;
use crate::client::RemoteApp;
use crate::terminal::{ProgressLine, clean};

pub(crate) fn run(args: &RollbackArgs) -> Result<()> {
    let app = RemoteApp::find(&args.on)?;
    let to = match args.version {
        Some(version) => version.to_string(),
        None => previous_release(&app)?,
    };
    let release = CreateReleaseRequest {
        rollback: Some(to.clone()),
        ..CreateReleaseRequest::default()
    };
    if args.plan {
        return print_plan(&app, &release);
    }
    let progress = ProgressLine::new();
    progress.show_step("Going back", &format!("to {} of {}", clean(&to), app.name));
    let created: ReleaseResource = app
        .client()
        .post(&app.path("/releases"), &release)?
        .read()?;
    let answer = wait_for_release(&app, &created.version, progress)?;
    app.server
        .show(&answer, || print_served(&app, &created.version))
}

/// The release that served before the one that serves now.
fn previous_release(app: &RemoteApp) -> Result<String> {
    let answer = app.client().list(&app.path("/releases"))?;
    let PageResource { items, .. } = answer.read()?;
    let found = find_previous(&items);
    found.with_context(|| {
        format!(
            "{} has no release that served before: see `dyno releases`",
            app.name
        )
    })
}

/// The last release that served before the serving one. `releases` are in order, newest first.
fn find_previous(releases: &[ReleaseResource]) -> Option<String> {
    let mut older = releases
        .iter()
        .skip_while(|release| release.status != ReleaseStatus::Serving);
    older.next()?;
    older
        .find(|release| release.status == ReleaseStatus::Retired)
        .map(|release| release.version.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rollback_goes_to_the_last_release_that_served() {
        let of = |statuses: &[&str]| {
            let count = statuses.len();
            let releases = statuses.iter().enumerate().map(|(index, status)| {
                json!({
                    "version": format!("v{}", count - index), "status": status, "description": "Deploy",
                    "slug": "sha256:ab", "created_at": "", "created_by": "", "processes": {}, "config_names": [],
                })
            });
            let releases = serde_json::Value::Array(releases.collect());
            find_previous(
                &serde_json::from_value::<Vec<ReleaseResource>>(releases).expect("releases"),
            )
        };
        assert_eq!(
            of(&["serving", "failed", "retired", "retired"]).as_deref(),
            Some("v2")
        );
        assert_eq!(of(&["failed", "serving", "retired"]).as_deref(), Some("v1"));
        assert_eq!(of(&["serving", "failed"]), None);
        assert_eq!(of(&["pending", "retired"]), None);
        assert_eq!(of(&[]), None);
    }
}
