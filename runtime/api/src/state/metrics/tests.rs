//! Tests of the metrics in Prometheus' text format.

use super::*;

#[test]
fn all_metrics_are_written_in_prometheus_text_form() {
    let metrics = ApiMetrics::new();
    metrics.count_request(&Method::GET, StatusCode::OK);
    metrics.count_request(&Method::GET, StatusCode::OK);
    metrics.count_request(
        &Method::from_bytes(b"BREW").expect("a method"),
        StatusCode::NOT_FOUND,
    );
    let reading = MetricsReading {
        apps: 3,
        dynos: vec![("up", 2), ("idle", 1)],
        log_lines: 9,
        ..MetricsReading::default()
    };
    let more: RegisterMetrics = Arc::new(|registry| {
        registry.register("more", "More bytes", ConstCounter::new(5_u64));
    });
    let text = metrics.to_text(&reading, &more);
    for line in [
        "# TYPE dyno_api_requests_total counter",
        "dyno_api_requests_total{method=\"GET\",status=\"200\"} 2",
        "dyno_api_requests_total{method=\"other\",status=\"404\"} 1",
        "# TYPE dyno_dynos gauge",
        "dyno_dynos{state=\"up\"} 2",
        "dyno_apps 3",
        "dyno_log_lines_total 9",
        "dyno_ledger_unavailable 0",
        "# HELP dyno_more_total More bytes.",
        "# TYPE dyno_more_total counter",
        "dyno_more_total 5",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains("EOF"));
}
