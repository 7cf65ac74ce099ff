//! Config vars of an app.
//!
//! Owns how they are shown: with their values, and only to callers who may change them. No error and no log line holds
//! a value.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::PathName;
use crate::request::json_body::JsonRequest;
use crate::resource::{ConfigVarsResource, UpdateConfigVarsRequest};
use crate::response::with_release_header;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control::access::Role;
use control::{Command, ConfigChanges};
use grid::desired::App;
use grid::name::AppName;
use std::collections::BTreeMap;

fn config_resource(app: &App) -> ConfigVarsResource {
    ConfigVarsResource(BTreeMap::clone(app.newest_config()))
}

/// Config vars of an app
///
/// Needs the role deploy, since values are secrets.
#[utoipa::path(
    get, path = "/v1/apps/{app}/config-vars", operation_id = "show_config", tag = "config",
    responses((status = 200, description = "Values by name", body = ConfigVarsResource)),
)]
pub(crate) async fn show_config(
    caller: Caller,
    PathName(name): PathName<AppName>,
) -> Result<Json<ConfigVarsResource>, ApiFailure> {
    let app = caller.require_app_role(&name, Role::Deploy)?;
    Ok(Json(config_resource(app)))
}

/// Change config vars
///
/// Makes a release, unless nothing changes; the header `X-Dyno-Release` names it. Before the first release,
/// the values are kept for it.
#[utoipa::path(
    patch, path = "/v1/apps/{app}/config-vars", operation_id = "change_config", tag = "config",
    request_body = UpdateConfigVarsRequest,
    responses((
        status = 200, description = "All values by name, after the change", body = ConfigVarsResource,
        headers(("X-Dyno-Release" = String, description = "The release that was made, such as v4")),
    )),
)]
pub(crate) async fn update_config(
    State(state): State<ApiState>,
    PathName(name): PathName<AppName>,
    request: JsonRequest<UpdateConfigVarsRequest>,
) -> Result<Response, ApiFailure> {
    let JsonRequest { caller, body, .. } = request;
    let app = caller.require_app_role(&name, Role::Deploy)?;
    let changes = body.0;
    let has_zero_byte = |value: &Option<String>| {
        let value = value.as_deref();
        value.is_some_and(|value| value.contains('\0'))
    };
    if let Some((name, _)) = changes.iter().find(|(_, value)| has_zero_byte(value)) {
        let message = format!("the value of {} holds a zero byte", name.escape_debug());
        return Err(ApiFailure::invalid_value(message));
    }
    let before = config_resource(app);
    let mut pairs = changes.iter();
    if pairs.all(|(name, value)| before.0.get(name) == value.as_ref()) {
        return Ok(Json(before).into_response());
    }
    let app = name.clone();
    let changes = ConfigChanges(changes);
    let set = Command::SetConfig { app, changes };
    let accepted = state
        .control
        .execute_command(set, caller.actor(), None)
        .await?;
    let after = config_resource(state.control.view().desired.app(&name)?);
    Ok(with_release_header(Json(after), accepted.version))
}
