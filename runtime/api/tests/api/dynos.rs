//! The formation of an app, its dynos, and their usage.

use crate::support::{PATIENCE, Server, slug};
use serde_json::{Value, json};
use std::time::Duration;

const FORMATION: &str = "/v1/apps/hello/formation";
const DYNOS: &str = "/v1/apps/hello/dynos";

async fn deployed() -> Server {
    let server = Server::start().await;
    server
        .post(&server.admin, "/v1/apps", &json!({"name": "hello"}))
        .await
        .ok(201);
    let (id, bytes) = slug::handler("one");
    server
        .put(&server.admin, &format!("/v1/slugs/{id}"), bytes)
        .await
        .ok(201);
    server
        .post(
            &server.admin,
            "/v1/apps/hello/releases",
            &json!({"slug": id}),
        )
        .await
        .ok(201);
    server
        .get(&server.admin, "/v1/apps/hello/releases/v1?wait=20")
        .await
        .ok(200);
    server
}

/// Polls the list of dynos until `expected` holds, and returns it.
async fn until(server: &Server, expected: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let wait = async {
        loop {
            let page = server.get(&server.admin, DYNOS).await.ok(200);
            let dynos = page["items"].as_array().expect("items").clone();
            if expected(&dynos) {
                return dynos;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the dynos become so")
}

fn all_up(count: usize) -> impl Fn(&[Value]) -> bool {
    move |dynos| dynos.len() == count && dynos.iter().all(|dyno| dyno["state"] == "up")
}

#[tokio::test]
async fn scaling_changes_the_number_and_size_of_dynos() {
    let server = deployed().await;
    let one = json!({"type": "web", "quantity": 1, "memory": "128MiB", "kind": "handler"});
    let formation = server.get(&server.admin, FORMATION).await.ok(200);
    assert_eq!(formation, json!({"items": [one], "next": null}));
    let three = json!({"updates": [{"type": "web", "quantity": 3.0}]});
    let formation = server.patch(&server.admin, FORMATION, &three).await.ok(200);
    assert_eq!(formation["items"][0]["quantity"], 3);
    until(&server, all_up(3)).await;
    let larger = json!({"updates": [{"type": "web", "memory": "256MiB"}]});
    let answer = server.patch(&server.admin, FORMATION, &larger).await;
    assert_eq!(answer.header("x-dyno-release"), Some("v2"));
    let formation = answer.ok(200);
    assert_eq!(formation["items"][0]["memory"], "256MiB");
    let release = server
        .get(&server.admin, "/v1/apps/hello/releases/v2?wait=20")
        .await
        .ok(200);
    assert_eq!(release["processes"]["web"]["memory"], "256MiB");
    until(&server, |dynos| {
        all_up(3)(dynos) && dynos.iter().all(|d| d["release"] == "v2")
    })
    .await;
}

#[tokio::test]
async fn impossible_formations_are_refused() {
    let server = deployed().await;
    let refused = [
        (
            json!({"type": "worker", "quantity": 1}),
            404,
            "no_such_process",
        ),
        (
            json!({"type": "web", "quantity": 1001}),
            422,
            "invalid_value",
        ),
        (
            json!({"type": "web", "memory": "5GiB"}),
            422,
            "invalid_value",
        ),
        (
            json!({"type": "web", "memory": "lots"}),
            422,
            "invalid_value",
        ),
        (json!({"type": "Web!", "quantity": 1}), 422, "invalid_value"),
        (json!({"type": "web", "quantity": -1}), 422, "invalid_body"),
        (json!({"type": "web", "quantity": 1.5}), 422, "invalid_body"),
        (
            json!({"type": "web", "quantity": null}),
            422,
            "invalid_body",
        ),
        (json!({"quantity": 1}), 422, "invalid_body"),
        (json!({"type": "web", "size": "large"}), 422, "invalid_body"),
    ];
    for (update, status, id) in refused {
        let body = json!({"updates": [update]});
        server
            .patch(&server.admin, FORMATION, &body)
            .await
            .refused(status, id);
    }
    let list = json!({"updates": [["web", 1, null]]});
    server
        .patch(&server.admin, FORMATION, &list)
        .await
        .refused(422, "invalid_body");
    let twice =
        json!({"updates": [{"type": "web", "quantity": 1}, {"type": "web", "quantity": 2}]});
    server
        .patch(&server.admin, FORMATION, &twice)
        .await
        .refused(422, "invalid_value");
    server
        .post(&server.admin, "/v1/apps", &json!({"name": "blank"}))
        .await
        .ok(201);
    let web = json!({"updates": [{"type": "web", "quantity": 1}]});
    server
        .patch(&server.admin, "/v1/apps/blank/formation", &web)
        .await
        .refused(409, "no_release");
}

#[tokio::test]
async fn dynos_are_listed_restarted_and_stopped() {
    let server = deployed().await;
    let two = json!({"updates": [{"type": "web", "quantity": 2}]});
    server.patch(&server.admin, FORMATION, &two).await.ok(200);
    let mut dynos = until(&server, all_up(2)).await;
    let since = dynos[0]["since"].take();
    assert!(
        since.as_str().is_some_and(|at| at.ends_with('Z')),
        "{since}"
    );
    let expected = json!({
        "id": "web.1", "process": "web", "state": "up", "since": null, "for_s": dynos[0]["for_s"],
        "release": "v1", "node": "local",
    });
    assert_eq!(dynos[0], expected);
    let page = server
        .get(&server.admin, &format!("{DYNOS}?limit=1"))
        .await
        .ok(200);
    let next = page["next"].as_str().expect("a cursor");
    let page = server
        .get(&server.admin, &format!("{DYNOS}?limit=1&after={next}"))
        .await
        .ok(200);
    assert_eq!(
        (&page["items"][0]["id"], &page["next"]),
        (&json!("web.2"), &Value::Null)
    );
    server
        .post(&server.admin, &format!("{DYNOS}/web.2/stop"), &json!({}))
        .await
        .ok(204);
    until(&server, all_up(1)).await;
    server
        .delete(&server.admin, &format!("{DYNOS}/web.2"))
        .await
        .ok(204);
    until(&server, all_up(2)).await;
    server.delete(&server.admin, DYNOS).await.ok(204);
    until(&server, all_up(2)).await;
    for dyno in ["web.3", "web", "web.0", "worker.1"] {
        server
            .delete(&server.admin, &format!("{DYNOS}/{dyno}"))
            .await
            .refused(404, "not_found");
    }
    server
        .post(&server.admin, &format!("{DYNOS}/web.3/stop"), &json!({}))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn usage_is_grouped_by_process_type_and_size() {
    let server = deployed().await;
    let usage = server
        .get(&server.admin, "/v1/apps/hello/usage")
        .await
        .ok(200);
    assert_eq!(usage["app"], "hello");
    assert!(
        usage["since"]
            .as_str()
            .is_some_and(|at| at.ends_with("-01T00:00:00Z")),
        "{usage}"
    );
    let items = usage["items"].as_array().expect("items");
    assert_eq!(
        (&items[0]["process"], &items[0]["memory"]),
        (&json!("web"), &json!("128MiB"))
    );
    assert_eq!(usage["price"], json!({"currency": "USD", "amount": "0.00"}));
    let all = server
        .get(&server.admin, "/v1/usage?since=2020-01-01")
        .await
        .ok(200);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1));
    let past = "/v1/apps/hello/usage?since=2020-01-01&until=2020-01-02T00:00:00Z";
    let past = server.get(&server.admin, past).await.ok(200);
    assert_eq!(
        (&past["items"], &past["until"]),
        (&json!([]), &json!("2020-01-02T00:00:00Z"))
    );
}
