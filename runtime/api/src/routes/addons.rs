//! Add-ons of an app: those that were made for it, and those of other apps that are attached to it.
//!
//! Owns how they are shown: config vars by name only. Must not know how a service is made.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, PathNames, QueryParameters};
use crate::request::json_body::JsonRequest;
use crate::request::paging::ListPaging;
use crate::resource::{AddonResource, AddonStatus, CreateAddonRequest, PageResource};
use crate::response::with_release_header;
use crate::state::ApiState;
use crate::text;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use control::access::Role;
use control::addons::{self, AddonError, AddonRemoval, ProvisionError};
use control::ledger::IdempotencyKey;
use control::{AcceptedChange, AddonCommand, AddonSpec, Command, default_attachment_name};
use grid::desired::{AddonService, AddonState, App};
use grid::name::{AddonName, AppName, AttachmentName};
use std::fmt::Display;
use std::str::FromStr;

/// `Retry-After` in seconds while the server of a service cannot be reached.
const SERVICE_RETRY_SECS: u64 = 10;

/// An add-on as an app has it; none if the app does not have it.
fn addon_resource(caller: &Caller, app: &App, name: &AddonName) -> Option<AddonResource> {
    let desired = &caller.view.desired;
    let addon = desired.addons.get(name)?;
    let request = &addon.request;
    let attached_as = app.attachments.name_of(name);
    if attached_as.is_none() && request.owner != app.name {
        return None;
    }
    let attachment = attached_as.and_then(|name| app.attachments.get(name));
    let others = caller.visible_apps().filter(|other| other.name != app.name);
    let others = others.filter(|other| other.attachments.name_of(name).is_some());
    let status = match addon.state {
        AddonState::Creating => AddonStatus::Creating,
        AddonState::Ready(_) => AddonStatus::Ready,
        AddonState::Destroying(_) => AddonStatus::Destroying,
    };
    Some(AddonResource {
        name: name.to_string(),
        service: request.service.name().to_owned(),
        state: status.into(),
        owner: caller
            .can_see_app(&request.owner)
            .then(|| request.owner.to_string()),
        attached_as: attached_as.map(ToString::to_string),
        config_names: attachment
            .map(|attachment| attachment.vars.0.keys().cloned().collect())
            .unwrap_or_default(),
        shared_with: others.map(|other| other.name.to_string()).collect(),
        created_at: text::format_unix_millis(request.created_ms),
        created_by: request.created_by.clone(),
    })
}

fn no_such_addon(app: &AppName, name: &AddonName) -> String {
    format!("{app} has no add-on {name}")
}

fn find_addon(
    caller: &Caller,
    app: &AppName,
    name: &AddonName,
) -> Result<AddonResource, ApiFailure> {
    let found = addon_resource(caller, caller.visible_app(app)?, name);
    found.ok_or_else(|| ApiFailure::not_found_with_id("no_such_addon", no_such_addon(app, name)))
}

/// Add-ons of an app
///
/// Those that were made for the app, and those of other apps that are attached to it.
#[utoipa::path(
    get, path = "/v1/apps/{app}/addons", operation_id = "list_addons", tag = "addons", params(ListPaging),
    responses((status = 200, description = "Add-ons by name", body = PageResource<AddonResource>)),
)]
pub(crate) async fn list_addons(
    caller: Caller,
    PathName(name): PathName<AppName>,
    QueryParameters(paging): QueryParameters<ListPaging>,
) -> Result<Json<PageResource<AddonResource>>, ApiFailure> {
    let app = caller.visible_app(&name)?;
    let names = caller.view.desired.addons.keys();
    let all = names.filter_map(|name| addon_resource(&caller, app, name));
    paging
        .cut_page(all, |addon| addon.name.clone(), |addon| addon)
        .map(Json)
}

/// Create an add-on, or share one
///
/// Makes a service on the operator's server and gives its config vars to the app. Or gives the app the config vars of
/// another app's add-on, which needs a token for both apps. If the app has a release, this makes another, which the
/// header `X-Dyno-Release` names. If it fails, nothing is left behind.
#[utoipa::path(
    post, path = "/v1/apps/{app}/addons", operation_id = "create_addon", tag = "addons",
    request_body = CreateAddonRequest,
    responses((
        status = 201, description = "The add-on, which the app has", body = AddonResource,
        headers(("X-Dyno-Release" = String, description = "The release that was made, such as v4")),
    )),
)]
pub(crate) async fn create_addon(
    State(state): State<ApiState>,
    PathName(app): PathName<AppName>,
    request: JsonRequest<CreateAddonRequest>,
) -> Result<Response, ApiFailure> {
    let JsonRequest { caller, body, key } = request;
    caller.require_app_role(&app, Role::Deploy)?;
    let attach_as: Option<AttachmentName> = parse_optional(body.attach_as)?;
    let (name, accepted) = match (body.service, body.addon) {
        (Some(service), None) => {
            let name = parse_optional(body.name)?;
            let addon = new_addon(&app, &service, name, attach_as)?;
            make_addon(&state, &caller, addon, key).await?
        }
        (None, Some(addon)) if body.name.is_none() => {
            let addon: AddonName = addon.parse().map_err(invalid_value)?;
            caller.visible_addon(&addon)?;
            let attach = Command::Addon(AddonCommand::Attach {
                app: app.clone(),
                addon: addon.clone(),
                name: attach_as,
            });
            let accepted = state
                .control
                .execute_command(attach, caller.actor(), key)
                .await?;
            (addon, accepted)
        }
        _ => {
            let message = "give either service, or addon with the name of an existing add-on";
            return Err(ApiFailure::invalid_value(message));
        }
    };
    let created = find_addon(&with_current_view(&state, caller), &app, &name)?;
    let response = (StatusCode::CREATED, Json(created));
    Ok(with_release_header(response, accepted.version))
}

