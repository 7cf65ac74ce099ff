//! The API answers only at its own host names. A web page whose name resolves to the server (DNS rebinding) can read
//! nothing.

use crate::support::Server;
use crate::support::client::{call_at, call_at_in};
use hyper::Version;

#[tokio::test]
async fn dns_rebinding_reads_nothing_of_any_route() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.admin);
    let headers = [("authorization", bearer.as_str())];
    for path in [
        "/metrics",
        "/healthz",
        "/readyz",
        "/v1/openapi.json",
        "/v1/apps",
    ] {
        let answer = call_at(&server, "evil.example:8081", path, &headers).await;
        let message = answer.refused(421, "misdirected_request");
        assert!(message.contains("--api-domain evil.example"), "{message}");
    }
}

#[tokio::test]
async fn only_own_host_names_are_answered_over_http1_and_http2() {
    let server = Server::start().await;
    let own = format!("{}", server.address);
    for host in [
        "localhost",
        "api.localhost:80",
        "127.0.0.1",
        "[::1]:1",
        &own,
    ] {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let status = call_at_in(&server, version, host, "/metrics").await;
            assert_eq!(status, 200, "{version:?} {host}");
        }
    }
    for host in ["hello.localhost", "192.0.2.1", "evil.example"] {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let status = call_at_in(&server, version, host, "/metrics").await;
            assert_eq!(status, 421, "{version:?} {host}");
        }
    }
}

#[tokio::test]
async fn host_names_of_a_proxy_are_allowed_by_a_setting() {
    let server = Server::start_behind(&["deploy.example.com", "203.0.113.7"]).await;
    for (host, expected) in [
        ("deploy.example.com", 200),
        ("Deploy.Example.COM:443", 200),
        ("203.0.113.7", 200),
        ("example.com", 421),
    ] {
        let status = call_at_in(&server, Version::HTTP_11, host, "/healthz").await;
        assert_eq!(status, expected, "{host}");
    }
}
