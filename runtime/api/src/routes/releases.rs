//! Releases: what was made, and what became of it.
//!
//! Owns how a release is shown: its config vars by name only. Must not know how one is made.

pub(crate) mod create;
pub(crate) mod plan;

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Path, Path2, Query};
use crate::request::page::{Page, Paging};
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use control::ReleaseOutcome;
use grid::desired::{App, ProcessKind, ProcessSpec};
use grid::name::{AppName, Version};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// How long a request may wait for a release, in seconds.
const WAIT_SECS_MAX: u64 = 60;

/// The header that names the release a change made.
const RELEASE: &str = "x-dyno-release";

/// What became of a release.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Its dynos come up.
    Pending,
    /// Requests go to it.
    Serving,
    /// It did not come up: what served before goes on serving.
    Failed,
    /// A newer one took its place.
    Retired,
}

/// How a process type of a release is run.
#[derive(Serialize, ToSchema)]
pub(crate) struct Process {
    kind: KindName,
    /// Memory of each dyno.
    #[schema(pattern = "^[0-9]+(B|MiB|GiB)$")]
    memory: String,
    /// Time to the first byte of a response.
    timeout: String,
}

/// Kinds of processes.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Kind)]
pub(crate) enum KindName {
    Handler,
    Server,
    Process,
}

impl From<ProcessKind> for KindName {
    fn from(kind: ProcessKind) -> Self {
        match kind {
            ProcessKind::Handler => KindName::Handler,
            ProcessKind::Server => KindName::Server,
            ProcessKind::Process => KindName::Process,
        }
    }
}

/// A release.
#[derive(Serialize, ToSchema)]
pub(crate) struct Release {
    #[schema(pattern = "^v[1-9][0-9]*$")]
    version: String,
    status: Status,
    /// Why it failed.
    #[schema(required)]
    reason: Option<String>,
    description: String,
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    slug: String,
    #[schema(format = DateTime)]
    created_at: String,
    created_by: String,
    processes: BTreeMap<String, Process>,
    /// Names of its config vars.
    config_names: Vec<String>,
    /// What the maker of a new release should know; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) warnings: Option<Vec<String>>,
}

/// How long to wait.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wait {
    /// Seconds to wait at most until it is known what became of the release.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

fn process(spec: &ProcessSpec) -> Process {
    Process {
        kind: spec.kind.into(),
        memory: text::size(spec.limits.memory_bytes),
        timeout: text::duration(spec.limits.request_timeout),
    }
}

fn status(app: &App, version: Version) -> Status {
    let is_newest = app
        .newest_release()
        .is_some_and(|newest| newest.version == version);
    if app.serving == Some(version) {
        Status::Serving
    } else if app.failed.contains_key(&version) {
        Status::Failed
    } else if is_newest {
        Status::Pending
    } else {
        Status::Retired
    }
}

fn shown(app: &App, release: &grid::desired::Release) -> Release {
    let processes = release.processes.iter();
    Release {
        version: release.version.to_string(),
        status: status(app, release.version),
        reason: app.failed.get(&release.version).cloned(),
        description: release.description.clone(),
        slug: release.slug.to_string(),
        created_at: text::millis(release.created_ms),
        created_by: release.created_by.clone(),
        processes: processes
            .map(|(name, spec)| (name.to_string(), process(spec)))
            .collect(),
        config_names: release.config.keys().cloned().collect(),
        warnings: None,
    }
}

/// A release of an app, if it has it.
pub(crate) fn of(app: &App, version: Version) -> Result<Release, Failure> {
    let release = app.releases.get(&version).ok_or_else(|| {
        let name = &app.name;
        Failure::not_found(format!("{name} has no release {version}, or not any more"))
    })?;
    Ok(shown(app, release))
}

/// An answer whose header names the release that a change made, if it made one.
pub(crate) fn named(answer: impl IntoResponse, made: Option<Version>) -> Response {
    let mut response = answer.into_response();
    let name = made.and_then(|version| HeaderValue::try_from(version.to_string()).ok());
    if let Some(name) = name {
        response.headers_mut().insert(RELEASE, name);
    }
    response
}

/// Releases of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/releases", operation_id = "list_releases", tag = "releases", params(Paging),
    responses((status = 200, description = "Releases, the newest first", body = Page<Release>)),
)]
pub(crate) async fn list(
    caller: Caller,
    Path(name): Path<AppName>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Release>>, Failure> {
    let app = caller.app(&name)?;
    let releases = app.releases.values().rev();
    let page = paging.page(
        releases,
        |release| Reverse(release.version),
        |release| shown(app, release),
    );
    page.map(Json)
}

/// A release
///
/// With `wait`, the answer comes when it is known what became of the release, or when the time is over.
#[utoipa::path(
    get, path = "/v1/apps/{app}/releases/{version}", operation_id = "show_release", tag = "releases",
    params(Wait),
    responses((status = 200, description = "The release", body = Release)),
)]
pub(crate) async fn show(
    With(state): With<State>,
    caller: Caller,
    Path2(name, version): Path2<AppName, Version>,
    Query(Wait { wait }): Query<Wait>,
) -> Result<Json<Release>, Failure> {
    let now = of(caller.app(&name)?, version)?;
    let secs = wait.unwrap_or(0);
    if secs > WAIT_SECS_MAX {
        let message = format!("wait is a number of seconds from 0 to {WAIT_SECS_MAX}");
        return Err(Failure::bad_request("bad_query", message));
    }
    if secs == 0 {
        return Ok(Json(now));
    }
    tokio::select! {
        outcome = state.control.wait_for_outcome(&name, version) => drop(outcome?),
        () = tokio::time::sleep(Duration::from_secs(secs)) => {}
        () = state.0.closing.cancelled() => {}
    }
    let view = state.control.view();
    if view.outcome(&name, version) == Some(ReleaseOutcome::Serving) {
        state.control.wait_until_published(&name, version).await;
    }
    // What the caller may see is as it was when the request came.
    of(state.control.view().desired.app(&name)?, version).map(Json)
}
