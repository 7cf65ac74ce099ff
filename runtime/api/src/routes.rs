//! All routes of the API, and the OpenAPI document that is made from them.
//!
//! Owns the list of handlers. Must not know connections.

mod account;
mod addons;
mod apps;
mod config;
mod domains;
mod dynos;
mod formation;
mod health;
mod logs;
mod releases;
mod server;
mod slugs;
mod tokens;
mod usage;

use crate::document::complete_document;
use crate::state::ApiState;
use axum::Router;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes and their OpenAPI document, made together, so that neither can have a route that the other lacks.
pub(crate) fn documented_routes() -> (Router<ApiState>, serde_json::Value) {
    let (routes, document) = OpenApiRouter::<ApiState>::new()
        .routes(routes!(health::show_health))
        .routes(routes!(health::show_readiness))
        .routes(routes!(health::show_metrics))
        .routes(routes!(server::show_server))
        .routes(routes!(account::show_account))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(slugs::list_slugs))
        .routes(routes!(slugs::show_slug, slugs::upload::upload_slug))
        .routes(routes!(apps::list_apps, apps::create_app))
        .routes(routes!(apps::show_app, apps::update_app, apps::destroy_app))
        .routes(routes!(
            releases::list_releases,
            releases::create::create_release
        ))
        .routes(routes!(releases::show_release))
        .routes(routes!(config::show_config, config::update_config))
        .routes(routes!(
            formation::show_formation,
            formation::update_formation
        ))
        .routes(routes!(
            dynos::list_dynos,
            dynos::run::run_dyno,
            dynos::restart_all_dynos
        ))
        .routes(routes!(dynos::restart_dyno))
        .routes(routes!(dynos::stop_dyno))
        .routes(routes!(dynos::streams::read_output))
        .routes(routes!(dynos::streams::write_input))
        .routes(routes!(logs::read_logs))
        .routes(routes!(usage::show_usage))
        .routes(routes!(usage::list_usage))
        .routes(routes!(domains::list_domains, domains::add_domain))
        .routes(routes!(domains::remove_domain))
        .routes(routes!(addons::list_addons, addons::create_addon))
        .routes(routes!(addons::remove_addon))
        .split_for_parts();
    (routes, complete_document(&document))
}
