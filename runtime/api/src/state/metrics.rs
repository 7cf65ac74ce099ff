//! Numbers of the control plane for Prometheus.
//!
//! Owns their names. Must not know those of router and node, which others write.

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How a request to the API ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    method: &'static str,
    status: u16,
}

/// Dynos in one state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// What is counted between two readings.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<Ending, Counter>,
}

/// What is so at the time of a reading.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Apps there are.
    pub(crate) apps: usize,
    /// Dynos by the word for their state.
    pub(crate) dynos: Vec<(&'static str, usize)>,
    /// Readers of logs.
    pub(crate) tails: usize,
    /// Bytes of all lines that are kept.
    pub(crate) log_bytes: usize,
    /// Lines that ever came.
    pub(crate) log_lines: u64,
    /// Whether the ledger cannot be written.
    pub(crate) ledger_trouble: bool,
}

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        let requests = Family::default();
        Metrics { requests }
    }

    /// Counts a request to the API.
    pub(crate) fn request(&self, method: &Method, status: StatusCode) {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            // A client can make up methods; each label is a row for ever.
            _ => "other",
        };
        let status = status.as_u16();
        self.requests
            .get_or_create(&Ending { method, status })
            .inc();
    }

    /// All numbers in Prometheus' text form.
    pub(crate) fn text(&self, reading: &Reading) -> String {
        let mut registry = Registry::with_prefix("dyno");
        let requests = self.requests.clone();
        registry.register("api_requests", "Requests to the control API", requests);
        let dynos: Family<InState, Gauge> = Family::default();
        for (state, count) in &reading.dynos {
            dynos.get_or_create(&InState { state }).set(whole(*count));
        }
        registry.register("dynos", "Dynos by state", dynos);
        let mut gauge = |name: &str, help: &str, value: usize| {
            let gauge: Gauge = Gauge::default();
            gauge.set(whole(value));
            registry.register(name, help, gauge);
        };
        gauge("apps", "Apps", reading.apps);
        gauge("log_readers", "Readers that follow logs", reading.tails);
        gauge(
            "log_bytes",
            "Bytes of log lines that are kept",
            reading.log_bytes,
        );
        let trouble = usize::from(reading.ledger_trouble);
        gauge(
            "ledger_unavailable",
            "1 while the ledger cannot be written",
            trouble,
        );
        let lines: Counter = Counter::default();
        lines.inc_by(reading.log_lines);
        registry.register("log_lines", "Log lines that came", lines);
        let mut text = String::new();
        encode_registry(&mut text, &registry).expect("a String takes all");
        plain(&text)
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// From the OpenMetrics form to the older one that every scraper reads: there a counter is announced by the
/// name that its samples bear, and there is no end mark.
fn plain(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let names: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    for line in open_metrics.lines() {
        let announced = line
            .strip_prefix("# HELP ")
            .or(line.strip_prefix("# TYPE "));
        if let Some(rest) = announced {
            let name = rest.split(' ').next().unwrap_or_default();
            if names.contains(&name) {
                out.push_str(&line.replacen(name, &format!("{name}_total"), 1));
                out.push('\n');
                continue;
            }
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
