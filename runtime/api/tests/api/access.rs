//! Roles and tokens: which requests are allowed, and what other apps' tokens can see.

use crate::addons::offering;
use crate::support::client::call;
use crate::support::{Server, slug};
use control::access::Role;
use serde_json::{Value, json};
use testkit::servers::Memcached;

/// Requests, and the least role that each needs. Requests of `admin` come last, because they remove things.
const REQUESTS: [(&str, &str, &str, Role); 31] = [
    ("GET", "/v1/server", "", Role::Read),
    ("GET", "/v1/account", "", Role::Read),
    ("GET", "/v1/apps", "", Role::Read),
    ("GET", "/v1/apps/hello", "", Role::Read),
    ("GET", "/v1/apps/hello/releases", "", Role::Read),
    ("GET", "/v1/apps/hello/releases/v1", "", Role::Read),
    ("GET", "/v1/apps/hello/formation", "", Role::Read),
    ("GET", "/v1/apps/hello/dynos", "", Role::Read),
    ("GET", "/v1/apps/hello/logs", "", Role::Read),
    ("GET", "/v1/apps/hello/usage", "", Role::Read),
    ("GET", "/v1/apps/hello/domains", "", Role::Read),
    ("GET", "/v1/apps/hello/addons", "", Role::Read),
    ("GET", "/v1/usage", "", Role::Read),
    ("GET", "/v1/slugs", "", Role::Read),
    ("GET", "/v1/apps/hello/config-vars", "", Role::Deploy),
    ("PATCH", "/v1/apps/hello", "{}", Role::Deploy),
    (
        "POST",
        "/v1/apps/hello/releases",
        r#"{"rollback":"v1"}"#,
        Role::Deploy,
    ),
    (
        "PATCH",
        "/v1/apps/hello/config-vars",
        r#"{"A":"1"}"#,
        Role::Deploy,
    ),
    (
        "PATCH",
        "/v1/apps/hello/formation",
        r#"{"updates":[]}"#,
        Role::Deploy,
    ),
    ("DELETE", "/v1/apps/hello/dynos", "", Role::Deploy),
    ("DELETE", "/v1/apps/hello/dynos/web.1", "", Role::Deploy),
    ("POST", "/v1/apps/hello/dynos/web.1/stop", "", Role::Deploy),
    (
        "POST",
        "/v1/apps/hello/dynos",
        r#"{"command":["task"],"attach":true}"#,
        Role::Deploy,
    ),
    ("PUT", "/v1/apps/hello/dynos/run.1/input", "", Role::Deploy),
    ("GET", "/v1/apps/hello/dynos/run.1/output", "", Role::Deploy),
    (
        "POST",
        "/v1/apps/hello/domains",
        r#"{"hostname":"a.example"}"#,
        Role::Deploy,
    ),
    (
        "POST",
        "/v1/apps/hello/addons",
        r#"{"service":"memcached","name":"cache"}"#,
        Role::Deploy,
    ),
    ("DELETE", "/v1/apps/hello/addons/cache", "", Role::Deploy),
    ("GET", "/v1/tokens", "", Role::Admin),
    (
        "POST",
        "/v1/tokens",
        r#"{"name":"x","role":"read"}"#,
        Role::Admin,
    ),
    ("DELETE", "/v1/apps/hello", "", Role::Admin),
];

async fn with_hello(cache: &Memcached) -> Server {
    let server = Server::start_with(offering(cache)).await;
    let (id, bytes) = slug::with_task("hello");
    server
        .put(&server.admin, &format!("/v1/slugs/{id}"), bytes)
        .await
        .ok(201);
    for app in ["hello", "other"] {
        server
            .post(&server.admin, "/v1/apps", &json!({"name": app}))
            .await
            .ok(201);
        let path = format!("/v1/apps/{app}/releases");
        server
            .post(&server.admin, &path, &json!({"slug": id}))
            .await
            .ok(201);
        server
            .get(&server.admin, &format!("{path}/v1?wait=20"))
            .await
            .ok(200);
    }
    server
}

async fn request(server: &Server, token: &str, (method, path, body): (&str, &str, &str)) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    call(server, method, path, &headers, body.to_owned())
        .await
        .status
}

