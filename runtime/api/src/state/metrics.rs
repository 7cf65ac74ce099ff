//! Metrics of the control plane, and the text form in which Prometheus reads all metrics.
//!
//! Owns the names of these metrics. Must not know those of the router and the node, which register their own.

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The prefix of all metric names.
const PREFIX: &str = "dyno";

/// Registers metrics of other parts of the server. Called for each response of `/metrics`, so that it can register the
/// values of that moment. The registry puts `dyno_` before each name, and `_total` behind the name of a counter.
pub type RegisterMetrics = Arc<dyn Fn(&mut Registry) + Send + Sync>;

/// The labels of a request to the API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    status: u16,
}

/// The label of a number of dynos.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DynoStateLabel {
    state: &'static str,
}

/// Counters that live as long as the server.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    requests: Family<RequestLabels, Counter>,
}

/// Values of the moment at which `/metrics` is read.
#[derive(Debug, Default)]
pub(crate) struct MetricsReading {
    /// Number of apps.
    pub(crate) apps: usize,
    /// Numbers of dynos, by the word for their state.
    pub(crate) dynos: Vec<(&'static str, usize)>,
    /// Clients that follow logs.
    pub(crate) tails: usize,
    /// Bytes of all log lines in memory.
    pub(crate) log_bytes: usize,
    /// Log lines since the server started.
    pub(crate) log_lines: u64,
    /// Whether the ledger cannot be written.
    pub(crate) ledger_trouble: bool,
}

impl ApiMetrics {
    /// Counters at zero.
    pub(crate) fn new() -> Self {
        let requests = Family::default();
        ApiMetrics { requests }
    }

    /// Counts a request to the API.
    pub(crate) fn count_request(&self, method: &Method, status: StatusCode) {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            // A client can invent methods, and each label value takes memory until the server ends.
            _ => "other",
        };
        let status = status.as_u16();
        self.requests
            .get_or_create(&RequestLabels { method, status })
            .inc();
    }

    /// All metrics in Prometheus' text form, with those that `more` registers.
    pub(crate) fn to_text(&self, reading: &MetricsReading, more: &RegisterMetrics) -> String {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = self.requests.clone();
        registry.register("api_requests", "Requests to the control API", requests);
        register_reading(&mut registry, reading);
        more(&mut registry);
        let mut text = String::new();
        encode_registry(&mut text, &registry).expect("writing to a String cannot fail");
        to_prometheus_text(&text)
    }
}

fn register_reading(registry: &mut Registry, reading: &MetricsReading) {
    let dynos: Family<DynoStateLabel, Gauge> = Family::default();
    for (state, count) in &reading.dynos {
        dynos
            .get_or_create(&DynoStateLabel { state })
            .set(saturate(*count));
    }
    registry.register("dynos", "Dynos by state", dynos);
    let mut register_gauge = |name: &str, help: &str, value: usize| {
        registry.register(name, help, ConstGauge::new(saturate(value)));
    };
    register_gauge("apps", "Apps", reading.apps);
    register_gauge("log_readers", "Readers that follow logs", reading.tails);
    register_gauge(
        "log_bytes",
        "Bytes of log lines that are kept",
        reading.log_bytes,
    );
    register_gauge(
        "ledger_unavailable",
        "1 while the ledger cannot be written",
        usize::from(reading.ledger_trouble),
    );
    let lines = ConstCounter::new(reading.log_lines);
    registry.register("log_lines", "Log lines that came", lines);
}

fn saturate(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Turns the OpenMetrics text that `prometheus-client` writes into Prometheus' older text form (version 0.0.4), which
/// every scraper reads: there, `HELP` and `TYPE` of a counter bear the name of its samples, with `_total`.
fn to_prometheus_text(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    for line in open_metrics.lines() {
        let described = line
            .strip_prefix("# HELP ")
            .or(line.strip_prefix("# TYPE "))
            .and_then(|rest| rest.split(' ').next());
        match described {
            Some(name) if counters.contains(&name) => {
                out.push_str(&line.replacen(name, &format!("{name}_total"), 1));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
