//! All routes of the API, and the OpenAPI document that is made from them.
//!
//! Owns the list of handlers. Must not know connections.

mod account;
pub(crate) mod addons;
mod apps;
mod config;
mod domains;
pub(crate) mod dynos;
mod formation;
mod health;
mod logs;
mod releases;
mod server;
mod slugs;
mod tokens;
mod usage;

use crate::document as openapi;
use crate::server::guard;
use crate::state::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All routes. A connection's address is expected as an extension; [`serve`](crate::serve) sees to it.
pub fn router(state: State) -> axum::Router {
    let (routes, document) = documented();
    routes
        .route("/v1/openapi.json", openapi::route(document))
        .fallback(guard::nothing_here)
        .layer(axum::middleware::from_fn_with_state(
            state.clone(),
            guard::guard,
        ))
        .with_state(state)
}

/// The OpenAPI document of [`router`].
pub fn document() -> serde_json::Value {
    documented().1
}

fn documented() -> (axum::Router<State>, serde_json::Value) {
    let (routes, document) = OpenApiRouter::<State>::new()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(server::show))
        .routes(routes!(account::show))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(slugs::list))
        .routes(routes!(slugs::show, slugs::upload::put))
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::show, apps::change, apps::destroy))
        .routes(routes!(releases::list, releases::create::create))
        .routes(routes!(releases::show))
        .routes(routes!(config::show, config::change))
        .routes(routes!(formation::show, formation::change))
        .routes(routes!(dynos::list, dynos::run::run, dynos::restart_all))
        .routes(routes!(dynos::restart))
        .routes(routes!(dynos::stop))
        .routes(routes!(dynos::streams::output))
        .routes(routes!(dynos::streams::input))
        .routes(routes!(logs::read))
        .routes(routes!(usage::of_app))
        .routes(routes!(usage::of_all))
        .routes(routes!(domains::list, domains::add))
        .routes(routes!(domains::remove))
        .routes(routes!(addons::list, addons::create))
        .routes(routes!(addons::remove))
        .split_for_parts();
    (routes, openapi::finish(&document))
}
