//! Host names that an app answers at.
//!
//! Owns which ones may be asked for. Must not know certificates.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Asked, Path, Path2, Query};
use crate::request::page::{Page, Paging};
use crate::state::State;
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use control::Command;
use control::access::Role;
use grid::name::{AppName, Hostname, HostnameError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A host name of an app.
#[derive(Serialize, ToSchema)]
pub(crate) struct Domain {
    hostname: String,
}

/// A host name for an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDomain {
    #[schema(
        min_length = 1,
        max_length = 253,
        pattern = "^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
    )]
    hostname: String,
}

fn shown(hostname: &Hostname) -> Domain {
    let hostname = hostname.to_string();
    Domain { hostname }
}

/// Refuses names that belong to the server, or to the app that bears them, there or not.
fn expect_free(state: &State, app: &AppName, hostname: &Hostname) -> Result<(), Failure> {
    let domain = state.settings.domain.as_str();
    let label = hostname.as_str().strip_suffix(domain);
    let reserved = match label.and_then(|label| label.strip_suffix('.')) {
        Some(label) => label != app.as_str() && label.parse::<AppName>().is_ok(),
        None => hostname.as_str() == domain,
    };
    if reserved {
        let message = format!("{hostname} is reserved: names below {domain} are those of the apps");
        return Err(Failure::conflict("hostname_reserved", message));
    }
    Ok(())
}

/// Host names of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/domains", operation_id = "list_domains", tag = "domains", params(Paging),
    responses((status = 200, description = "Host names in order", body = Page<Domain>)),
)]
pub(crate) async fn list(
    caller: Caller,
    Path(name): Path<AppName>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Domain>>, Failure> {
    let app = caller.app(&name)?;
    paging
        .page(&app.hostnames, |hostname| hostname.to_string(), shown)
        .map(Json)
}

/// Add a host name
#[utoipa::path(
    post, path = "/v1/apps/{app}/domains", operation_id = "add_domain", tag = "domains",
    request_body = NewDomain,
    responses((status = 201, description = "The app answers there", body = Domain)),
)]
pub(crate) async fn add(
    With(state): With<State>,
    Path(name): Path<AppName>,
    asked: Asked<NewDomain>,
) -> Result<(StatusCode, Json<Domain>), Failure> {
    let Asked { caller, body, key } = asked;
    caller.may_change(&name, Role::Deploy)?;
    let hostname: Hostname = body
        .hostname
        .parse()
        .map_err(|error: HostnameError| Failure::invalid("invalid_value", error.to_string()))?;
    expect_free(&state, &name, &hostname)?;
    let domain = shown(&hostname);
    let add = Command::AddDomain {
        app: name,
        hostname,
    };
    state.control.execute_command(add, caller.actor(), key).await?;
    Ok((StatusCode::CREATED, Json(domain)))
}

/// Remove a host name
#[utoipa::path(
    delete, path = "/v1/apps/{app}/domains/{hostname}", operation_id = "remove_domain", tag = "domains",
    responses((status = 204, description = "The app does not answer there any more")),
)]
pub(crate) async fn remove(
    With(state): With<State>,
    caller: Caller,
    Path2(app, hostname): Path2<AppName, Hostname>,
) -> Result<StatusCode, Failure> {
    caller.may_change(&app, Role::Deploy)?;
    if hostname == state.default_hostname(&app)? {
        let message = format!("{hostname} is the app's own name and stays as long as the app");
        return Err(Failure::conflict("default_domain", message));
    }
    let remove = Command::RemoveDomain { app, hostname };
    state.control.execute_command(remove, caller.actor(), None).await?;
    Ok(StatusCode::NO_CONTENT)
}
