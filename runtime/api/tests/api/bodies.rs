//! Checks of bodies, queries and idempotency keys.

use crate::support::Server;
use crate::support::client::call;
use serde_json::json;

#[tokio::test]
async fn bodies_of_wrong_type_form_or_size_are_refused() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.admin);
    let post = |kind: &'static str, body: String| {
        let (server, bearer) = (&server, bearer.clone());
        async move {
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            call(server, "POST", "/v1/apps", &headers, body).await
        }
    };
    let good = r#"{"name":"hello"}"#.to_owned();
    post("text/plain", good.clone())
        .await
        .refused(415, "unsupported_media_type");
    post("", good.clone())
        .await
        .refused(415, "unsupported_media_type");
    for bad in [
        "",
        "{",
        "nonsense",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"hello\"} x",
    ] {
        post("application/json", bad.into())
            .await
            .refused(400, "bad_json");
    }
    // Nested deeper than any body of the API.
    let deep = format!("{{\"name\":{}", "[".repeat(10_000));
    post("application/json", deep)
        .await
        .refused(422, "invalid_body");
    for bad in [
        json!([]),
        json!(null),
        json!({}),
        json!(["hello"]),
        json!({"name": 7}),
        json!({"name": null}),
        json!({"name": "hello", "nmae": "x"}),
    ] {
        let message = post("application/json", bad.to_string())
            .await
            .refused(422, "invalid_body");
        assert!(!message.is_empty());
    }
    for bad in ["", "a", "Hello", "hello!", &"x".repeat(31)] {
        let body = json!({"name": bad}).to_string();
        post("application/json", body)
            .await
            .refused(422, "invalid_value");
    }
    let large = json!({"name": "x".repeat(128 * 1024)}).to_string();
    post("application/json", large)
        .await
        .refused(413, "too_large");
    post("application/json; charset=utf-8", good).await.ok(201);
}

#[tokio::test]
async fn a_request_with_an_idempotency_key_is_carried_out_once() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.admin);
    let post = |key: &str, path: &'static str, body: serde_json::Value| {
        let (server, bearer, key) = (&server, bearer.clone(), key.to_owned());
        async move {
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
                ("idempotency-key", key.as_str()),
            ];
            call(server, "POST", path, &headers, body.to_string()).await
        }
    };
    let first = post("one", "/v1/apps", json!({"name": "hello"}))
        .await
        .ok(201);
    let again = post("one", "/v1/apps", json!({"name": "hello"}))
        .await
        .ok(201);
    assert_eq!(first, again);
    post("two", "/v1/apps", json!({"name": "hello"}))
        .await
        .refused(409, "app_exists");
    let other = post("one", "/v1/apps", json!({"name": "other"})).await;
    other.refused(409, "idempotency_key_reused");
    let token = json!({"name": "ci", "role": "read"});
    post("three", "/v1/tokens", token.clone()).await.ok(201);
    post("three", "/v1/tokens", token)
        .await
        .refused(409, "created_before");
    for bad in ["", "with space", &"x".repeat(256)] {
        let answer = post(bad, "/v1/apps", json!({"name": "third"})).await;
        answer.refused(400, "bad_idempotency_key");
    }
    // The same key of another caller is a different key.
    let ci = server
        .token("ci", control::access::Role::Deploy, None)
        .await;
    let bearer = format!("Bearer {ci}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "one"),
    ];
    let body = json!({"name": "theirs"}).to_string();
    call(&server, "POST", "/v1/apps", &headers, body)
        .await
        .ok(201);
}

#[tokio::test]
async fn invalid_queries_are_refused() {
    let server = Server::start().await;
    server
        .post(&server.admin, "/v1/apps", &json!({"name": "hello"}))
        .await
        .ok(201);
    for query in [
        "/v1/apps?limit=0",
        "/v1/apps?limit=1001",
        "/v1/apps?limit=x",
        "/v1/apps?limt=1",
        "/v1/apps?limit=1&limit=2",
        "/v1/apps/hello/releases?after=x",
        "/v1/apps/hello/dynos?after=web.1",
        "/v1/apps/hello/logs?n=1501",
        "/v1/apps/hello/logs?n=-1",
        "/v1/apps/hello/logs?source=router",
        "/v1/apps/hello/logs?dyno=!",
        "/v1/apps/hello/logs?tail=perhaps",
        "/v1/apps/hello/usage?since=yesterday",
        "/v1/usage?until=2026-02-30",
    ] {
        server
            .get(&server.admin, query)
            .await
            .refused(400, "bad_query");
    }
}

#[tokio::test]
async fn every_error_response_is_json() {
    let server = Server::start().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/apps/",
        "/v1/nodes",
        "/v1/apps/hello/addons",
        "//",
        "/%ff",
    ] {
        server
            .get(&server.admin, path)
            .await
            .refused(404, "not_found");
    }
    for path in [
        "/v1/apps/%ff",
        "/v1/apps/..%2f..",
        "/v1/apps/x",
        "/v1/slugs/zz",
        "/v1/tokens/1",
    ] {
        let method = if path.contains("tokens") {
            "DELETE"
        } else {
            "GET"
        };
        let answer = server.json(&server.admin, method, path, &json!({})).await;
        answer.refused(404, "not_found");
    }
    let answer = server.delete(&server.admin, "/v1/account").await;
    answer.refused(405, "method_not_allowed");
    assert!(
        answer
            .header("allow")
            .is_some_and(|allow| allow.contains("GET"))
    );
}

#[tokio::test]
async fn errors_about_a_body_do_not_quote_the_body() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.admin);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let made = json!({"name": "hello"}).to_string();
    call(&server, "POST", "/v1/apps", &headers, made)
        .await
        .ok(201);
    for body in [
        json!("hidden-value"),
        json!({"KEY": ["hidden-value"]}),
        json!({"KEY": {"hidden-value": 1}}),
        json!({"KEY": 20_261_122}),
    ] {
        let path = "/v1/apps/hello/config-vars";
        let answer = call(&server, "PATCH", path, &headers, body.to_string()).await;
        let message = answer.refused(422, "invalid_body");
        assert!(message.contains("expected"), "{message}");
        let quoted = message.contains("hidden") || message.contains("20261122");
        assert!(!quoted, "{message}");
    }
}
