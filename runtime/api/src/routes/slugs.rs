//! Slugs of this server.
//!
//! Owns how they are shown, and reading their manifests. Must not know how a slug is checked, which the store does.

pub(crate) mod upload;

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, QueryParameters};
use crate::request::paging::ListPaging;
use crate::resource::{PageResource, SlugResource};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use grid::name::{ProcessType, SlugId};
use slugs::Manifest;
use slugs::store::{Store, StoreError, StoredSlug};
use std::sync::Arc;

fn slug_resource(stored: StoredSlug) -> SlugResource {
    SlugResource {
        id: stored.id.to_string(),
        bytes: stored.bytes,
    }
}

/// Runs an operation of the slug store on a blocking thread.
async fn with_store<T: Send + 'static>(
    state: &ApiState,
    operation: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<Result<T, StoreError>, ApiFailure> {
    let store = Arc::clone(&state.slugs);
    let result = tokio::task::spawn_blocking(move || operation(&store)).await;
    // Fails only if the store panicked.
    result.map_err(|_| ApiFailure::internal())
}

/// The failure for a slug that a body names, and that is not on this server or not visible to the caller.
pub(crate) fn slug_missing(id: SlugId) -> ApiFailure {
    let hex = id.hex();
    let message =
        format!("the slug {id} is not on this server: upload it with PUT /v1/slugs/{hex} first");
    ApiFailure::not_found_with_id("slug_missing", message)
}

/// Reads the manifest of a slug.
pub(crate) async fn read_manifest(state: &ApiState, id: SlugId) -> Result<Manifest, ApiFailure> {
    match with_store(state, move |store| store.manifest(id)).await? {
        Err(StoreError::NotFound { .. }) => Err(slug_missing(id)),
        other => Ok(other?),
    }
}

/// Warnings about process types that do not run as their owner may expect.
pub(crate) fn process_type_warnings(manifest: &Manifest) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, count) in &manifest.formation {
        if name.runs_once() && *count > 0 {
            warnings.push(format!(
                "{name} runs once and is never part of a formation: {name}={count} is ignored"
            ));
        }
    }
    if manifest.processes.keys().any(ProcessType::is_run) {
        warnings.push(
            "run is the name of one-off dynos, so that a process type of this name is never scaled: \
             give it another name, or start it with `dyno run run`"
                .to_owned(),
        );
    }
    warnings
}

/// All slugs
#[utoipa::path(
    get, path = "/v1/slugs", operation_id = "list_slugs", tag = "slugs", params(ListPaging),
    responses((status = 200, description = "Slugs by id", body = PageResource<SlugResource>)),
)]
pub(crate) async fn list_slugs(
    State(state): State<ApiState>,
    caller: Caller,
    QueryParameters(paging): QueryParameters<ListPaging>,
) -> Result<Json<PageResource<SlugResource>>, ApiFailure> {
    let stored = with_store(&state, Store::list).await??;
    let visible = stored
        .into_iter()
        .filter(|stored| caller.can_see_slug(stored.id));
    paging
        .cut_page(visible, |stored| stored.id.to_string(), slug_resource)
        .map(Json)
}

/// A slug
#[utoipa::path(
    get, path = "/v1/slugs/{slug}", operation_id = "show_slug", tag = "slugs",
    responses((status = 200, description = "The slug is on this server", body = SlugResource)),
)]
pub(crate) async fn show_slug(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(id): PathName<SlugId>,
) -> Result<Json<SlugResource>, ApiFailure> {
    let is_visible = caller.can_see_slug(id);
    let all = with_store(&state, Store::list).await??;
    let stored = all.into_iter().find(|stored| is_visible && stored.id == id);
    let stored = stored.ok_or(StoreError::NotFound { id })?;
    Ok(Json(slug_resource(stored)))
}
