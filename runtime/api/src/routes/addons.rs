//! Add-ons of an app: services that were made for it, or that it shares.
//!
//! Owns how they are shown: config vars by name only. Must not know how a service is made.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Asked, Path, Path2, Query, given};
use crate::request::page::{Page, Paging};
use crate::routes::releases;
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use control::access::Role;
use control::addons::{self, AddonError, AddonRemoval, ProvisionError};
use control::{AddonCommand, Command, default_attachment_name};
use grid::desired::{AddonService, AddonState, App, NewAddon};
use grid::name::{AddonName, AppName, AttachmentName};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::str::FromStr;
use utoipa::ToSchema;

/// When it may be worth to try again after a service's server stood in the way, in seconds.
const SERVICE_RETRY_SECS: u64 = 10;

/// How far an add-on is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum AddonStatus {
    /// It is being made.
    Creating,
    /// It is there.
    Ready,
    /// No app has it any more, and what is left of it goes as soon as its server lets it.
    Destroying,
}

/// An add-on, as an app has it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Addon {
    #[schema(pattern = "^[a-z][a-z0-9-]{1,38}[a-z0-9]$")]
    name: String,
    #[schema(pattern = "^(postgresql|redis|memcached)$")]
    service: &'static str,
    state: AddonStatus,
    /// The app that it was made for, and goes with; none if it is not yours to see.
    #[schema(required)]
    owner: Option<String>,
    /// What this app calls it; none while it does not have it.
    #[serde(rename = "as")]
    #[schema(required, pattern = "^[A-Z][A-Z0-9_]{0,29}$")]
    attached_as: Option<String>,
    /// Names of the config vars that this app has of it.
    config_names: Vec<String>,
    /// The other apps that have it, those that you may see.
    shared_with: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    created_by: String,
}

/// An add-on to make, or one to share.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAttachment {
    /// The service of an add-on to make.
    #[serde(default, deserialize_with = "given")]
    service: Option<String>,
    /// A name for it; one with the service's name and some digits if it is not said.
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    /// An add-on of another app, to be shared.
    #[serde(default, deserialize_with = "given")]
    addon: Option<String>,
    /// What this app is to call it; `DATABASE`, `REDIS` or `MEMCACHED` if it is not said.
    #[serde(default, rename = "as", deserialize_with = "given")]
    attach_as: Option<String>,
}

/// The schema of [`NewAttachment`], which a derived one would say less of.
pub(crate) fn new_attachment() -> serde_json::Value {
    let attach_as = serde_json::json!({
        "type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,29}$",
        "description": "What this app is to call it; DATABASE, REDIS or MEMCACHED if it is not said.",
    });
    let name = serde_json::json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{1,38}[a-z0-9]$"});
    serde_json::json!({"oneOf": [
        {
            "type": "object", "required": ["service"], "additionalProperties": false,
            "properties": {
                "service": {"type": "string", "enum": ["postgresql", "redis", "memcached"]},
                "name": name, "as": attach_as,
            },
        },
        {
            "type": "object", "required": ["addon"], "additionalProperties": false,
            "properties": {"addon": name, "as": attach_as},
        },
    ]})
}

/// An add-on as an app has it, if it has it.
fn shown(caller: &Caller, app: &App, name: &AddonName) -> Option<Addon> {
    let desired = &caller.view.desired;
    let addon = desired.addons.get(name)?;
    let asked = &addon.request;
    let attached_as = app.attachments.name_of(name);
    if attached_as.is_none() && asked.owner != app.name {
        return None;
    }
    let attachment = attached_as.and_then(|name| app.attachments.get(name));
    let others = caller.apps().filter(|other| other.name != app.name);
    let others = others.filter(|other| other.attachments.name_of(name).is_some());
    Some(Addon {
        name: name.to_string(),
        service: asked.service.name(),
        state: match addon.state {
            AddonState::Creating => AddonStatus::Creating,
            AddonState::Ready(_) => AddonStatus::Ready,
            AddonState::Destroying(_) => AddonStatus::Destroying,
        },
        owner: caller
            .sees_app(&asked.owner)
            .then(|| asked.owner.to_string()),
        attached_as: attached_as.map(ToString::to_string),
        config_names: attachment
            .map(|attachment| attachment.vars.0.keys().cloned().collect())
            .unwrap_or_default(),
        shared_with: others.map(|other| other.name.to_string()).collect(),
        created_at: text::millis(asked.created_ms),
        created_by: asked.created_by.clone(),
    })
}

fn of(caller: &Caller, app: &AppName, name: &AddonName) -> Result<Addon, Failure> {
    let found = shown(caller, caller.app(app)?, name);
    found.ok_or_else(|| Failure::missing("no_such_addon", format!("{app} has no add-on {name}")))
}

