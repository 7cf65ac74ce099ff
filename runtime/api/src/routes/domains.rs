//! Hostnames of an app.
//!
//! Owns which hostnames may be added. Must not know certificates.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, PathNames, QueryParameters};
use crate::request::json_body::JsonRequest;
use crate::request::paging::ListPaging;
use crate::resource::{AddDomainRequest, DomainResource, PageResource};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::Command;
use control::access::Role;
use grid::name::{AppName, Hostname, HostnameError};

fn domain_resource(hostname: &Hostname) -> DomainResource {
    let hostname = hostname.to_string();
    DomainResource { hostname }
}

/// Refuses the server's own domain, and the default hostnames of other apps, whether these apps exist or not.
fn check_not_reserved(
    state: &ApiState,
    app: &AppName,
    hostname: &Hostname,
) -> Result<(), ApiFailure> {
    let domain = state.settings.domain.as_str();
    let label = hostname.as_str().strip_suffix(domain);
    let is_reserved = match label.and_then(|label| label.strip_suffix('.')) {
        Some(label) => label != app.as_str() && label.parse::<AppName>().is_ok(),
        None => hostname.as_str() == domain,
    };
    if is_reserved {
        let message = format!("{hostname} is reserved: names below {domain} are those of the apps");
        return Err(ApiFailure::conflict("hostname_reserved", message));
    }
    Ok(())
}

/// Hostnames of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/domains", operation_id = "list_domains", tag = "domains", params(ListPaging),
    responses((status = 200, description = "Hostnames in order", body = PageResource<DomainResource>)),
)]
pub(crate) async fn list_domains(
    caller: Caller,
    PathName(name): PathName<AppName>,
    QueryParameters(paging): QueryParameters<ListPaging>,
) -> Result<Json<PageResource<DomainResource>>, ApiFailure> {
    let app = caller.visible_app(&name)?;
    paging
        .cut_page(&app.hostnames, |name| name.to_string(), domain_resource)
        .map(Json)
}

/// Add a hostname
#[utoipa::path(
    post, path = "/v1/apps/{app}/domains", operation_id = "add_domain", tag = "domains",
    request_body = AddDomainRequest,
    responses((status = 201, description = "The app answers at the hostname", body = DomainResource)),
)]
pub(crate) async fn add_domain(
    State(state): State<ApiState>,
    PathName(name): PathName<AppName>,
    request: JsonRequest<AddDomainRequest>,
) -> Result<(StatusCode, Json<DomainResource>), ApiFailure> {
    let JsonRequest { caller, body, key } = request;
    caller.require_app_role(&name, Role::Deploy)?;
    let hostname: Hostname = body
        .hostname
        .parse()
        .map_err(|error: HostnameError| ApiFailure::invalid_value(error.to_string()))?;
    check_not_reserved(&state, &name, &hostname)?;
    let domain = domain_resource(&hostname);
    let add = Command::AddDomain {
        app: name,
        hostname,
    };
    state
        .control
        .execute_command(add, caller.actor(), key)
        .await?;
    Ok((StatusCode::CREATED, Json(domain)))
}

/// Remove a hostname
#[utoipa::path(
    delete, path = "/v1/apps/{app}/domains/{hostname}", operation_id = "remove_domain", tag = "domains",
    responses((status = 204, description = "The app does not answer at the hostname any more")),
)]
pub(crate) async fn remove_domain(
    State(state): State<ApiState>,
    caller: Caller,
    PathNames(app, hostname): PathNames<AppName, Hostname>,
) -> Result<StatusCode, ApiFailure> {
    caller.require_app_role(&app, Role::Deploy)?;
    if hostname == state.default_hostname(&app)? {
        let message = format!("{hostname} is the app's own name and stays as long as the app");
        return Err(ApiFailure::conflict("default_domain", message));
    }
    let remove = Command::RemoveDomain { app, hostname };
    state
        .control
        .execute_command(remove, caller.actor(), None)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
