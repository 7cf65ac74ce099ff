//! The formation of an app: how many dynos of each process type, and their memory.
//!
//! Owns how it is shown and changed. Must not know the dynos.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, QueryParameters};
use crate::request::json_body::JsonRequest;
use crate::request::paging::ListPaging;
use crate::resource::{
    FormationResource, FormationUpdate, OpenEnum, PageResource, UpdateFormationRequest,
};
use crate::response::with_release_header;
use crate::state::ApiState;
use crate::text;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use control::Command;
use control::access::Role;
use grid::desired::App;
use grid::name::{AppName, ProcessType, ProcessTypeError};
use std::collections::BTreeMap;

/// One item for each process type of the newest release that can be scaled.
fn formation_resources(app: &App) -> Vec<FormationResource> {
    let Some(newest) = app.newest_release() else {
        return Vec::new();
    };
    let types = newest.processes.iter();
    let types = types.filter(|(process, _)| !process.runs_once());
    let resources = types.map(|(process, spec)| {
        let memory = app.sizes.get(process).copied();
        FormationResource {
            process: process.to_string(),
            quantity: app.requested_count(process),
            memory: text::format_memory(memory.unwrap_or(spec.limits.memory_bytes)),
            kind: OpenEnum::Known(spec.kind.into()),
        }
    });
    resources.collect()
}

fn formation_page(
    app: &App,
    paging: &ListPaging,
) -> Result<Json<PageResource<FormationResource>>, ApiFailure> {
    let page = paging.cut_page(
        formation_resources(app),
        |resource| resource.process.clone(),
        |resource| resource,
    );
    page.map(Json)
}

/// The formation of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/formation", operation_id = "show_formation", tag = "dynos", params(ListPaging),
    responses((status = 200, description = "Process types of the newest release, by name", body = PageResource<FormationResource>)),
)]
pub(crate) async fn show_formation(
    caller: Caller,
    PathName(name): PathName<AppName>,
    QueryParameters(paging): QueryParameters<ListPaging>,
) -> Result<Json<PageResource<FormationResource>>, ApiFailure> {
    formation_page(caller.visible_app(&name)?, &paging)
}

/// Scale an app
#[utoipa::path(
    patch, path = "/v1/apps/{app}/formation", operation_id = "change_formation", tag = "dynos",
    request_body = UpdateFormationRequest,
    responses((
        status = 200, description = "The formation that is wanted after the change", body = PageResource<FormationResource>,
        headers(("X-Dyno-Release" = String, description = "The release that another size made, such as v4")),
    )),
)]
pub(crate) async fn update_formation(
    State(state): State<ApiState>,
    PathName(name): PathName<AppName>,
    request: JsonRequest<UpdateFormationRequest>,
) -> Result<Response, ApiFailure> {
    let JsonRequest { caller, body, .. } = request;
    caller.require_app_role(&name, Role::Deploy)?;
    let (counts, sizes) = parse_updates(body.updates)?;
    let mut release = None;
    if !(counts.is_empty() && sizes.is_empty()) {
        let app = name.clone();
        let scale = Command::Scale { app, counts, sizes };
        let accepted = state
            .control
            .execute_command(scale, caller.actor(), None)
            .await?;
        release = accepted.version;
    }
    let view = state.control.view();
    let page = formation_page(view.desired.app(&name)?, &ListPaging::default())?;
    Ok(with_release_header(page, release))
}

/// Numbers of dynos, and memory in bytes, of the process types to change.
type FormationChange = (BTreeMap<ProcessType, u32>, BTreeMap<ProcessType, u64>);

fn parse_updates(updates: Vec<FormationUpdate>) -> Result<FormationChange, ApiFailure> {
    let (mut counts, mut sizes) = FormationChange::default();
    for update in updates {
        let process = update.process.parse();
        let process: ProcessType = process
            .map_err(|error: ProcessTypeError| ApiFailure::invalid_value(error.to_string()))?;
        let named_twice = || ApiFailure::invalid_value(format!("{process} is named twice"));
        if let Some(quantity) = update.quantity
            && counts.insert(process.clone(), quantity).is_some()
        {
            return Err(named_twice());
        }
        if let Some(memory) = update.memory {
            let bytes = text::parse_memory(&memory)?;
            if sizes.insert(process.clone(), bytes).is_some() {
                return Err(named_twice());
            }
        }
    }
    Ok((counts, sizes))
}