/// Makes an add-on. Returns its name, which is that of the first add-on if this request is a repetition.
async fn make_addon(
    state: &ApiState,
    caller: &Caller,
    addon: AddonSpec,
    key: Option<IdempotencyKey>,
) -> Result<(AddonName, AcceptedChange), ApiFailure> {
    let (app, name) = (addon.owner.clone(), addon.name.clone());
    let attach_as = addon.attach_as.clone();
    let accepted = state.addons.create(addon, caller.actor(), key).await?;
    let view = state.control.view();
    let attachment = view.desired.app(&app)?.attachments.get(&attach_as);
    let made_before = attachment.filter(|_| accepted.repeated);
    let name = made_before.map_or(name, |attachment| attachment.addon.clone());
    Ok((name, accepted))
}

/// Destroy or detach an add-on
///
/// An add-on that was made for the app is destroyed with all its data: every app that has it loses its config vars. An
/// add-on of another app is detached from this app, and stays.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/addons/{addon}", operation_id = "remove_addon", tag = "addons",
    responses(
        (status = 202, description = "No app has the add-on any more; its data is removed as soon as its server allows it", body = AddonResource),
        (status = 204, description = "The add-on is destroyed, or detached"),
    ),
)]
pub(crate) async fn remove_addon(
    State(state): State<ApiState>,
    caller: Caller,
    PathNames(app, name): PathNames<AppName, AddonName>,
) -> Result<Response, ApiFailure> {
    caller.require_app_role(&app, Role::Deploy)?;
    let missing = || ApiFailure::not_found(no_such_addon(&app, &name));
    find_addon(&caller, &app, &name).map_err(|_| missing())?;
    let addon = caller.view.desired.addons.get(&name).ok_or_else(missing)?;
    let actor = caller.actor();
    if addon.request.owner != app {
        let (app, addon) = (app.clone(), name.clone());
        let detach = Command::Addon(AddonCommand::Detach { app, addon });
        let accepted = state.control.execute_command(detach, actor, None).await?;
        return Ok(with_release_header(
            StatusCode::NO_CONTENT,
            accepted.version,
        ));
    }
    match state.addons.destroy(addon, actor).await? {
        AddonRemoval::Complete => Ok(StatusCode::NO_CONTENT.into_response()),
        AddonRemoval::Later => match find_addon(&with_current_view(&state, caller), &app, &name) {
            Ok(rest) => Ok((StatusCode::ACCEPTED, Json(rest)).into_response()),
            Err(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        },
    }
}

/// The caller, with the state of the ledger after the change.
fn with_current_view(state: &ApiState, mut caller: Caller) -> Caller {
    caller.view = state.control.view();
    caller
}

fn invalid_value(error: impl Display) -> ApiFailure {
    ApiFailure::invalid_value(error.to_string())
}

fn parse_optional<T: FromStr<Err: Display>>(text: Option<String>) -> Result<Option<T>, ApiFailure> {
    text.map(|text| text.parse())
        .transpose()
        .map_err(invalid_value)
}

/// The add-on to make, with a new password.
fn new_addon(
    app: &AppName,
    service: &str,
    name: Option<AddonName>,
    attach_as: Option<AttachmentName>,
) -> Result<AddonSpec, ApiFailure> {
    let service: AddonService = service.parse().map_err(invalid_value)?;
    Ok(AddonSpec {
        name: name.unwrap_or_else(|| addons::random_addon_name(service)),
        service,
        owner: app.clone(),
        attach_as: attach_as.unwrap_or_else(|| default_attachment_name(service)),
        password: addons::random_password(),
    })
}

impl From<AddonError> for ApiFailure {
    fn from(error: AddonError) -> Self {
        match error {
            AddonError::Refused(refused) => refused.into(),
            AddonError::Provision(error) => error.into(),
        }
    }
}

impl From<ProvisionError> for ApiFailure {
    fn from(error: ProvisionError) -> Self {
        let text = error.to_string();
        match error {
            ProvisionError::NotOffered(_) => ApiFailure::unprocessable("service_not_offered", text),
            ProvisionError::Unreachable { .. } | ProvisionError::Timeout { .. } => {
                ApiFailure::unavailable("service_unreachable", text).retry_after(SERVICE_RETRY_SECS)
            }
            ProvisionError::Login { .. } => ApiFailure::unavailable("service_login", text),
            ProvisionError::Failed { .. } => ApiFailure::unavailable("service_failed", text),
            ProvisionError::Taken { .. } => ApiFailure::conflict("name_taken", text),
            ProvisionError::Full => ApiFailure::conflict("service_full", text),
            ProvisionError::Overtaken(_) => ApiFailure::conflict("overtaken", text),
        }
    }
}
