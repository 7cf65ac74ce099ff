//! The control API: JSON over HTTP, for `dyno`'s commands and for other programs.
//!
//! Owns how HTTP requests become commands of [`control`], and how the state of apps is shown as JSON. Must not decide
//! whether a command is carried out: `control`'s reconciler does. Requests to apps never pass through this crate.
//!
//! # Modules
//!
//! | module | content |
//! |---|---|
//! | [`resource`] | the JSON types, which the client in `cli` uses as well |
//! | `server` | accepts connections; its guard counts each request, checks its host and turns panics into JSON errors |
//! | `routes` | one file for each resource, one handler for each operation; the router and its document are made together |
//! | `request` | extractors: caller (token and role), JSON body with idempotency key, query, names in the path, paging |
//! | `state` | what handlers share: handles to the rest of the server, limits, counters |
//! | `failure` | the JSON error, and the status and id of each error of `control` and `slugs` |
//! | `document` | the OpenAPI document |
//!
//! # Tasks
//!
//! | task | ends |
//! |---|---|
//! | one for each connection | with the connection, or at the end of [`serve`] |
//! | one on a blocking thread for each slug that is uploaded, read or compared | with the slug |

#![allow(
    unused_qualifications,
    reason = "utoipa's macros write qualified paths"
)]

mod addresses;
mod document;
mod failure;
mod request;
pub mod resource;
mod response;
mod routes;
mod server;
mod state;
mod text;

pub use server::{CONNECTIONS_MAX, serve};
pub use state::hosts::ApiHost;
pub use state::metrics::RegisterMetrics;
pub use state::{ApiParts, ApiSettings, ApiState};

/// The OpenAPI document of the API, as `/v1/openapi.json` shows it.
pub fn document() -> serde_json::Value {
    routes::documented_routes().1
}
