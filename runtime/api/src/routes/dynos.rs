//! Dynos of an app.
//!
//! Owns how they are shown, restarted and stopped. Must not know where and why they run.

pub(crate) mod run;
pub(crate) mod streams;

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Path, Path2, Query};
use crate::request::page::{Cursor, Page, Paging};
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use control::Command;
use control::DynoStatus;
use control::access::Role;
use grid::desired::RestartTarget;
use grid::name::{AppName, DynoId, Run};
use serde::Serialize;
use std::time::{Duration, SystemTime};
use utoipa::ToSchema;

/// A dyno.
#[derive(Serialize, ToSchema)]
pub(crate) struct Dyno {
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,29}[.][1-9][0-9]*$")]
    id: String,
    process: String,
    /// What it does: starting, up, idle, stopping, crashed or down.
    #[schema(pattern = "^[a-z]+$")]
    state: String,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// How many seconds that is.
    for_s: u64,
    #[schema(pattern = "^v[1-9][0-9]*$")]
    release: String,
    /// Where it runs; none while it waits after a crash.
    #[schema(required)]
    node: Option<String>,
}

/// A place of the formation can be held by an old dyno and its successor for a moment.
impl Cursor for (DynoId, Run) {
    fn read(text: &str) -> Option<Self> {
        let (dyno, run) = text.split_once('~')?;
        Some((dyno.parse().ok()?, Run(run.parse().ok()?)))
    }

    fn write(&self) -> String {
        format!("{}~{}", self.0, self.1)
    }
}

fn shown(status: DynoStatus, now: SystemTime) -> Dyno {
    let since = now.checked_sub(Duration::from_secs(status.for_secs));
    Dyno {
        id: status.dyno.dyno.to_string(),
        process: status.dyno.dyno.process.to_string(),
        state: status.state.word().to_owned(),
        since: text::time(since),
        for_s: status.for_secs,
        release: status.version.to_string(),
        node: status.node.map(|node| node.to_string()),
    }
}

/// A dyno that has just begun.
pub(crate) fn begun(status: DynoStatus) -> Dyno {
    shown(status, SystemTime::now())
}

/// Dynos of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/dynos", operation_id = "list_dynos", tag = "dynos", params(Paging),
    responses((status = 200, description = "Dynos by place", body = Page<Dyno>)),
)]
pub(crate) async fn list(
    With(state): With<State>,
    caller: Caller,
    Path(name): Path<AppName>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Dyno>>, Failure> {
    caller.app(&name)?;
    let dynos = state.control.list_dynos_of_app(&name).await?;
    let now = SystemTime::now();
    let cursor = |status: &DynoStatus| (status.dyno.dyno.clone(), status.dyno.run);
    paging
        .page(dynos, cursor, |status| shown(status, now))
        .map(Json)
}

async fn restarted(
    state: &State,
    caller: &Caller,
    app: AppName,
    target: RestartTarget,
) -> Result<StatusCode, Failure> {
    caller.may_change(&app, Role::Deploy)?;
    let restart = Command::Restart { app, target };
    state.control.execute_command(restart, caller.actor(), None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restart all dynos
///
/// Each is replaced by a fresh one, without a gap.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/dynos", operation_id = "restart_dynos", tag = "dynos",
    responses((status = 204, description = "They are being replaced")),
)]
pub(crate) async fn restart_all(
    With(state): With<State>,
    caller: Caller,
    Path(name): Path<AppName>,
) -> Result<StatusCode, Failure> {
    restarted(&state, &caller, name, RestartTarget::All).await
}

/// Restart a dyno
#[utoipa::path(
    delete, path = "/v1/apps/{app}/dynos/{dyno}", operation_id = "restart_dyno", tag = "dynos",
    responses((status = 204, description = "It is being replaced")),
)]
pub(crate) async fn restart(
    With(state): With<State>,
    caller: Caller,
    Path2(name, dyno): Path2<AppName, DynoId>,
) -> Result<StatusCode, Failure> {
    restarted(&state, &caller, name, RestartTarget::Dyno(dyno)).await
}

/// Stop a dyno
///
/// Its place stays empty until it or the app is restarted, its process type is scaled, or a release is made. One that
/// runs once is ended at once.
#[utoipa::path(
    post, path = "/v1/apps/{app}/dynos/{dyno}/stop", operation_id = "stop_dyno", tag = "dynos",
    responses((status = 204, description = "It gets no more requests and ends")),
)]
pub(crate) async fn stop(
    With(state): With<State>,
    caller: Caller,
    Path2(app, dyno): Path2<AppName, DynoId>,
) -> Result<StatusCode, Failure> {
    caller.may_change(&app, Role::Deploy)?;
    if dyno.process.runs_once() {
        let by = &caller.token.name;
        if state.control.stop_one_off(&app, &dyno, by).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
        let message = format!("{app} has no dyno {dyno} that runs");
        return Err(Failure::not_found(message));
    }
    let stop = Command::StopDyno { app, dyno };
    state.control.execute_command(stop, caller.actor(), None).await?;
    Ok(StatusCode::NO_CONTENT)
}
