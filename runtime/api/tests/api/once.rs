//! One-off dynos over the API: which commands may run, who gets the output, and what a disconnect does.

use crate::support::client::{call, send};
use crate::support::{PATIENCE, Server, slug};
use control::access::Role;
use control::once::frame::{self, OutputFrame};
use grid::protocol::ProcessExit;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

const DYNOS: &str = "/v1/apps/hello/dynos";

async fn deployed() -> Server {
    let server = Server::start().await;
    let admin = &server.admin;
    let app = json!({"name": "hello"});
    server.post(admin, "/v1/apps", &app).await.ok(201);
    let (id, bytes) = slug::with_task("one");
    let path = format!("/v1/slugs/{id}");
    server.put(admin, &path, bytes).await.ok(201);
    let releases = "/v1/apps/hello/releases";
    server
        .post(admin, releases, &json!({"slug": id}))
        .await
        .ok(201);
    server
        .get(admin, &format!("{releases}/v1?wait=20"))
        .await
        .ok(200);
    server
}

async fn run(server: &Server, attach: bool) -> Value {
    let wish = json!({"command": ["task", "x"], "attach": attach, "env": {"A": "1"}});
    server.post(&server.admin, DYNOS, &wish).await.ok(201)
}

fn frames(text: &str) -> Vec<OutputFrame> {
    let mut from = text.as_bytes();
    std::iter::from_fn(|| frame::read_frame(&mut from).expect("sound")).collect()
}

async fn until_none_runs(server: &Server) {
    let wait = async {
        loop {
            let page = server.get(&server.admin, DYNOS).await.ok(200);
            let items = page["items"].as_array().expect("items").clone();
            if !items.iter().any(|dyno| dyno["process"] == "run") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("they end");
}

#[tokio::test]
async fn input_reaches_the_program_and_output_comes_back_as_frames() {
    let server = deployed().await;
    let made = run(&server, true).await;
    assert_eq!(
        (&made["id"], &made["process"], &made["release"]),
        (&json!("run.1"), &json!("run"), &json!("v1"))
    );
    let path = format!("{DYNOS}/run.1/input");
    let bytes = b"over and back".to_vec();
    let bearer = format!("Bearer {}", server.admin);
    let headers = [("authorization", bearer.as_str())];
    let answer = call(&server, "PUT", &path, &headers, bytes).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let path = format!("{DYNOS}/run.1/output");
    let answer = server.get(&server.admin, &path).await;
    assert_eq!(answer.header("content-type"), Some(frame::MEDIA_TYPE));
    let frames = frames(&answer.text);
    let of = |wanted: fn(&OutputFrame) -> Option<&Vec<u8>>| -> Vec<u8> {
        frames
            .iter()
            .filter_map(wanted)
            .flatten()
            .copied()
            .collect()
    };
    let out = of(|frame| match frame {
        OutputFrame::Stdout(bytes) => Some(bytes),
        _ => None,
    });
    let err = of(|frame| match frame {
        OutputFrame::Stderr(bytes) => Some(bytes),
        _ => None,
    });
    assert_eq!(
        (out.as_slice(), err.as_slice()),
        (&b"over and back"[..], &b"done"[..])
    );
    assert_eq!(
        frames.last(),
        Some(&OutputFrame::Exit(ProcessExit::Code(7)))
    );
    until_none_runs(&server).await;
    // The output can be read once, by one client.
    let again = server.get(&server.admin, &path).await;
    again.refused(404, "not_attached");
}

#[tokio::test]
async fn a_client_that_disconnects_ends_the_one_off() {
    let server = deployed().await;
    run(&server, true).await;
    let bearer = format!("Bearer {}", server.admin);
    let headers = [("authorization", bearer.as_str())];
    let path = format!("{DYNOS}/run.1/output");
    let response = send(&server, "GET", &path, &headers, "").await;
    assert_eq!(response.status(), 200);
    let page = server.get(&server.admin, DYNOS).await.ok(200);
    assert_eq!(page["items"][0]["id"], "run.1", "{page}");
    drop(response);
    until_none_runs(&server).await;
    let log = server.get(&server.admin, "/v1/apps/hello/logs").await;
    assert!(log.text.contains("its client left"), "{}", log.text);
}

#[tokio::test]
async fn only_the_token_that_started_a_one_off_gets_its_output() {
    let server = deployed().await;
    run(&server, true).await;
    let other = server.token("other", Role::Admin, None).await;
    for path in ["run.1/output", "run.2/output", "web.1/output"] {
        let answer = server.get(&other, &format!("{DYNOS}/{path}")).await;
        answer.refused(404, "not_attached");
    }
    let bearer = format!("Bearer {}", server.admin);
    let headers = [("authorization", bearer.as_str())];
    let mine = send(
        &server,
        "GET",
        &format!("{DYNOS}/run.1/output"),
        &headers,
        "",
    )
    .await;
    assert_eq!(mine.status(), 200);
    // Every token that may deploy may stop the one-off.
    server
        .post(&other, &format!("{DYNOS}/run.1/stop"), &json!({}))
        .await
        .ok(204);
    drop(mine.into_body().frame());
}

#[tokio::test]
async fn a_detached_one_off_has_no_output_over_the_api() {
    let server = deployed().await;
    run(&server, false).await;
    let path = format!("{DYNOS}/run.1/output");
    let answer = server.get(&server.admin, &path).await;
    answer.refused(404, "not_attached");
    until_none_runs(&server).await;
    server
        .post(&server.admin, &format!("{DYNOS}/run.1/stop"), &json!({}))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn invalid_one_off_requests_are_refused() {
    let server = deployed().await;
    let refused = [
        (json!({"command": []}), 422, "invalid_value"),
        (json!({"command": ["nothing"]}), 422, "no_such_process"),
        (json!({"command": ["notes"]}), 422, "no_such_process"),
        (json!({"command": ["web"]}), 422, "not_runnable"),
        (json!({"command": ["a\u{0}b"]}), 422, "invalid_value"),
        (
            json!({"command": ["task"], "size": "9GiB"}),
            422,
            "invalid_value",
        ),
        (
            json!({"command": ["task.wasm"], "size": "64MiB"}),
            422,
            "invalid_value",
        ),
        (
            json!({"command": ["task"], "env": {"1": "x"}}),
            422,
            "invalid_value",
        ),
        (json!({"command": "task"}), 422, "invalid_body"),
        (
            json!({"command": ["task"], "size": null}),
            422,
            "invalid_body",
        ),
        (
            json!({"command": ["task"], "shell": true}),
            422,
            "invalid_body",
        ),
    ];
    for (wish, status, id) in refused {
        let answer = server.post(&server.admin, DYNOS, &wish).await;
        answer.refused(status, id);
    }
    let blank = json!({"name": "blank"});
    server.post(&server.admin, "/v1/apps", &blank).await.ok(201);
    server
        .post(
            &server.admin,
            "/v1/apps/blank/dynos",
            &json!({"command": ["x"]}),
        )
        .await
        .refused(409, "no_release");
    for process in ["release", "run"] {
        let update = json!({"updates": [{"type": process, "quantity": 1}]});
        server
            .patch(&server.admin, "/v1/apps/hello/formation", &update)
            .await
            .refused(422, "runs_once");
    }
    server
        .delete(&server.admin, &format!("{DYNOS}/run.1"))
        .await
        .refused(409, "runs_once");
}
