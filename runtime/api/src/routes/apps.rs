//! Apps: what there is, and their settings.
//!
//! Owns how an app is shown. Must not know its releases, config and dynos: those have routes of their own.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Asked, Path, Query, given};
use crate::request::page::{Page, Paging};
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use control::Command;
use control::LedgerView;
use control::access::Role;
use grid::desired::IdleSetting;
use grid::name::{AppName, Hostname};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The word for an app whose dynos never sleep.
const IDLE_OFF: &str = "off";

/// An app.
#[derive(Serialize, ToSchema)]
pub(crate) struct App {
    #[schema(pattern = "^[a-z][a-z0-9-]{1,28}[a-z0-9]$")]
    name: String,
    /// Where it answers first of all.
    #[schema(format = "uri")]
    url: String,
    /// All host names that it answers at.
    hostnames: Vec<String>,
    /// Whether every request gets the maintenance page.
    maintenance: bool,
    /// Its own limit on the time to the first byte of a response, in milliseconds; none: its release's.
    #[schema(required, minimum = 1000, maximum = 600000)]
    timeout_ms: Option<u64>,
    /// After how long without a request its dynos sleep, or `off`; none: as the server has it.
    #[schema(required)]
    idle_after: Option<String>,
    /// The release that serves.
    #[schema(required, pattern = "^v[1-9][0-9]*$")]
    release: Option<String>,
    /// The newest release, whatever became of it.
    #[schema(required, pattern = "^v[1-9][0-9]*$")]
    newest: Option<String>,
    /// How many dynos of each process type are wanted.
    formation: BTreeMap<String, u32>,
    #[schema(format = DateTime)]
    created_at: String,
    created_by: String,
}

/// A new app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApp {
    /// Its name, which is also where it answers.
    #[schema(pattern = "^[a-z][a-z0-9-]{1,28}[a-z0-9]$")]
    name: String,
}

/// Settings to change; those that are not named stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppChanges {
    /// Whether every request is to get the maintenance page.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    maintenance: Option<bool>,
    /// Time to the first byte of a response, from `1s` to `10m`; `null`: as the release has it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^([1-9][0-9]?|[1-5][0-9]{2}|600)s$|^([1-9]|10)m$")]
    timeout: Option<Option<String>>,
    /// After how long without a request dynos sleep, from `1s` to `30d`, or `off`; `null`: as the server has it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^off$|^[1-9][0-9]{0,4}[sm]$|^[1-9][0-9]?h$|^([1-9]|[12][0-9]|30)d$")]
    idle_after: Option<Option<String>>,
}

impl State {
    /// The host name that an app has by its name.
    pub(crate) fn default_hostname(&self, app: &AppName) -> Result<Hostname, Failure> {
        let text = format!("{app}.{}", self.settings.domain);
        // Only a domain of nearly 253 characters leaves no room.
        text.parse().map_err(|_| {
            let message =
                format!("{text} is no host name: the server's domain is too long for this name");
            Failure::invalid("invalid_value", message)
        })
    }

    /// Where an app of this name answers.
    pub(crate) fn url_of(&self, app: &str) -> String {
        let (domain, port) = (&self.settings.domain, self.settings.public_port);
        match (self.settings.public_https, port) {
            (true, 443) => format!("https://{app}.{domain}/"),
            (true, port) => format!("https://{app}.{domain}:{port}/"),
            (false, 80) => format!("http://{app}.{domain}/"),
            (false, port) => format!("http://{app}.{domain}:{port}/"),
        }
    }
}

fn shown(state: &State, view: &LedgerView, app: &grid::desired::App) -> App {
    let origin = view.origin(&app.name);
    App {
        name: app.name.to_string(),
        url: state.url_of(app.name.as_str()),
        hostnames: app.hostnames.iter().map(ToString::to_string).collect(),
        maintenance: app.maintenance,
        timeout_ms: app
            .settings
            .request_timeout
            .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        idle_after: match app.settings.idle_after {
            IdleSetting::Default => None,
            IdleSetting::Off => Some(IDLE_OFF.to_owned()),
            IdleSetting::After(time) => Some(text::duration(time)),
        },
        release: app.serving.map(|version| version.to_string()),
        newest: app
            .newest_release()
            .map(|release| release.version.to_string()),
        formation: app
            .formation
            .iter()
            .map(|(process, count)| (process.to_string(), *count))
            .collect(),
        created_at: text::millis(origin.map_or(0, |origin| origin.created_ms)),
        created_by: origin
            .map(|origin| origin.created_by.clone())
            .unwrap_or_default(),
    }
}

