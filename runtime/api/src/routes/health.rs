//! Whether the server lives, whether it serves, and its numbers: asked without a token.
//!
//! Owns those three answers. Must not tell names: anyone may ask.

use crate::state::State;
use crate::state::metrics::Reading;
use axum::Json;
use axum::extract::State as With;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Prometheus' text form.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether requests to apps are answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Whether they are.
    ready: bool,
    /// Why not, or what does not work although they are.
    #[schema(required)]
    reason: Option<&'static str>,
}

/// Whether requests to apps are answered now.
pub(crate) fn readiness(state: &State) -> Ready {
    let ready = *state.ready.borrow() && !state.0.closing.is_cancelled();
    let trouble = state.control.watch_ledger_trouble().borrow().is_some();
    let reason = match (ready, trouble) {
        (false, _) => Some("the server is starting or ending"),
        (true, true) => Some("changes cannot be written down: is the disk full? Apps run on"),
        (true, false) => None,
    };
    Ready { ready, reason }
}

/// Is it alive
#[utoipa::path(
    get, path = "/healthz", operation_id = "health", tag = "server",
    responses((status = 200, description = "It is", body = String, content_type = "text/plain")),
)]
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Is it ready
#[utoipa::path(
    get, path = "/readyz", operation_id = "readiness", tag = "server",
    responses(
        (status = 200, description = "Apps are served", body = Ready),
        (status = 503, description = "They are not, or not yet", body = Ready),
    ),
)]
pub(crate) async fn ready(With(state): With<State>) -> impl IntoResponse {
    let readiness = readiness(&state);
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    // `Ours`, so that the guard leaves it in this form.
    (
        status,
        axum::Extension(crate::failure::Ours),
        Json(readiness),
    )
}

/// Numbers for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "Prometheus' text form", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(With(state): With<State>) -> impl IntoResponse {
    let mut dynos: BTreeMap<&'static str, usize> = BTreeMap::new();
    // A reconciler that has ended has no dynos.
    for dyno in state.control.list_dynos().await.unwrap_or_default() {
        *dynos.entry(dyno.state.word()).or_default() += 1;
    }
    let reading = Reading {
        apps: state.control.view().desired.apps.len(),
        dynos: dynos.into_iter().collect(),
        tails: state.logs.tails(),
        log_bytes: state.logs.bytes(),
        log_lines: state.logs.lines(),
        ledger_trouble: state.control.watch_ledger_trouble().borrow().is_some(),
    };
    let mut text = state.0.counted.text(&reading);
    (state.metrics)(&mut text);
    ([(header::CONTENT_TYPE, METRICS_TYPE)], text)
}
