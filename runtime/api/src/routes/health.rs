//! Health, readiness and metrics, which need no token.
//!
//! Owns these responses. Must not tell names of apps: anybody may read them.

use crate::failure::OwnResponse;
use crate::resource::ReadinessResource;
use crate::state::ApiState;
use crate::state::metrics::MetricsReading;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use std::collections::BTreeMap;

/// The media type of Prometheus' text form.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether requests to apps are answered now.
pub(crate) fn readiness_resource(state: &ApiState) -> ReadinessResource {
    let ready = *state.ready.borrow() && !state.shared.closing.is_cancelled();
    let has_trouble = state.control.watch_ledger_trouble().borrow().is_some();
    let reason = match (ready, has_trouble) {
        (false, _) => Some("the server is starting or ending"),
        (true, true) => Some("changes cannot be written down: is the disk full? Apps run on"),
        (true, false) => None,
    };
    let reason = reason.map(str::to_owned);
    ReadinessResource { ready, reason }
}

/// Is it alive
#[utoipa::path(
    get, path = "/healthz", operation_id = "health", tag = "server",
    responses((status = 200, description = "The server is alive", body = String, content_type = "text/plain")),
)]
pub(crate) async fn show_health() -> &'static str {
    "ok\n"
}

/// Is it ready
#[utoipa::path(
    get, path = "/readyz", operation_id = "readiness", tag = "server",
    responses(
        (status = 200, description = "Apps are served", body = ReadinessResource),
        (status = 503, description = "Apps are not served, or not yet", body = ReadinessResource),
    ),
)]
pub(crate) async fn show_readiness(State(state): State<ApiState>) -> impl IntoResponse {
    let readiness = readiness_resource(&state);
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    // The extension makes the guard keep the body of a 503 as it is.
    (status, Extension(OwnResponse), Json(readiness))
}

/// Numbers for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "Prometheus' text form", body = String, content_type = "text/plain")),
)]
pub(crate) async fn show_metrics(State(state): State<ApiState>) -> impl IntoResponse {
    let mut dynos: BTreeMap<&'static str, usize> = BTreeMap::new();
    // A reconciler that has ended has no dynos.
    for dyno in state.control.list_dynos().await.unwrap_or_default() {
        *dynos.entry(dyno.state.word()).or_default() += 1;
    }
    let reading = MetricsReading {
        apps: state.control.view().desired.apps.len(),
        dynos: dynos.into_iter().collect(),
        tails: state.logs.reader_count(),
        log_bytes: state.logs.total_bytes(),
        log_lines: state.logs.total_lines(),
        ledger_trouble: state.control.watch_ledger_trouble().borrow().is_some(),
    };
    let text = state.shared.metrics.to_text(&reading, &state.metrics);
    ([(header::CONTENT_TYPE, METRICS_TYPE)], text)
}
