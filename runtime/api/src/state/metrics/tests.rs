//! Tests of the metrics as Prometheus reads them.

use super::*;

#[test]
fn numbers_come_in_the_plain_text_form() {
    let metrics = Metrics::new();
    metrics.request(&Method::GET, StatusCode::OK);
    metrics.request(&Method::GET, StatusCode::OK);
    metrics.request(
        &Method::from_bytes(b"BREW").expect("a method"),
        StatusCode::NOT_FOUND,
    );
    let reading = Reading {
        apps: 3,
        dynos: vec![("up", 2), ("idle", 1)],
        log_lines: 9,
        ..Reading::default()
    };
    let text = metrics.text(&reading);
    for line in [
        "# TYPE dyno_api_requests_total counter",
        "dyno_api_requests_total{method=\"GET\",status=\"200\"} 2",
        "dyno_api_requests_total{method=\"other\",status=\"404\"} 1",
        "# TYPE dyno_dynos gauge",
        "dyno_dynos{state=\"up\"} 2",
        "dyno_apps 3",
        "dyno_log_lines_total 9",
        "dyno_ledger_unavailable 0",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains("EOF"));
}