#[tokio::test]
async fn each_role_is_limited_to_its_routes() {
    let cache = Memcached::start();
    let server = with_hello(&cache).await;
    for role in [Role::Read, Role::Deploy, Role::Admin] {
        let token = server.token("someone", role, None).await;
        for (method, path, body, needed) in REQUESTS {
            // No two one-offs have the same name.
            let own = if role == Role::Admin {
                "run.2"
            } else {
                "run.1"
            };
            let path = &path.replace("run.1", own);
            let status = request(&server, &token, (method, path, body)).await;
            let context = format!("{role} {method} {path}: {status}");
            if role >= needed {
                assert!((200..300).contains(&status), "{context}");
            } else {
                assert_eq!(status, 403, "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_of_one_app_sees_no_other_app() {
    let cache = Memcached::start();
    let server = with_hello(&cache).await;
    for role in [Role::Read, Role::Deploy, Role::Admin] {
        let token = server.token("theirs", role, Some("other")).await;
        for (method, path, body, _) in REQUESTS.into_iter().filter(|r| r.1.contains("/hello")) {
            let status = request(&server, &token, (method, path, body)).await;
            assert_eq!(status, 404, "{role} {method} {path}");
            // The answer for an app that does not exist is the same.
            let path = path.replace("hello", "nothing");
            assert_eq!(request(&server, &token, (method, &path, body)).await, 404);
        }
        let names = |json: Value, key: &str| -> Vec<String> {
            let items = json["items"].as_array().expect("items").iter();
            items
                .map(|item| item[key].as_str().expect("a name").to_owned())
                .collect()
        };
        let apps = server.get(&token, "/v1/apps").await.ok(200);
        assert_eq!(names(apps, "name"), ["other"]);
        let usage = server.get(&token, "/v1/usage").await.ok(200);
        assert!(names(usage, "app").iter().all(|app| app == "other"));
        let account = server.get(&token, "/v1/account").await.ok(200);
        assert_eq!(
            account,
            json!({"name": "theirs", "role": role.to_string(), "app": "other"})
        );
        for path in ["/v1/tokens", "/v1/apps"] {
            let body = json!({"name": "further", "role": "read"});
            let body = if path == "/v1/apps" {
                json!({"name": "further"})
            } else {
                body
            };
            server
                .post(&token, path, &body)
                .await
                .refused(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn a_token_of_an_app_can_create_and_deploy_that_app() {
    let server = Server::start().await;
    let token = server.token("ci", Role::Deploy, Some("mine")).await;
    let app = server
        .post(&token, "/v1/apps", &json!({"name": "mine"}))
        .await
        .ok(201);
    assert_eq!(app["created_by"], "ci");
    let (id, bytes) = slug::handler("mine");
    let path = format!("/v1/slugs/{id}");
    server.get(&token, &path).await.refused(404, "not_found");
    server.put(&token, &path, bytes).await.ok(201);
    let release = server
        .post(&token, "/v1/apps/mine/releases", &json!({"slug": id}))
        .await
        .ok(201);
    assert_eq!(release["created_by"], "ci");
    server.get(&token, &path).await.ok(200);
    let slugs = server.get(&token, "/v1/slugs").await.ok(200);
    assert_eq!(slugs["items"].as_array().map(Vec::len), Some(1));
    server
        .delete(&token, "/v1/apps/mine")
        .await
        .refused(403, "forbidden");
}

#[tokio::test]
async fn requests_without_a_valid_token_are_refused() {
    let server = Server::start().await;
    for (method, path, body, _) in REQUESTS {
        let json = [("content-type", "application/json")];
        let answer = call(&server, method, path, &json, body).await;
        answer.refused(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    for odd in ["", "Bearer", "Basic YTpi", "Bearer x y", "dyno_x"] {
        let answer = call(&server, "GET", "/v1/account", &[("authorization", odd)], "").await;
        answer.refused(401, "unauthorized");
    }
    for open in ["/healthz", "/readyz", "/metrics", "/v1/openapi.json"] {
        assert_eq!(
            call(&server, "GET", open, &[], "").await.status,
            200,
            "{open}"
        );
    }
}

#[tokio::test]
async fn too_many_wrong_tokens_are_refused_while_valid_tokens_pass() {
    let server = Server::start().await;
    for _ in 0..60 {
        server
            .get("dyno_wrong", "/v1/account")
            .await
            .refused(401, "unauthorized");
    }
    let answer = server.get("dyno_wrong", "/v1/account").await;
    answer.refused(429, "too_many_failures");
    let wait: u64 = answer
        .header("retry-after")
        .expect("a header")
        .parse()
        .expect("a number");
    assert!((1..=60).contains(&wait));
    server.get(&server.admin, "/v1/account").await.ok(200);
}

#[tokio::test]
async fn tokens_are_created_shown_once_and_revoked() {
    let server = Server::start().await;
    let wanted = json!({"name": "ci", "role": "deploy", "app": "hello"});
    let made = server
        .post(&server.admin, "/v1/tokens", &wanted)
        .await
        .ok(201);
    let secret = made["token"].as_str().expect("a secret").to_owned();
    assert!(
        secret.starts_with("dyno_") && secret.len() == 48,
        "{secret}"
    );
    assert_eq!(made["created_by"], "admin");
    let answer = server.get(&secret, "/v1/account").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let account = answer.ok(200);
    assert_eq!(
        account,
        json!({"name": "ci", "role": "deploy", "app": "hello"})
    );
    let list = server.get(&server.admin, "/v1/tokens").await;
    assert!(!list.text.contains(&secret) && !list.text.contains("hash"));
    let items = list.ok(200)["items"].as_array().expect("items").clone();
    assert_eq!(items.len(), 2);
    let path = format!("/v1/tokens/{}", made["id"].as_str().expect("an id"));
    server.delete(&server.admin, &path).await.ok(204);
    server
        .delete(&server.admin, &path)
        .await
        .refused(404, "not_found");
    server
        .get(&secret, "/v1/account")
        .await
        .refused(401, "unauthorized");
    let own = items
        .iter()
        .find(|item| item["name"] == "admin")
        .expect("a token");
    let path = format!("/v1/tokens/{}", own["id"].as_str().expect("an id"));
    server
        .delete(&server.admin, &path)
        .await
        .refused(409, "last_admin");
    for bad in [
        json!({"name": "", "role": "read"}),
        json!({"name": "x", "role": "king"}),
        json!({"name": "x", "role": "read", "app": null}),
        json!({"name": "x", "role": "read", "app": "A!"}),
        json!({"name": "a\nb", "role": "read"}),
    ] {
        assert_eq!(
            server.post(&server.admin, "/v1/tokens", &bad).await.status,
            422,
            "{bad}"
        );
    }
}
