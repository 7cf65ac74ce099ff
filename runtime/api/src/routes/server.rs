//! What the server is: its version, its domain and its prices.
//!
//! Owns that answer. Must not tell what belongs to an app: each token gets the same.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::routes::health::{self, Ready};
use crate::routes::usage::Price;
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use serde::Serialize;
use utoipa::ToSchema;

/// What dyno time costs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Prices {
    /// One hour of a dyno beyond those that are free.
    dyno_hour: Price,
    /// Dynos of an app that cost nothing.
    free_dynos: u32,
}

/// A server.
#[derive(Serialize, ToSchema)]
pub(crate) struct Server {
    /// Its version.
    #[schema(pattern = "^[0-9]+[.][0-9]+[.][0-9]+")]
    version: &'static str,
    /// The domain under which every app has a name.
    domain: String,
    /// Where an app answers, with `APP` in place of its name.
    apps_url: String,
    /// When it started.
    #[schema(format = DateTime)]
    started_at: String,
    /// Whether requests to apps are answered, as `/readyz` says.
    status: Ready,
    prices: Prices,
}

/// The server
///
/// Its version, its domain, whether it serves, and what dyno time costs.
#[utoipa::path(
    get, path = "/v1/server", operation_id = "show_server", tag = "server",
    responses((status = 200, description = "The server", body = Server)),
)]
pub(crate) async fn show(
    With(state): With<State>,
    _caller: Caller,
) -> Result<Json<Server>, Failure> {
    let prices = state.settings.prices;
    Ok(Json(Server {
        version: env!("CARGO_PKG_VERSION"),
        domain: state.settings.domain.to_string(),
        apps_url: state.url_of("APP"),
        started_at: text::time(Some(state.0.started)),
        status: health::readiness(&state),
        prices: Prices {
            dyno_hour: Price::of_micros(prices.micros_per_hour),
            free_dynos: prices.free_dynos,
        },
    }))
}