/// An app after a change.
fn again(state: &State, name: &AppName) -> Result<App, Failure> {
    let view = state.control.view();
    Ok(shown(state, &view, view.desired.app(name)?))
}

/// All apps
#[utoipa::path(
    get, path = "/v1/apps", operation_id = "list_apps", tag = "apps", params(Paging),
    responses((status = 200, description = "Apps by name", body = Page<App>)),
)]
pub(crate) async fn list(
    With(state): With<State>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<App>>, Failure> {
    let show = |app: &std::sync::Arc<grid::desired::App>| shown(&state, &caller.view, app);
    paging
        .page(caller.apps(), |app| app.name.to_string(), show)
        .map(Json)
}

/// Create an app
#[utoipa::path(
    post, path = "/v1/apps", operation_id = "create_app", tag = "apps", request_body = NewApp,
    responses((status = 201, description = "The app", body = App)),
)]
pub(crate) async fn create(
    With(state): With<State>,
    asked: Asked<NewApp>,
) -> Result<(StatusCode, Json<App>), Failure> {
    let Asked { caller, body, key } = asked;
    let name = body.name.parse::<AppName>();
    let name = name.map_err(|error| Failure::invalid("invalid_value", error.to_string()))?;
    if caller.sees_app(&name) {
        caller.may(Role::Deploy)?;
    } else {
        caller.may_everywhere(Role::Deploy)?;
    }
    // As of now: somebody else may have made it since this request came.
    if !state.control.view().desired.apps.contains_key(&name) {
        state.logs.begin(&name);
    }
    let hostnames = vec![state.default_hostname(&name)?];
    let app = name.clone();
    let create = Command::CreateApp { app, hostnames };
    state.control.execute_command(create, caller.actor(), key).await?;
    Ok((StatusCode::CREATED, Json(again(&state, &name)?)))
}

/// An app
#[utoipa::path(
    get, path = "/v1/apps/{app}", operation_id = "show_app", tag = "apps",
    responses((status = 200, description = "The app", body = App)),
)]
pub(crate) async fn show(
    With(state): With<State>,
    caller: Caller,
    Path(name): Path<AppName>,
) -> Result<Json<App>, Failure> {
    let app = caller.app(&name)?;
    Ok(Json(shown(&state, &caller.view, app)))
}

/// Change settings of an app
///
/// They take effect at once and make no release.
#[utoipa::path(
    patch, path = "/v1/apps/{app}", operation_id = "change_app", tag = "apps", request_body = AppChanges,
    responses((status = 200, description = "The app as it is now", body = App)),
)]
pub(crate) async fn change(
    With(state): With<State>,
    Path(name): Path<AppName>,
    asked: Asked<AppChanges>,
) -> Result<Json<App>, Failure> {
    let Asked { caller, body, .. } = asked;
    let now = caller.may_change(&name, Role::Deploy)?;
    let mut settings = now.settings.clone();
    if let Some(timeout) = body.timeout {
        let timeout = timeout.as_deref().map(text::parsed_duration);
        settings.request_timeout = timeout.transpose()?;
    }
    if let Some(idle) = body.idle_after {
        settings.idle_after = match idle.as_deref() {
            None => IdleSetting::Default,
            Some(IDLE_OFF) => IdleSetting::Off,
            Some(time) => IdleSetting::After(text::parsed_duration(time)?),
        };
    }
    if settings != now.settings {
        let app = name.clone();
        let set = Command::SetSettings { app, settings };
        state.control.execute_command(set, caller.actor(), None).await?;
    }
    if let Some(on) = body.maintenance.filter(|on| *on != now.maintenance) {
        let app = name.clone();
        let set = Command::SetMaintenance { app, on };
        state.control.execute_command(set, caller.actor(), None).await?;
    }
    again(&state, &name).map(Json)
}

/// Destroy an app
///
/// Ends its dynos and forgets its releases, config vars and logs. Needs the role admin.
#[utoipa::path(
    delete, path = "/v1/apps/{app}", operation_id = "destroy_app", tag = "apps",
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn destroy(
    With(state): With<State>,
    caller: Caller,
    Path(name): Path<AppName>,
) -> Result<StatusCode, Failure> {
    caller.may_change(&name, Role::Admin)?;
    let app = name.clone();
    let destroy = Command::DestroyApp { app };
    state.control.execute_command(destroy, caller.actor(), None).await?;
    state.logs.forget(&name);
    Ok(StatusCode::NO_CONTENT)
}
