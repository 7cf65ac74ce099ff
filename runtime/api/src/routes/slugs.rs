//! Slugs of this server.
//!
//! Owns how they are shown. Must not know how they are checked: that is the store's; nor who may see which: `visible`.

pub(crate) mod upload;

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Path, Query};
use crate::request::page::{Page, Paging};
use crate::state::State;
use axum::Json;
use axum::extract::State as With;
use grid::name::SlugId;
use serde::Serialize;
use slugs::store::{Store, StoreError, StoredSlug};
use std::sync::Arc;
use utoipa::ToSchema;

/// A slug.
#[derive(Serialize, ToSchema)]
pub(crate) struct Slug {
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    id: String,
    /// Size of the file.
    bytes: u64,
}

fn shown(stored: StoredSlug) -> Slug {
    Slug {
        id: stored.id.to_string(),
        bytes: stored.bytes,
    }
}

impl State {
    /// Has the store do something that blocks.
    pub(crate) async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Result<T, StoreError>, Failure> {
        let store = Arc::clone(&self.slugs);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        // A store that panics has a fault of its own.
        done.map_err(|_| Failure::internal())
    }
}

/// What is said of a slug that a body names and that is not here, or not for this caller to see.
pub(crate) fn missing(id: SlugId) -> Failure {
    let hex = id.hex();
    let message =
        format!("the slug {id} is not on this server: upload it with PUT /v1/slugs/{hex} first");
    Failure::missing("slug_missing", message)
}

/// All slugs
#[utoipa::path(
    get, path = "/v1/slugs", operation_id = "list_slugs", tag = "slugs", params(Paging),
    responses((status = 200, description = "Slugs by id", body = Page<Slug>)),
)]
pub(crate) async fn list(
    With(state): With<State>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Slug>>, Failure> {
    let stored = state.store(Store::list).await??;
    let seen = stored
        .into_iter()
        .filter(|stored| caller.sees_slug(stored.id));
    paging
        .page(seen, |stored| stored.id.to_string(), shown)
        .map(Json)
}

/// A slug
#[utoipa::path(
    get, path = "/v1/slugs/{slug}", operation_id = "show_slug", tag = "slugs",
    responses((status = 200, description = "The slug is here", body = Slug)),
)]
pub(crate) async fn show(
    With(state): With<State>,
    caller: Caller,
    Path(id): Path<SlugId>,
) -> Result<Json<Slug>, Failure> {
    let seen = caller.sees_slug(id);
    let stored = state.store(Store::list).await??;
    let stored = stored.into_iter().find(|stored| seen && stored.id == id);
    let stored = stored.ok_or(StoreError::NotFound { id })?;
    Ok(Json(shown(stored)))
}
