//! Logs over HTTP: reading, following, and the end of the stream.

use crate::support::client::send;
use crate::support::{PATIENCE, Server};
use control::logs::{AppLogLine, AppLogSource};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use std::time::{Duration, SystemTime};

const LOGS: &str = "/v1/apps/hello/logs";

async fn with_hello() -> Server {
    let server = Server::start().await;
    server
        .post(&server.admin, "/v1/apps", &json!({"name": "hello"}))
        .await
        .ok(201);
    let wait = async {
        while server.get(&server.admin, LOGS).await.text.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the log begins");
    server
}

fn say(server: &Server, source: AppLogSource, text: &str) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let text = text.to_owned();
    server.logs.append_line(
        &"hello".parse().expect("a name"),
        AppLogLine { at, source, text },
    );
}

fn web(n: u32) -> AppLogSource {
    AppLogSource::App(format!("web.{n}").parse().expect("a dyno"))
}

/// Reads `count` lines.
async fn lines(body: &mut Incoming, count: usize) -> Vec<String> {
    let mut text = String::new();
    let wait = async {
        while text.lines().count() < count {
            let frame = body.frame().await.expect("more").expect("no error");
            let data = frame.into_data().expect("data");
            text.push_str(std::str::from_utf8(&data).expect("text"));
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("lines");
    text.lines().map(str::to_owned).collect()
}

async fn follow(server: &Server, query: &str) -> Incoming {
    let bearer = format!("Bearer {}", server.admin);
    let path = format!("{LOGS}?tail=true{query}");
    let response = send(server, "GET", &path, &[("authorization", &bearer)], "").await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

#[tokio::test]
async fn lines_are_filtered_and_limited_in_number() {
    let server = with_hello().await;
    say(&server, web(1), "one");
    say(&server, web(2), "two");
    say(&server, AppLogSource::Router, "at=info");
    let all = server.get(&server.admin, LOGS).await;
    assert_eq!(
        all.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let all: Vec<&str> = all.text.lines().collect();
    assert!(
        all[0].contains("dyno[api]: App hello created by admin"),
        "{}",
        all[0]
    );
    assert_eq!(all[1], "2026-11-18T11:06:40.000000+00:00 app[web.1]: one");
    assert_eq!(all.len(), 4);
    for (query, expected) in [
        ("n=1", vec![all[3]]),
        ("n=0", vec![]),
        ("source=app", vec![all[1], all[2]]),
        ("source=dyno&n=1", vec![all[3]]),
        ("dyno=web.2", vec![all[2]]),
        ("dyno=web&n=9", vec![all[1], all[2]]),
        ("dyno=worker", vec![]),
    ] {
        let text = server
            .get(&server.admin, &format!("{LOGS}?{query}"))
            .await
            .text;
        assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_follower_gets_new_lines_until_the_app_is_destroyed() {
    let server = with_hello().await;
    let mut body = follow(&server, "&n=0&source=app").await;
    say(&server, web(1), "first");
    assert!(lines(&mut body, 1).await[0].ends_with("app[web.1]: first"));
    say(&server, AppLogSource::Router, "not this");
    say(&server, web(1), "second");
    assert!(lines(&mut body, 1).await[0].ends_with("app[web.1]: second"));
    server.delete(&server.admin, "/v1/apps/hello").await.ok(204);
    assert!(body.frame().await.is_none(), "it ends with the app");
    // A later app of the same name does not get the lines.
    let wait = async {
        while server
            .post(&server.admin, "/v1/apps", &json!({"name": "hello"}))
            .await
            .status
            != 201
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the name is free");
    assert!(
        !server
            .get(&server.admin, LOGS)
            .await
            .text
            .contains("second")
    );
}

#[tokio::test]
async fn a_disconnected_follower_is_no_longer_counted() {
    let server = with_hello().await;
    let body = follow(&server, "").await;
    assert_eq!(server.logs.reader_count(), 1);
    drop(body);
    let wait = async {
        while server.logs.reader_count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("nobody follows");
}

#[tokio::test]
async fn the_number_of_followers_of_an_app_is_limited() {
    let server = with_hello().await;
    let mut bodies = Vec::new();
    for _ in 0..control::logs::TAILS_OF_APP_MAX {
        bodies.push(follow(&server, "&n=0").await);
    }
    let answer = server
        .get(&server.admin, &format!("{LOGS}?tail=true"))
        .await;
    answer.refused(429, "too_many_readers");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn the_server_stops_in_spite_of_open_followers() {
    let mut server = with_hello().await;
    let mut body = follow(&server, "&n=1").await;
    lines(&mut body, 1).await;
    tokio::time::timeout(PATIENCE, server.stop())
        .await
        .expect("it ends");
    assert!(body.frame().await.is_none(), "the stream ended in order");
    assert!(
        tokio::net::TcpStream::connect(server.address)
            .await
            .is_err()
    );
}
