//! The router's metrics for Prometheus.
//!
//! Owns their names. Must not name apps: everybody who reaches the API can read metrics.

use dyno::LocalDyno;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use router::{Load, Router, RouterStatistics};

/// The label of a number of requests: the class of the status, such as `2xx`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusClassLabel {
    status: String,
}

/// The label of a number of requests that ended with a code, such as `H12`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: String,
}

/// Registers the present values of the router's metrics.
pub(crate) fn register_router_metrics(router: &Router<LocalDyno>, registry: &mut Registry) {
    let stats = router.statistics();
    register_requests(&stats, registry);
    let loads = router.loads();
    let sum =
        |part: fn(&Load) -> usize| -> u64 { loads.iter().map(|(_, load)| part(load) as u64).sum() };
    let mut register_gauge = |name: &str, help: &str, value: u64| {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        registry.register(name, help, ConstGauge::new(value));
    };
    register_gauge("router_connections", "Open connections", stats.connections);
    register_gauge(
        "router_calls",
        "Requests that dynos work on, but for the shortest",
        stats.calls,
    );
    register_gauge(
        "router_buffered_bytes",
        "Bytes of responses that wait for their clients",
        stats.buffered,
    );
    register_gauge(
        "router_dynos_free",
        "Dynos without a request",
        sum(|load| load.free),
    );
    register_gauge(
        "router_dynos_busy",
        "Dynos with a request",
        sum(|load| load.busy),
    );
    register_gauge(
        "router_requests_waiting",
        "Requests that wait for a free dyno",
        sum(|load| load.waiting),
    );
}

/// Registers the counters. The registry adds `_total` to their names.
fn register_requests(stats: &RouterStatistics, registry: &mut Registry) {
    let requests: Family<StatusClassLabel, Counter> = Family::default();
    for (class, count) in (1..).zip(stats.statuses) {
        let status = format!("{class}xx");
        requests
            .get_or_create(&StatusClassLabel { status })
            .inc_by(count);
    }
    registry.register(
        "router_requests",
        "Requests that have ended, by class of status",
        requests,
    );
    let refusals: Family<CodeLabel, Counter> = Family::default();
    for (code, count) in stats.refusals.iter().filter(|(_, count)| *count > 0) {
        let code = code.code().to_string();
        refusals.get_or_create(&CodeLabel { code }).inc_by(*count);
    }
    registry.register(
        "router_refusals",
        "Requests that ended with a code",
        refusals,
    );
    let mut register_counter = |name: &str, help: &str, value: u64| {
        registry.register(name, help, ConstCounter::new(value));
    };
    register_counter("router_bytes", "Bytes of response bodies", stats.bytes);
    register_counter(
        "router_unknown_hosts",
        "Requests for a host that no app has",
        stats.unknown_hosts,
    );
    register_counter(
        "router_malformed",
        "Requests that could not be read",
        stats.malformed,
    );
    register_counter(
        "router_connections_refused",
        "Connections turned away because there were too many",
        stats.connections_refused,
    );
}
