//! Releases: create, wait, plan, roll back; and config vars, whose changes make releases.

use crate::support::{Server, slug};
use control::access::Role;
use serde_json::{Value, json};

const RELEASES: &str = "/v1/apps/hello/releases";
const CONFIG: &str = "/v1/apps/hello/config-vars";

async fn with_slug(made: (String, Vec<u8>)) -> (Server, String) {
    let server = Server::start().await;
    server
        .post(&server.admin, "/v1/apps", &json!({"name": "hello"}))
        .await
        .ok(201);
    let (id, bytes) = made;
    server
        .put(&server.admin, &format!("/v1/slugs/{id}"), bytes)
        .await
        .ok(201);
    (server, id)
}

/// Waits for the outcome of a release.
async fn outcome(server: &Server, version: &str) -> Value {
    server
        .get(&server.admin, &format!("{RELEASES}/{version}?wait=20"))
        .await
        .ok(200)
}

#[tokio::test]
async fn a_slug_becomes_a_release_that_serves() {
    let (server, id) = with_slug(slug::handler("one")).await;
    let made = server
        .post(
            &server.admin,
            RELEASES,
            &json!({"slug": id, "description": "first"}),
        )
        .await
        .ok(201);
    assert_eq!(
        (&made["version"], &made["warnings"]),
        (&json!("v1"), &json!([]))
    );
    let mut release = outcome(&server, "v1").await;
    let created = release["created_at"].take();
    assert!(
        created.as_str().is_some_and(|at| at.len() == 24),
        "{created}"
    );
    let expected = json!({
        "version": "v1", "status": "serving", "reason": null, "description": "first", "slug": id,
        "created_at": null, "created_by": "admin", "config_names": [],
        "processes": {"web": {"kind": "handler", "memory": "128MiB", "timeout": "30s"}},
    });
    assert_eq!(release, expected);
    let app = server.get(&server.admin, "/v1/apps/hello").await.ok(200);
    assert_eq!(
        (&app["release"], &app["newest"], &app["formation"]),
        (&json!("v1"), &json!("v1"), &json!({"web": 1}))
    );
    server
        .get(&server.admin, &format!("{RELEASES}/v2"))
        .await
        .refused(404, "not_found");
    server
        .get(&server.admin, &format!("{RELEASES}/1"))
        .await
        .refused(404, "not_found");
    server
        .get(&server.admin, &format!("{RELEASES}/v1?wait=61"))
        .await
        .refused(400, "bad_query");
}

#[tokio::test]
async fn a_failed_release_has_a_reason_and_the_old_release_serves() {
    let (server, id) = with_slug(slug::handler("one")).await;
    server
        .post(&server.admin, RELEASES, &json!({"slug": id}))
        .await
        .ok(201);
    assert_eq!(outcome(&server, "v1").await["status"], "serving");
    server
        .broken
        .lock()
        .expect("no panic")
        .insert("hello".parse().expect("a name"));
    server
        .post(&server.admin, RELEASES, &json!({"slug": id}))
        .await
        .ok(201);
    let failed = outcome(&server, "v2").await;
    assert_eq!(failed["status"], "failed");
    assert!(
        failed["reason"]
            .as_str()
            .expect("a reason")
            .contains("it fell over"),
        "{failed}"
    );
    let list = server.get(&server.admin, RELEASES).await.ok(200);
    let list = list["items"].as_array().expect("items");
    let states: Vec<_> = list
        .iter()
        .map(|r| (r["version"].as_str(), r["status"].as_str()))
        .collect();
    assert_eq!(
        states,
        [(Some("v2"), Some("failed")), (Some("v1"), Some("serving"))]
    );
}

