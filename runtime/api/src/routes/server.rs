//! The server: version, domain and prices.
//!
//! Owns this response. Must not tell anything of an app: every token gets the same.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::resource::{PricesResource, ServerResource};
use crate::routes::health::readiness_resource;
use crate::routes::usage::price_resource;
use crate::state::ApiState;
use crate::text;
use axum::Json;
use axum::extract::State;

/// The server
///
/// Its version, its domain, whether it serves, and the prices of dyno time.
#[utoipa::path(
    get, path = "/v1/server", operation_id = "show_server", tag = "server",
    responses((status = 200, description = "The server", body = ServerResource)),
)]
pub(crate) async fn show_server(
    State(state): State<ApiState>,
    _caller: Caller,
) -> Result<Json<ServerResource>, ApiFailure> {
    let prices = state.settings.prices;
    Ok(Json(ServerResource {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        domain: state.settings.domain.to_string(),
        apps_url: state.app_url("APP"),
        started_at: text::format_time(Some(state.shared.started)),
        status: readiness_resource(&state),
        prices: PricesResource {
            dyno_hour: price_resource(prices.micros_per_hour),
            free_dynos: prices.free_dynos,
        },
    }))
}
