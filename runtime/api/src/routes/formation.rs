//! The formation of an app: how many dynos of each process type, and how large.
//!
//! Owns how it is shown and changed. Must not know the dynos.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Asked, Path, Query, given, objects, whole};
use crate::request::page::{Page, Paging};
use crate::routes::releases::{self, KindName};
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use axum::response::Response;
use control::Command;
use control::access::Role;
use grid::desired::App;
use grid::name::{AppName, ProcessType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Dynos of one process type.
#[derive(Serialize, ToSchema)]
pub(crate) struct Formation {
    #[serde(rename = "type")]
    process: String,
    #[schema(maximum = 1000)]
    quantity: u32,
    /// Memory of each of them.
    #[schema(pattern = "^[0-9]+(B|MiB|GiB)$")]
    memory: String,
    kind: KindName,
}

/// What is to be of one process type.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormationUpdate {
    #[serde(rename = "type")]
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,29}$")]
    process: String,
    /// How many.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 1000, nullable = false)]
    quantity: Option<u32>,
    /// Memory of each of them, from `1MiB` to `4GiB`; another one than now makes a release.
    #[serde(default, deserialize_with = "given")]
    #[schema(
        pattern = "^([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])MiB$|^[1-4]GiB$",
        nullable = false
    )]
    memory: Option<String>,
}

/// Changes of a formation; types that are not named stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormationChanges {
    #[serde(deserialize_with = "objects")]
    #[schema(max_items = 100)]
    updates: Vec<FormationUpdate>,
}

fn shown(app: &App) -> Vec<(String, Formation)> {
    let Some(newest) = app.newest_release() else {
        return Vec::new();
    };
    let types = newest.processes.iter();
    let types = types.filter(|(process, _)| !process.runs_once());
    let types = types.map(|(process, spec)| {
        let memory = app.sizes.get(process).copied();
        let formation = Formation {
            process: process.to_string(),
            quantity: app.requested_count(process),
            memory: text::size(memory.unwrap_or(spec.limits.memory_bytes)),
            kind: spec.kind.into(),
        };
        (process.to_string(), formation)
    });
    types.collect()
}

fn page(app: &App, paging: &Paging) -> Result<Json<Page<Formation>>, Failure> {
    let page = paging.page(
        shown(app),
        |(name, _)| name.clone(),
        |(_, formation)| formation,
    );
    page.map(Json)
}

/// The formation of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/formation", operation_id = "show_formation", tag = "dynos", params(Paging),
    responses((status = 200, description = "Process types of the newest release, by name", body = Page<Formation>)),
)]
pub(crate) async fn show(
    caller: Caller,
    Path(name): Path<AppName>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Formation>>, Failure> {
    page(caller.app(&name)?, &paging)
}

/// Scale an app
#[utoipa::path(
    patch, path = "/v1/apps/{app}/formation", operation_id = "change_formation", tag = "dynos",
    request_body = FormationChanges,
    responses((
        status = 200, description = "The formation as it is to be now", body = Page<Formation>,
        headers(("X-Dyno-Release" = String, description = "The release that another size made, such as v4")),
    )),
)]
pub(crate) async fn change(
    With(state): With<State>,
    Path(name): Path<AppName>,
    asked: Asked<FormationChanges>,
) -> Result<Response, Failure> {
    let Asked { caller, body, .. } = asked;
    caller.may_change(&name, Role::Deploy)?;
    let (counts, sizes) = wanted(body.updates)?;
    let mut made = None;
    if !(counts.is_empty() && sizes.is_empty()) {
        let app = name.clone();
        let scale = Command::Scale { app, counts, sizes };
        made = state
            .control
            .execute_command(scale, caller.actor(), None)
            .await?
            .version;
    }
    let page = page(state.control.view().desired.app(&name)?, &Paging::default())?;
    Ok(releases::named(page, made))
}

type Wanted = (BTreeMap<ProcessType, u32>, BTreeMap<ProcessType, u64>);

fn wanted(updates: Vec<FormationUpdate>) -> Result<Wanted, Failure> {
    let invalid = |message: String| Failure::invalid("invalid_value", message);
    let (mut counts, mut sizes) = Wanted::default();
    for update in updates {
        let process: ProcessType = update
            .process
            .parse()
            .map_err(|error: grid::name::ProcessTypeError| invalid(error.to_string()))?;
        let twice = || invalid(format!("{process} is named twice"));
        if let Some(quantity) = update.quantity
            && counts.insert(process.clone(), quantity).is_some()
        {
            return Err(twice());
        }
        if let Some(memory) = update.memory
            && sizes
                .insert(process.clone(), text::memory(&memory)?)
                .is_some()
        {
            return Err(twice());
        }
    }
    Ok((counts, sizes))
}
