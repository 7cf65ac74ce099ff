//! Dynos of an app.
//!
//! Owns how they are shown, restarted and stopped. Must not know where and why they run.

pub(crate) mod run;
pub(crate) mod streams;

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, PathNames, QueryParameters};
use crate::request::paging::{ListPaging, PageCursor};
use crate::resource::{DynoResource, PageResource};
use crate::state::ApiState;
use crate::text;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::access::Role;
use control::{Command, DynoStatus};
use grid::desired::RestartTarget;
use grid::name::{AppName, DynoId, Run};
use std::time::{Duration, SystemTime};

/// A dyno's name and run: for a moment, an old dyno and its successor can have the same name.
impl PageCursor for (DynoId, Run) {
    fn parse(text: &str) -> Option<Self> {
        let (dyno, run) = text.split_once('~')?;
        Some((dyno.parse().ok()?, Run(run.parse().ok()?)))
    }

    fn to_text(&self) -> String {
        format!("{}~{}", self.0, self.1)
    }
}

fn dyno_resource(status: DynoStatus, now: SystemTime) -> DynoResource {
    let since = now.checked_sub(Duration::from_secs(status.for_secs));
    DynoResource {
        id: status.dyno.dyno.to_string(),
        process: status.dyno.dyno.process.to_string(),
        state: status.state.word().to_owned(),
        since: text::format_time(since),
        for_s: status.for_secs,
        release: status.version.to_string(),
        node: status.node.map(|node| node.to_string()),
    }
}

/// Dynos of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/dynos", operation_id = "list_dynos", tag = "dynos", params(ListPaging),
    responses((status = 200, description = "Dynos by name", body = PageResource<DynoResource>)),
)]
pub(crate) async fn list_dynos(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(name): PathName<AppName>,
    QueryParameters(paging): QueryParameters<ListPaging>,
) -> Result<Json<PageResource<DynoResource>>, ApiFailure> {
    caller.visible_app(&name)?;
    let dynos = state.control.list_dynos_of_app(&name).await?;
    let now = SystemTime::now();
    let cursor = |status: &DynoStatus| (status.dyno.dyno.clone(), status.dyno.run);
    paging
        .cut_page(dynos, cursor, |status| dyno_resource(status, now))
        .map(Json)
}

async fn restart(
    state: &ApiState,
    caller: &Caller,
    app: AppName,
    target: RestartTarget,
) -> Result<StatusCode, ApiFailure> {
    caller.require_app_role(&app, Role::Deploy)?;
    let restart = Command::Restart { app, target };
    state
        .control
        .execute_command(restart, caller.actor(), None)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restart all dynos
///
/// Each dyno is replaced by a new one, without a gap.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/dynos", operation_id = "restart_dynos", tag = "dynos",
    responses((status = 204, description = "The dynos are being replaced")),
)]
pub(crate) async fn restart_all_dynos(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(name): PathName<AppName>,
) -> Result<StatusCode, ApiFailure> {
    restart(&state, &caller, name, RestartTarget::All).await
}

/// Restart a dyno
#[utoipa::path(
    delete, path = "/v1/apps/{app}/dynos/{dyno}", operation_id = "restart_dyno", tag = "dynos",
    responses((status = 204, description = "The dyno is being replaced")),
)]
pub(crate) async fn restart_dyno(
    State(state): State<ApiState>,
    caller: Caller,
    PathNames(name, dyno): PathNames<AppName, DynoId>,
) -> Result<StatusCode, ApiFailure> {
    restart(&state, &caller, name, RestartTarget::Dyno(dyno)).await
}

/// Stop a dyno
///
/// It is not replaced until it or the app is restarted, its process type is scaled, or a release is made. A one-off
/// dyno is ended at once.
#[utoipa::path(
    post, path = "/v1/apps/{app}/dynos/{dyno}/stop", operation_id = "stop_dyno", tag = "dynos",
    responses((status = 204, description = "The dyno gets no more requests and ends")),
)]
pub(crate) async fn stop_dyno(
    State(state): State<ApiState>,
    caller: Caller,
    PathNames(app, dyno): PathNames<AppName, DynoId>,
) -> Result<StatusCode, ApiFailure> {
    caller.require_app_role(&app, Role::Deploy)?;
    if dyno.process.runs_once() {
        let by = &caller.token.name;
        if state.control.stop_one_off(&app, &dyno, by).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
        let message = format!("{app} has no dyno {dyno} that runs");
        return Err(ApiFailure::not_found(message));
    }
    let stop = Command::StopDyno { app, dyno };
    state
        .control
        .execute_command(stop, caller.actor(), None)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