#[tokio::test]
async fn a_release_of_a_missing_slug_is_refused_with_the_upload_route() {
    let (server, _) = with_slug(slug::handler("one")).await;
    let missing = format!("sha256:{}", "0".repeat(64));
    let message = server
        .post(&server.admin, RELEASES, &json!({"slug": missing}))
        .await
        .refused(404, "slug_missing");
    assert!(message.contains("PUT /v1/slugs/0000"), "{message}");
    for bad in [
        json!({}),
        json!({"slug": "latest"}),
        json!({"slug": missing, "rollback": "v1"}),
        json!({"rollback": "1"}),
        json!({"rollback": "v1", "description": "x"}),
        json!({"slug": missing, "description": "two\nlines"}),
        json!({"slug": missing, "description": "x".repeat(501)}),
    ] {
        server
            .post(&server.admin, RELEASES, &bad)
            .await
            .refused(422, "invalid_value");
    }
    server
        .post(&server.admin, RELEASES, &json!({"rollback": "v7"}))
        .await
        .refused(404, "no_such_release");
    server
        .post(
            &server.admin,
            "/v1/apps/nothing/releases",
            &json!({"slug": missing}),
        )
        .await
        .refused(404, "not_found");
    let list = server.get(&server.admin, RELEASES).await.ok(200);
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn a_server_component_can_be_the_web_process() {
    let (server, id) = with_slug(slug::listener()).await;
    let made = server
        .post(&server.admin, RELEASES, &json!({"slug": id}))
        .await
        .ok(201);
    assert_eq!(made["processes"]["web"]["kind"], "server");
    assert_eq!(outcome(&server, "v1").await["status"], "serving");
}

#[tokio::test]
async fn only_the_first_release_warns_of_process_types_without_dynos_and_sets_defaults() {
    let (server, id) = with_slug(slug::with_worker()).await;
    let made = server
        .post(&server.admin, RELEASES, &json!({"slug": id}))
        .await
        .ok(201);
    let warnings = made["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 2, "{made}");
    assert!(
        warnings[1]
            .as_str()
            .expect("text")
            .ends_with("start one with `dyno ps scale worker=1`")
    );
    assert!(warnings[0].as_str().expect("text").contains("NEEDED"));
    assert_eq!(made["processes"].as_object().map(|all| all.len()), Some(2));
    assert_eq!(
        server.get(&server.admin, CONFIG).await.ok(200),
        json!({"GREETING": "hi"})
    );
    outcome(&server, "v1").await;
    server
        .patch(
            &server.admin,
            CONFIG,
            &json!({"GREETING": null, "NEEDED": "x"}),
        )
        .await
        .ok(200);
    let made = server
        .post(&server.admin, RELEASES, &json!({"slug": id}))
        .await
        .ok(201);
    assert_eq!(made["warnings"], json!([]));
    assert_eq!(
        made["config_names"],
        json!(["NEEDED"]),
        "what its owner removed stays away"
    );
}

/// The steps of a plan from v2 to v3 start the new dynos first.
fn assert_new_dynos_serve_before_old_ones_drain(steps: &Value) {
    let steps: Vec<&str> = steps
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let position = |wanted: &str| steps.iter().position(|step| step.contains(wanted));
    assert!(
        position("fetch v3") < position("start web.1 of v3"),
        "{steps:?}"
    );
    assert!(
        position("send requests to v3") < position("drain web.1 of v2"),
        "{steps:?}"
    );
}

#[tokio::test]
async fn a_plan_lists_all_changes_and_makes_none() {
    let (server, one) = with_slug(slug::handler("one")).await;
    let plan = server
        .post(
            &server.admin,
            &format!("{RELEASES}?plan=true"),
            &json!({"slug": one}),
        )
        .await
        .ok(200);
    assert_eq!(
        (&plan["version"], &plan["slug"]),
        (&json!("v1"), &json!({"from": null, "to": one}))
    );
    assert_eq!(plan["files"]["added"], json!(["notes.txt", "web.wasm"]));
    server
        .post(&server.admin, RELEASES, &json!({"slug": one}))
        .await
        .ok(201);
    outcome(&server, "v1").await;
    server
        .patch(&server.admin, CONFIG, &json!({"A": "secret-value"}))
        .await
        .ok(200);
    outcome(&server, "v2").await;
    let (two, bytes) = slug::handler("two");
    server
        .put(&server.admin, &format!("/v1/slugs/{two}"), bytes)
        .await
        .ok(201);
    let before = server.get(&server.admin, RELEASES).await.text;
    let mut plan = server
        .post(
            &server.admin,
            &format!("{RELEASES}?plan=true"),
            &json!({"slug": two}),
        )
        .await
        .ok(200);
    let steps = plan["steps"].take();
    assert_new_dynos_serve_before_old_ones_drain(&steps);
    let same = json!({"added": [], "removed": [], "changed": []});
    let expected = json!({
        "version": "v3", "description": "Deploy", "slug": {"from": one, "to": two}, "config": same,
        "processes": same, "files": {"added": [], "removed": [], "changed": ["notes.txt"]}, "steps": null,
    });
    assert_eq!(plan, expected);
    let back = server
        .post(
            &server.admin,
            &format!("{RELEASES}?plan=true"),
            &json!({"rollback": "v1"}),
        )
        .await;
    assert!(!back.text.contains("secret-value"));
    assert_eq!(back.ok(200)["config"]["removed"], json!(["A"]));
    assert_eq!(server.get(&server.admin, RELEASES).await.text, before);
}

#[tokio::test]
async fn a_rollback_is_a_new_release_of_old_slug_and_config() {
    let (server, one) = with_slug(slug::handler("one")).await;
    server
        .post(&server.admin, RELEASES, &json!({"slug": one}))
        .await
        .ok(201);
    outcome(&server, "v1").await;
    server
        .patch(&server.admin, CONFIG, &json!({"A": "1"}))
        .await
        .ok(200);
    outcome(&server, "v2").await;
    let made = server
        .post(&server.admin, RELEASES, &json!({"rollback": "v1"}))
        .await
        .ok(201);
    assert_eq!(
        (&made["version"], &made["description"]),
        (&json!("v3"), &json!("Rollback to v1"))
    );
    assert_eq!(outcome(&server, "v3").await["status"], "serving");
    assert_eq!(outcome(&server, "v2").await["status"], "retired");
    assert_eq!(server.get(&server.admin, CONFIG).await.ok(200), json!({}));
}

#[tokio::test]
async fn config_changes_make_releases_and_values_appear_nowhere_else() {
    let (server, id) = with_slug(slug::handler("one")).await;
    server
        .post(&server.admin, RELEASES, &json!({"slug": id}))
        .await
        .ok(201);
    let value = "hunter2-hunter2";
    let answer = server
        .patch(&server.admin, CONFIG, &json!({"A": value, "B": ""}))
        .await;
    assert_eq!(answer.header("x-dyno-release"), Some("v2"));
    assert_eq!(answer.ok(200), json!({"A": value, "B": ""}));
    let same = server
        .patch(&server.admin, CONFIG, &json!({"A": value, "C": null}))
        .await;
    assert_eq!(
        (same.header("x-dyno-release"), same.status),
        (None, 200),
        "nothing changed"
    );
    for (bad, status) in [
        (json!({"1A": "x"}), 422),
        (json!({"A-B": "x"}), 422),
        (json!({"A": format!("{value}\0")}), 422),
        (json!({"A": 7}), 422),
        (json!({"A": value.repeat(5_000)}), 422),
        (json!({"A": value.repeat(20_000)}), 413),
        (json!([value]), 422),
    ] {
        let answer = server.patch(&server.admin, CONFIG, &bad).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(!answer.text.contains(value), "{}", answer.text);
    }
    let read = server.token("look", Role::Read, None).await;
    for path in [
        RELEASES,
        "/v1/apps/hello",
        "/v1/apps/hello/logs?n=1500",
        "/v1/apps/hello/releases/v2",
    ] {
        let text = server.get(&read, path).await.text;
        assert!(!text.contains(value), "{path}: {text}");
    }
    server.get(&read, CONFIG).await.refused(403, "forbidden");
}
