//! Config vars of an app.
//!
//! Owns how they are shown: whole, to those who may change them, and to nobody else. No value is ever part
//! of an error or of a log line.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Asked, Path};
use crate::routes::releases;
use crate::state::State;
use axum::Json;
use axum::extract::State as With;
use axum::response::{IntoResponse, Response};
use control::access::Role;
use control::{Command, ConfigChanges};
use grid::desired::App;
use grid::name::AppName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Values by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfigVars(BTreeMap<String, String>);

/// Values to set by name, and `null` for those to remove.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ConfigVarChanges(BTreeMap<String, Option<String>>);

fn shown(app: &App) -> ConfigVars {
    ConfigVars(BTreeMap::clone(app.newest_config()))
}

/// Config vars of an app
///
/// Needs the role deploy, since values are secrets.
#[utoipa::path(
    get, path = "/v1/apps/{app}/config-vars", operation_id = "show_config", tag = "config",
    responses((status = 200, description = "Values by name", body = ConfigVars)),
)]
pub(crate) async fn show(
    caller: Caller,
    Path(name): Path<AppName>,
) -> Result<Json<ConfigVars>, Failure> {
    Ok(Json(shown(caller.may_change(&name, Role::Deploy)?)))
}

/// Change config vars
///
/// Makes a release, unless nothing changes; the header `X-Dyno-Release` names it. Before the first release,
/// the values are kept for it.
#[utoipa::path(
    patch, path = "/v1/apps/{app}/config-vars", operation_id = "change_config", tag = "config",
    request_body = ConfigVarChanges,
    responses((
        status = 200, description = "All values by name, after the change", body = ConfigVars,
        headers(("X-Dyno-Release" = String, description = "The release that was made, such as v4")),
    )),
)]
pub(crate) async fn change(
    With(state): With<State>,
    Path(name): Path<AppName>,
    asked: Asked<ConfigVarChanges>,
) -> Result<Response, Failure> {
    let Asked { caller, body, .. } = asked;
    let app = caller.may_change(&name, Role::Deploy)?;
    let changes = body.0;
    if let Some(name) = changes.iter().find_map(|(name, value)| {
        value
            .as_ref()
            .filter(|value| value.contains('\0'))
            .map(|_| name)
    }) {
        let message = format!("the value of {} holds a zero byte", name.escape_debug());
        return Err(Failure::invalid("invalid_value", message));
    }
    let now = shown(app);
    if changes
        .iter()
        .all(|(name, value)| now.0.get(name) == value.as_ref())
    {
        return Ok(Json(now).into_response());
    }
    let app = name.clone();
    let changes = ConfigChanges(changes);
    let set = Command::SetConfig { app, changes };
    let accepted = state.control.execute_command(set, caller.actor(), None).await?;
    let vars = shown(state.control.view().desired.app(&name)?);
    Ok(releases::named(Json(vars), accepted.version))
}
