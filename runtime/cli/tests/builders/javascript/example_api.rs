//! The example `api-ts`, used as its README says.

use serde_json::{Value, json};
use testkit::{DynoProcess, ExampleApp, HttpReply};

fn json(reply: &HttpReply) -> Value {
    assert_eq!(
        reply.header("content-type"),
        Some("application/json"),
        "{reply:?}"
    );
    serde_json::from_slice(&reply.body).unwrap()
}

fn send(local: &DynoProcess, method: &str, path: &str, body: &str) -> HttpReply {
    local.request(
        method,
        path,
        &["Content-Type: application/json"],
        body.as_bytes(),
    )
}

#[test]
fn tasks_are_created_read_changed_and_deleted() {
    let local = ExampleApp::copy_from_repository("api-ts").build_and_start();
    assert_eq!(json(&local.get("/"))["tasks"], "/tasks");
    assert_eq!(json(&local.get("/tasks")), json!({"tasks": []}));
    let made = send(&local, "POST", "/tasks", r#"{"title":" buy milk "}"#);
    assert_eq!((made.status, made.header("x-dyno")), (201, Some("web.1")));
    let task = json(&made);
    assert_eq!(
        (&task["title"], &task["done"]),
        (&json!("buy milk"), &json!(false))
    );
    let place = made.header("location").unwrap().to_owned();
    assert_eq!(place, format!("/tasks/{}", task["id"].as_str().unwrap()));
    assert_eq!(json(&local.get(&place)), task);
    let changed = send(
        &local,
        "PUT",
        &place,
        r#"{"title":"bought milk","done":true}"#,
    );
    assert_eq!(
        (changed.status, &json(&changed)["done"]),
        (200, &json!(true))
    );
    assert_eq!(json(&local.get("/tasks?done=false")), json!({"tasks": []}));
    let done = json(&local.get("/tasks?done=true"));
    assert_eq!(done["tasks"][0]["title"], "bought milk");
    assert_eq!(send(&local, "DELETE", &place, "").status, 204);
    assert_eq!(local.get(&place).status, 404);
    assert!(local.stop().success());
}

#[test]
fn invalid_requests_are_refused() {
    let local = ExampleApp::copy_from_repository("api-ts").build_and_start();
    let refused = [
        ("not json", 400, "must be JSON"),
        ("[]", 422, "object with a title"),
        ("{}", 422, "not empty"),
        (r#"{"title":"x","owner":"me"}"#, 422, "no \"owner\""),
        (r#"{"title":"x","done":"yes"}"#, 422, "true or false"),
    ];
    for (body, status, text) in refused {
        let reply = send(&local, "POST", "/tasks", body);
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        let error = json(&reply)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(text), "{body}: {error}");
    }
    let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(201));
    assert_eq!(send(&local, "POST", "/tasks", &long).status, 422);
    assert_eq!(local.get("/tasks?done=maybe").status, 400);
    assert_eq!(local.get("/elsewhere").status, 404);
    assert_eq!(json(&local.get("/tasks")), json!({"tasks": []}));
    assert!(local.stop().success());
}
