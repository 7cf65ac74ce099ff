//! The control API on a port, with a scripted node: for tools that read the API's document and try it out.
//!
//! `cargo run -p api --example api -- 127.0.0.1:8081` prints an admin token, and serves until it is killed.

#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "../tests/api/support/mod.rs"]
mod support;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("say where to listen: 127.0.0.1:8081");
        return ExitCode::from(2);
    };
    let server = support::Server::start_at(&address).await;
    for (id, slug) in [support::slug::handler("one"), support::slug::with_worker()] {
        let answer = server
            .put(&server.admin, &format!("/v1/slugs/{id}"), slug)
            .await;
        answer.ok(201);
    }
    let app = serde_json::json!({"name": "hello"});
    server.post(&server.admin, "/v1/apps", &app).await.ok(201);
    let (slug, _) = support::slug::handler("one");
    let deploy = serde_json::json!({"slug": slug});
    server
        .post(&server.admin, "/v1/apps/hello/releases", &deploy)
        .await
        .ok(201);
    println!("{}", server.admin);
    std::future::pending().await
}
