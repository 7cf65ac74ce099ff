//! Apps and their host names.

use crate::support::Server;
use crate::support::client::call;
use serde_json::{Value, json};

async fn server_with(apps: &[&str]) -> Server {
    let server = Server::start().await;
    for app in apps {
        server
            .post(&server.admin, "/v1/apps", &json!({"name": app}))
            .await
            .ok(201);
    }
    server
}

/// Changes with wrong values or wrong fields are refused.
async fn assert_bad_changes_are_refused(server: &Server) {
    for bad in [
        json!({"timeout": "0s"}),
        json!({"timeout": "11m"}),
        json!({"timeout": "soon"}),
        json!({"idle_after": "31d"}),
    ] {
        server
            .patch(&server.admin, "/v1/apps/hello", &bad)
            .await
            .refused(422, "invalid_value");
    }
    for bad in [
        json!({"maintenance": null}),
        json!({"maintenance": "on"}),
        json!({"name": "x"}),
    ] {
        server
            .patch(&server.admin, "/v1/apps/hello", &bad)
            .await
            .refused(422, "invalid_body");
    }
}

#[tokio::test]
async fn an_app_is_created_shown_changed_and_destroyed() {
    let server = server_with(&["hello"]).await;
    let app = server.get(&server.admin, "/v1/apps/hello").await.ok(200);
    let created = app["created_at"].as_str().expect("a time");
    assert!(created.ends_with('Z') && created.len() == 24, "{created}");
    let mut expected = json!({
        "name": "hello", "url": "http://hello.localhost:8080/", "hostnames": ["hello.localhost"],
        "maintenance": false, "timeout_ms": null, "idle_after": null, "release": null, "newest": null,
        "formation": {}, "created_by": "admin",
    });
    expected["created_at"] = created.into();
    assert_eq!(app, expected);
    server
        .post(&server.admin, "/v1/apps", &json!({"name": "hello"}))
        .await
        .refused(409, "app_exists");
    let changes = json!({"maintenance": true, "timeout": "90s", "idle_after": "off"});
    let app = server
        .patch(&server.admin, "/v1/apps/hello", &changes)
        .await
        .ok(200);
    assert_eq!(
        (&app["maintenance"], &app["timeout_ms"], &app["idle_after"]),
        (&json!(true), &json!(90_000), &json!("off"))
    );
    let app = server
        .patch(
            &server.admin,
            "/v1/apps/hello",
            &json!({"idle_after": "30m"}),
        )
        .await
        .ok(200);
    assert_eq!(
        (&app["timeout_ms"], &app["idle_after"]),
        (&json!(90_000), &json!("30m"))
    );
    let app = server
        .patch(
            &server.admin,
            "/v1/apps/hello",
            &json!({"timeout": null, "idle_after": null}),
        )
        .await
        .ok(200);
    assert_eq!(
        (&app["timeout_ms"], &app["idle_after"]),
        (&Value::Null, &Value::Null)
    );
    assert_bad_changes_are_refused(&server).await;
    server.delete(&server.admin, "/v1/apps/hello").await.ok(204);
    server
        .get(&server.admin, "/v1/apps/hello")
        .await
        .refused(404, "not_found");
    server
        .delete(&server.admin, "/v1/apps/hello")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = server_with(&["one", "two", "three"]).await;
    let mut seen = Vec::new();
    let mut path = "/v1/apps?limit=2".to_owned();
    loop {
        let page = server.get(&server.admin, &path).await.ok(200);
        let items = page["items"].as_array().expect("items").clone();
        seen.extend(
            items
                .iter()
                .map(|app| app["name"].as_str().expect("a name").to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/apps?limit=2&after={next}");
    }
    assert_eq!(seen, ["one", "three", "two"]);
}

#[tokio::test]
async fn a_hostname_belongs_to_one_app_only() {
    let server = server_with(&["hello", "other"]).await;
    let path = "/v1/apps/hello/domains";
    let add = |hostname: &str| json!({"hostname": hostname});
    let made = server
        .post(&server.admin, path, &add("WWW.Example.com"))
        .await
        .ok(201);
    assert_eq!(made, json!({"hostname": "www.example.com"}));
    let list = server.get(&server.admin, path).await.ok(200);
    let expected = json!({"items": [{"hostname": "hello.localhost"}, {"hostname": "www.example.com"}], "next": null});
    assert_eq!(list, expected);
    let taken = server
        .post(
            &server.admin,
            "/v1/apps/other/domains",
            &add("www.example.com"),
        )
        .await;
    let message = taken.refused(409, "hostname_taken");
    assert!(
        !message.contains("hello"),
        "whose it is stays unknown: {message}"
    );
    for reserved in ["localhost", "other.localhost", "later.localhost"] {
        server
            .post(&server.admin, path, &add(reserved))
            .await
            .refused(409, "hostname_reserved");
    }
    server
        .post(&server.admin, path, &add("a.b.localhost"))
        .await
        .ok(201);
    for bad in ["", "127.0.0.1", "a b", "x_y", "-a"] {
        server
            .post(&server.admin, path, &add(bad))
            .await
            .refused(422, "invalid_value");
    }
    let one = format!("{path}/www.example.com");
    server.delete(&server.admin, &one).await.ok(204);
    server
        .delete(&server.admin, &one)
        .await
        .refused(404, "not_found");
    let own = format!("{path}/hello.localhost");
    server
        .delete(&server.admin, &own)
        .await
        .refused(409, "default_domain");
}

#[tokio::test]
async fn health_readiness_and_metrics_need_no_token() {
    let server = server_with(&["hello"]).await;
    assert_eq!(call(&server, "GET", "/healthz", &[], "").await.text, "ok\n");
    let ready = call(&server, "GET", "/readyz", &[], "").await.ok(200);
    assert_eq!(ready, json!({"ready": true, "reason": null}));
    server.ready.send(false).expect("a receiver");
    let ready = call(&server, "GET", "/readyz", &[], "").await.ok(503);
    assert_eq!(ready["ready"], json!(false));
    let metrics = call(&server, "GET", "/metrics", &[], "").await;
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        "dyno_apps 1",
        "dyno_more 1",
        "dyno_api_requests_total{method=\"POST\",status=\"201\"} 1",
    ] {
        assert!(
            metrics.text.lines().any(|found| found == line),
            "{line}: {}",
            metrics.text
        );
    }
    assert!(!metrics.text.contains("hello"));
}
