//! Releases: what was made, and what became of it.
//!
//! Owns how a release is shown: its config vars by name only. Must not know how a release is made.

pub(crate) mod create;
mod plan;
mod prepare;

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, PathNames, QueryParameters};
use crate::request::paging::ListPaging;
use crate::resource::{
    OpenEnum, PageResource, ProcessKindResource, RELEASE_WAIT_SECS_MAX, ReleaseProcessResource,
    ReleaseResource, ReleaseStatus,
};
use crate::state::ApiState;
use crate::text;
use axum::Json;
use axum::extract::State;
use control::ReleaseOutcome;
use grid::desired::{App, ProcessKind, ProcessSpec, Release};
use grid::name::{AppName, Version};
use serde::Deserialize;
use std::cmp::Reverse;
use std::time::Duration;
use utoipa::IntoParams;

impl From<ProcessKind> for ProcessKindResource {
    fn from(kind: ProcessKind) -> Self {
        match kind {
            ProcessKind::Handler => ProcessKindResource::Handler,
            ProcessKind::Server => ProcessKindResource::Server,
            ProcessKind::Process => ProcessKindResource::Process,
        }
    }
}

/// How long to wait for the outcome of a release.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// Seconds to wait at most until it is known what became of the release.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

fn process_resource(spec: &ProcessSpec) -> ReleaseProcessResource {
    ReleaseProcessResource {
        kind: OpenEnum::Known(spec.kind.into()),
        memory: text::format_memory(spec.limits.memory_bytes),
        timeout: text::format_duration(spec.limits.request_timeout),
    }
}

fn release_status(app: &App, version: Version) -> ReleaseStatus {
    let is_newest = app
        .newest_release()
        .is_some_and(|newest| newest.version == version);
    if app.serving == Some(version) {
        ReleaseStatus::Serving
    } else if app.failed.contains_key(&version) {
        ReleaseStatus::Failed
    } else if is_newest {
        ReleaseStatus::Pending
    } else {
        ReleaseStatus::Retired
    }
}

fn release_resource(app: &App, release: &Release) -> ReleaseResource {
    let processes = release.processes.iter();
    ReleaseResource {
        version: release.version.to_string(),
        status: release_status(app, release.version).into(),
        reason: app.failed.get(&release.version).cloned(),
        description: release.description.clone(),
        slug: release.slug.to_string(),
        created_at: text::format_unix_millis(release.created_ms),
        created_by: release.created_by.clone(),
        processes: processes
            .map(|(name, spec)| (name.to_string(), process_resource(spec)))
            .collect(),
        config_names: release.config.keys().cloned().collect(),
        warnings: None,
    }
}

fn find_release(app: &App, version: Version) -> Result<ReleaseResource, ApiFailure> {
    let release = app.releases.get(&version).ok_or_else(|| {
        let name = &app.name;
        ApiFailure::not_found(format!("{name} has no release {version}, or not any more"))
    })?;
    Ok(release_resource(app, release))
}

/// Releases of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/releases", operation_id = "list_releases", tag = "releases", params(ListPaging),
    responses((status = 200, description = "Releases, the newest first", body = PageResource<ReleaseResource>)),
)]
pub(crate) async fn list_releases(
    caller: Caller,
    PathName(name): PathName<AppName>,
    QueryParameters(paging): QueryParameters<ListPaging>,
) -> Result<Json<PageResource<ReleaseResource>>, ApiFailure> {
    let app = caller.visible_app(&name)?;
    let page = paging.cut_page(
        app.releases.values().rev(),
        |release| Reverse(release.version),
        |release| release_resource(app, release),
    );
    page.map(Json)
}

/// A release
///
/// With `wait`, the response comes when it is known what became of the release, or when the time is over.
#[utoipa::path(
    get, path = "/v1/apps/{app}/releases/{version}", operation_id = "show_release", tag = "releases",
    params(WaitQuery),
    responses((status = 200, description = "The release", body = ReleaseResource)),
)]
pub(crate) async fn show_release(
    State(state): State<ApiState>,
    caller: Caller,
    PathNames(name, version): PathNames<AppName, Version>,
    QueryParameters(WaitQuery { wait }): QueryParameters<WaitQuery>,
) -> Result<Json<ReleaseResource>, ApiFailure> {
    let release = find_release(caller.visible_app(&name)?, version)?;
    let secs = wait.unwrap_or(0);
    if secs > RELEASE_WAIT_SECS_MAX {
        let message = format!("wait is a number of seconds from 0 to {RELEASE_WAIT_SECS_MAX}");
        return Err(ApiFailure::bad_request("bad_query", message));
    }
    if secs == 0 {
        return Ok(Json(release));
    }
    tokio::select! {
        outcome = state.control.wait_for_outcome(&name, version) => drop(outcome?),
        () = tokio::time::sleep(Duration::from_secs(secs)) => {}
        () = state.shared.closing.cancelled() => {}
    }
    let view = state.control.view();
    if view.outcome(&name, version) == Some(ReleaseOutcome::Serving) {
        state.control.wait_until_published(&name, version).await;
    }
    // The caller's token was checked when the request came, and is not checked again after the wait.
    find_release(state.control.view().desired.app(&name)?, version).map(Json)
}