/// Add-ons of an app
///
/// Those that were made for it, and those that it shares.
#[utoipa::path(
    get, path = "/v1/apps/{app}/addons", operation_id = "list_addons", tag = "addons", params(Paging),
    responses((status = 200, description = "Add-ons by name", body = Page<Addon>)),
)]
pub(crate) async fn list(
    caller: Caller,
    Path(name): Path<AppName>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Addon>>, Failure> {
    let app = caller.app(&name)?;
    let all = caller.view.desired.addons.keys();
    let all = all.filter_map(|addon| shown(&caller, app, addon));
    paging
        .page(all, |addon| addon.name.clone(), |addon| addon)
        .map(Json)
}

/// Create an add-on, or share one
///
/// Makes a service on the operator's server and gives its config vars to the app; or gives the app those of an add-on
/// that another app has, which needs a token for both. If the app has a release, this makes another, which the header
/// `X-Dyno-Release` names. If it fails, nothing is left behind.
#[utoipa::path(
    post, path = "/v1/apps/{app}/addons", operation_id = "create_addon", tag = "addons",
    request_body = NewAttachment,
    responses((
        status = 201, description = "The add-on, which the app has", body = Addon,
        headers(("X-Dyno-Release" = String, description = "The release that was made, such as v4")),
    )),
)]
pub(crate) async fn create(
    With(state): With<State>,
    Path(app): Path<AppName>,
    asked: Asked<NewAttachment>,
) -> Result<Response, Failure> {
    let Asked { caller, body, key } = asked;
    caller.may_change(&app, Role::Deploy)?;
    let attach_as: Option<AttachmentName> = parsed(body.attach_as)?;
    let (name, accepted) = match (body.service, body.addon) {
        (Some(service), None) => {
            let asked = wanted(&caller, &app, &service, parsed(body.name)?, attach_as)?;
            let (name, attach_as) = (asked.name.clone(), asked.attach_as.clone());
            let accepted = state.addons.create(asked, caller.actor(), key).await?;
            let known = state.control.view();
            let known = known.desired.app(&app)?.attachments.get(&attach_as);
            let made_before = known.filter(|_| accepted.repeated);
            (
                made_before.map_or(name, |known| known.addon.clone()),
                accepted,
            )
        }
        (None, Some(addon)) if body.name.is_none() => {
            let addon: AddonName = addon.parse().map_err(invalid)?;
            caller.addon(&addon)?;
            let attach = Command::Addon(AddonCommand::Attach {
                app: app.clone(),
                addon: addon.clone(),
                name: attach_as,
            });
            let accepted = state.control.execute_command(attach, caller.actor(), key).await?;
            (addon, accepted)
        }
        _ => {
            let message = "give either service, or addon with the name of one that is there";
            return Err(Failure::invalid("invalid_value", message));
        }
    };
    let made = of(&again(&state, caller), &app, &name)?;
    let answer = (StatusCode::CREATED, Json(made));
    Ok(releases::named(answer, accepted.version))
}

/// Destroy or detach an add-on
///
/// One that was made for the app is destroyed, with all that is in it: every app that has it loses its config vars.
/// One of another app is detached from this one, and stays.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/addons/{addon}", operation_id = "remove_addon", tag = "addons",
    responses(
        (status = 202, description = "No app has it any more; the rest goes as soon as its server lets it", body = Addon),
        (status = 204, description = "It is gone, or detached"),
    ),
)]
pub(crate) async fn remove(
    With(state): With<State>,
    caller: Caller,
    Path2(app, name): Path2<AppName, AddonName>,
) -> Result<Response, Failure> {
    caller.may_change(&app, Role::Deploy)?;
    let missing = || Failure::not_found(format!("{app} has no add-on {name}"));
    of(&caller, &app, &name).map_err(|_| missing())?;
    let addon = caller.view.desired.addons.get(&name).ok_or_else(missing)?;
    let actor = caller.actor();
    if addon.request.owner != app {
        let (app, addon) = (app.clone(), name.clone());
        let detach = Command::Addon(AddonCommand::Detach { app, addon });
        let accepted = state.control.execute_command(detach, actor, None).await?;
        return Ok(releases::named(StatusCode::NO_CONTENT, accepted.version));
    }
    match state.addons.destroy(addon, actor).await? {
        AddonRemoval::Complete => Ok(StatusCode::NO_CONTENT.into_response()),
        AddonRemoval::Later => match of(&again(&state, caller), &app, &name) {
            Ok(left) => Ok((StatusCode::ACCEPTED, Json(left)).into_response()),
            Err(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        },
    }
}

/// The caller, with what the ledger says now.
fn again(state: &State, mut caller: Caller) -> Caller {
    caller.view = state.control.view();
    caller
}

fn invalid(error: impl Display) -> Failure {
    Failure::invalid("invalid_value", error.to_string())
}

fn parsed<T: FromStr<Err: Display>>(text: Option<String>) -> Result<Option<T>, Failure> {
    text.map(|text| text.parse()).transpose().map_err(invalid)
}

/// What is to be made, with a password of its own.
fn wanted(
    caller: &Caller,
    app: &AppName,
    service: &str,
    name: Option<AddonName>,
    attach_as: Option<AttachmentName>,
) -> Result<NewAddon, Failure> {
    let service: AddonService = service.parse().map_err(invalid)?;
    let actor = caller.actor();
    Ok(NewAddon {
        name: name.unwrap_or_else(|| addons::name(service)),
        service,
        owner: app.clone(),
        attach_as: attach_as.unwrap_or_else(|| default_attachment_name(service)),
        password: addons::password(),
        created_ms: actor.at_ms,
        created_by: actor.by,
    })
}

impl From<AddonError> for Failure {
    fn from(error: AddonError) -> Self {
        match error {
            AddonError::Refused(refused) => refused.into(),
            AddonError::Provision(error) => error.into(),
        }
    }
}

impl From<ProvisionError> for Failure {
    fn from(error: ProvisionError) -> Self {
        let text = error.to_string();
        match error {
            ProvisionError::NotOffered(_) => Failure::invalid("service_not_offered", text),
            ProvisionError::Unreachable { .. } | ProvisionError::Timeout { .. } => {
                Failure::unavailable("service_unreachable", text).retry_after(SERVICE_RETRY_SECS)
            }
            ProvisionError::Login { .. } => Failure::unavailable("service_login", text),
            ProvisionError::Failed { .. } => Failure::unavailable("service_failed", text),
            ProvisionError::Taken { .. } => Failure::conflict("name_taken", text),
            ProvisionError::Full => Failure::conflict("service_full", text),
            ProvisionError::Overtaken(_) => Failure::conflict("overtaken", text),
        }
    }
}
