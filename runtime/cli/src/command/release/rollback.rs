//! `dyno rollback`: a new release with an earlier one's slug and config.

use anyhow::{Context, Result};
use api::resource::{CreateReleaseRequest, PageResource, ReleaseResource, ReleaseStatus};

use super::plan::plan;
use super::wait::{settle, up};
use crate::args::RollbackArgs;
use crate::client::TargetApp;
use crate::terminal::{ProgressLine, clean};

pub(crate) fn run(args: &RollbackArgs) -> Result<()> {
    let app = TargetApp::find(&args.on)?;
    let to = match args.version {
        Some(version) => version.to_string(),
        None => before(&app)?,
    };
    let release = CreateReleaseRequest {
        rollback: Some(to.clone()),
        ..CreateReleaseRequest::default()
    };
    if args.plan {
        return plan(&app, &release);
    }
    let working = ProgressLine::quiet();
    working.step("Going back", &format!("to {} of {}", clean(&to), app.name));
    let created: ReleaseResource = app
        .client()
        .post(&app.path("/releases"), &release)?
        .read()?;
    let answer = settle(&app, &created.version, working)?;
    app.server.show(&answer, || up(&app, &created.version))
}

/// The release that served before the one that serves now.
fn before(app: &TargetApp) -> Result<String> {
    let answer = app.client().list(&app.path("/releases"))?;
    let PageResource { items, .. } = answer.read()?;
    let found = earlier(&items);
    found.with_context(|| {
        format!(
            "{} has no release that served before: see `dyno releases`",
            app.name
        )
    })
}

/// `releases`: newest first.
fn earlier(releases: &[ReleaseResource]) -> Option<String> {
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
    fn the_release_before_is_one_that_served() {
        let of = |statuses: &[&str]| {
            let count = statuses.len();
            let releases = statuses.iter().enumerate().map(|(index, status)| {
                json!({
                    "version": format!("v{}", count - index), "status": status, "description": "Deploy",
                    "slug": "sha256:ab", "created_at": "", "created_by": "", "processes": {}, "config_names": [],
                })
            });
            let releases = serde_json::Value::Array(releases.collect());
            earlier(&serde_json::from_value::<Vec<ReleaseResource>>(releases).expect("releases"))
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
