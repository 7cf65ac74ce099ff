//! The router's metrics in the text format of Prometheus.
//!
//! Owns their names. Must not name apps: everybody who reaches the API can read metrics.

use std::fmt::Write;

use dyno::LocalDyno;
use router::{Router, Stats};

/// Appends the router's metrics to `out`.
pub(crate) fn write_router_metrics(router: &Router<LocalDyno>, out: &mut String) {
    let stats = router.stats();
    requests(&stats, out);
    let mut gauge = |name: &str, help: &str, value: u64| metric(out, ("gauge", name), help, value);
    gauge("router_connections", "Open connections", stats.connections);
    gauge(
        "router_calls",
        "Requests that dynos work on, but for the shortest",
        stats.calls,
    );
    gauge(
        "router_buffered_bytes",
        "Bytes of responses that wait for their clients",
        stats.buffered,
    );
    let loads = router.loads();
    let sum = |part: fn(&router::Load) -> usize| -> u64 {
        loads.iter().map(|(_, load)| part(load) as u64).sum()
    };
    gauge(
        "router_dynos_free",
        "Dynos without a request",
        sum(|load| load.free),
    );
    gauge(
        "router_dynos_busy",
        "Dynos with a request",
        sum(|load| load.busy),
    );
    gauge(
        "router_requests_waiting",
        "Requests that wait for a free dyno",
        sum(|load| load.waiting),
    );
}

fn requests(stats: &Stats, out: &mut String) {
    head(
        out,
        ("counter", "router_requests_total"),
        "Requests that have ended, by class of status",
    );
    for (class, count) in (1..).zip(stats.statuses) {
        line(
            out,
            "router_requests_total",
            &format!("{{status=\"{class}xx\"}}"),
            count,
        );
    }
    head(
        out,
        ("counter", "router_refusals_total"),
        "Requests that ended with a code",
    );
    for (code, count) in stats.refusals.iter().filter(|(_, count)| *count > 0) {
        line(
            out,
            "router_refusals_total",
            &format!("{{code=\"{}\"}}", code.code()),
            *count,
        );
    }
    let mut counter =
        |name: &str, help: &str, value: u64| metric(out, ("counter", name), help, value);
    counter(
        "router_bytes_total",
        "Bytes of response bodies",
        stats.bytes,
    );
    counter(
        "router_unknown_hosts_total",
        "Requests for a host that no app has",
        stats.unknown_hosts,
    );
    counter(
        "router_malformed_total",
        "Requests that could not be read",
        stats.malformed,
    );
    counter(
        "router_connections_refused_total",
        "Connections turned away because there were too many",
        stats.connections_refused,
    );
}

fn metric(out: &mut String, kind: (&str, &str), help: &str, value: u64) {
    head(out, kind, help);
    line(out, kind.1, "", value);
}

fn head(out: &mut String, (kind, name): (&str, &str), help: &str) {
    let _ = writeln!(out, "# HELP dyno_{name} {help}.\n# TYPE dyno_{name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "dyno_{name}{labels} {value}");
}
