//! Apps and their settings.
//!
//! Owns how an app is shown. Must not know its releases, config vars and dynos, which have routes of their own.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, QueryParameters};
use crate::request::json_body::JsonRequest;
use crate::request::paging::ListPaging;
use crate::resource::{AppResource, CreateAppRequest, PageResource, UpdateAppRequest};
use crate::state::ApiState;
use crate::text;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::access::Role;
use control::{Command, LedgerView};
use grid::desired::{App, IdleSetting};
use grid::name::{AppName, Hostname};
use std::sync::Arc;

/// The value of `idle_after` for an app whose dynos never sleep.
const IDLE_OFF: &str = "off";

impl ApiState {
    /// The hostname that an app has from its name.
    pub(crate) fn default_hostname(&self, app: &AppName) -> Result<Hostname, ApiFailure> {
        let text = format!("{app}.{}", self.settings.domain);
        // Fails only with a domain of nearly 253 characters.
        text.parse().map_err(|_| {
            ApiFailure::invalid_value(format!(
                "{text} is no hostname: the server's domain is too long for this name"
            ))
        })
    }

    /// The URL of an app, by its default hostname.
    pub(crate) fn app_url(&self, app: &str) -> String {
        let (domain, port) = (&self.settings.domain, self.settings.public_port);
        match (self.settings.public_https, port) {
            (true, 443) => format!("https://{app}.{domain}/"),
            (true, port) => format!("https://{app}.{domain}:{port}/"),
            (false, 80) => format!("http://{app}.{domain}/"),
            (false, port) => format!("http://{app}.{domain}:{port}/"),
        }
    }
}

fn app_resource(state: &ApiState, view: &LedgerView, app: &App) -> AppResource {
    let origin = view.origin(&app.name);
    let timeout = app.settings.request_timeout;
    let newest = app.newest_release();
    let formation = app.formation.iter();
    AppResource {
        name: app.name.to_string(),
        url: state.app_url(app.name.as_str()),
        hostnames: app.hostnames.iter().map(ToString::to_string).collect(),
        maintenance: app.maintenance,
        timeout_ms: timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        idle_after: match app.settings.idle_after {
            IdleSetting::Default => None,
            IdleSetting::Off => Some(IDLE_OFF.to_owned()),
            IdleSetting::After(time) => Some(text::format_duration(time)),
        },
        release: app.serving.map(|version| version.to_string()),
        newest: newest.map(|release| release.version.to_string()),
        formation: formation
            .map(|(process, count)| (process.to_string(), *count))
            .collect(),
        created_at: text::format_unix_millis(origin.map_or(0, |origin| origin.created_ms)),
        created_by: origin
            .map(|origin| origin.created_by.clone())
            .unwrap_or_default(),
    }
}

/// An app after a change.
fn current_app(state: &ApiState, name: &AppName) -> Result<AppResource, ApiFailure> {
    let view = state.control.view();
    Ok(app_resource(state, &view, view.desired.app(name)?))
}

/// All apps
#[utoipa::path(
    get, path = "/v1/apps", operation_id = "list_apps", tag = "apps", params(ListPaging),
    responses((status = 200, description = "Apps by name", body = PageResource<AppResource>)),
)]
pub(crate) async fn list_apps(
    State(state): State<ApiState>,
    caller: Caller,
    QueryParameters(paging): QueryParameters<ListPaging>,
) -> Result<Json<PageResource<AppResource>>, ApiFailure> {
    let to_resource = |app: &Arc<App>| app_resource(&state, &caller.view, app);
    paging
        .cut_page(
            caller.visible_apps(),
            |app| app.name.to_string(),
            to_resource,
        )
        .map(Json)
}

/// Create an app
#[utoipa::path(
    post, path = "/v1/apps", operation_id = "create_app", tag = "apps", request_body = CreateAppRequest,
    responses((status = 201, description = "The app", body = AppResource)),
)]
pub(crate) async fn create_app(
    State(state): State<ApiState>,
    request: JsonRequest<CreateAppRequest>,
) -> Result<(StatusCode, Json<AppResource>), ApiFailure> {
    let JsonRequest { caller, body, key } = request;
    let name = body.name.parse::<AppName>();
    let name = name.map_err(|error| ApiFailure::invalid_value(error.to_string()))?;
    if caller.can_see_app(&name) {
        caller.require_role(Role::Deploy)?;
    } else {
        caller.require_role_for_all_apps(Role::Deploy)?;
    }
    // Reads the view again: another request may have created the app since this one arrived.
    if !state.control.view().desired.apps.contains_key(&name) {
        state.logs.start_app(&name);
    }
    let hostnames = vec![state.default_hostname(&name)?];
    let app = name.clone();
    let create = Command::CreateApp { app, hostnames };
    state
        .control
        .execute_command(create, caller.actor(), key)
        .await?;
    Ok((StatusCode::CREATED, Json(current_app(&state, &name)?)))
}

/// An app
#[utoipa::path(
    get, path = "/v1/apps/{app}", operation_id = "show_app", tag = "apps",
    responses((status = 200, description = "The app", body = AppResource)),
)]
pub(crate) async fn show_app(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(name): PathName<AppName>,
) -> Result<Json<AppResource>, ApiFailure> {
    let app = caller.visible_app(&name)?;
    Ok(Json(app_resource(&state, &caller.view, app)))
}

/// Change settings of an app
///
/// They take effect at once and make no release.
#[utoipa::path(
    patch, path = "/v1/apps/{app}", operation_id = "change_app", tag = "apps", request_body = UpdateAppRequest,
    responses((status = 200, description = "The app after the change", body = AppResource)),
)]
pub(crate) async fn update_app(
    State(state): State<ApiState>,
    PathName(name): PathName<AppName>,
    request: JsonRequest<UpdateAppRequest>,
) -> Result<Json<AppResource>, ApiFailure> {
    let JsonRequest { caller, body, .. } = request;
    let before = caller.require_app_role(&name, Role::Deploy)?;
    let mut settings = before.settings.clone();
    if let Some(timeout) = body.timeout {
        let timeout = timeout.as_deref().map(text::parse_duration);
        settings.request_timeout = timeout.transpose()?;
    }
    if let Some(idle) = body.idle_after {
        settings.idle_after = match idle.as_deref() {
            None => IdleSetting::Default,
            Some(IDLE_OFF) => IdleSetting::Off,
            Some(time) => IdleSetting::After(text::parse_duration(time)?),
        };
    }
    if settings != before.settings {
        let app = name.clone();
        let set = Command::SetSettings { app, settings };
        state
            .control
            .execute_command(set, caller.actor(), None)
            .await?;
    }
    if let Some(on) = body.maintenance.filter(|on| *on != before.maintenance) {
        let app = name.clone();
        let set = Command::SetMaintenance { app, on };
        state
            .control
            .execute_command(set, caller.actor(), None)
            .await?;
    }
    current_app(&state, &name).map(Json)
}

/// Destroy an app
///
/// Ends its dynos and removes its releases, config vars and logs. Needs the role admin.
#[utoipa::path(
    delete, path = "/v1/apps/{app}", operation_id = "destroy_app", tag = "apps",
    responses((status = 204, description = "The app is destroyed")),
)]
pub(crate) async fn destroy_app(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(name): PathName<AppName>,
) -> Result<StatusCode, ApiFailure> {
    caller.require_app_role(&name, Role::Admin)?;
    let app = name.clone();
    let destroy = Command::DestroyApp { app };
    state
        .control
        .execute_command(destroy, caller.actor(), None)
        .await?;
    state.logs.forget_app(&name);
    Ok(StatusCode::NO_CONTENT)
}
