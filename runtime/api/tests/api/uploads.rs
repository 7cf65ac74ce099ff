//! Uploads of slugs: a slug is stored whole and verified, or not at all.

use crate::support::client::call;
use crate::support::{Server, slug};
use control::access::Role;
use serde_json::json;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn works(server: &Server) -> usize {
    let works = Path::new(&server.store).join("work");
    std::fs::read_dir(works).expect("a folder").count()
}

#[tokio::test]
async fn a_slug_can_be_uploaded_shown_and_uploaded_again() {
    let server = Server::start().await;
    let (id, bytes) = slug::with_worker();
    let hex = id.strip_prefix("sha256:").expect("a prefix");
    let path = format!("/v1/slugs/{hex}");
    server
        .get(&server.admin, &path)
        .await
        .refused(404, "not_found");
    let length = bytes.len();
    let made = server
        .put(&server.admin, &path, bytes.clone())
        .await
        .ok(201);
    assert_eq!((&made["id"], &made["bytes"]), (&json!(id), &json!(length)));
    assert_eq!(
        made["processes"]["web"],
        json!({"kind": "handler", "world": "wasi:http/incoming-handler@0.2"})
    );
    assert_eq!(
        made["processes"]["worker"],
        json!({"kind": "process", "world": "wasi:cli/run@0.2"})
    );
    assert_eq!(made["warnings"], json!([]));
    assert!(
        made["unpacked_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes > 50)
    );
    server
        .put(&server.admin, &format!("/v1/slugs/{id}"), bytes)
        .await
        .ok(200);
    let shown = server
        .get(&server.admin, &format!("/v1/slugs/{id}"))
        .await
        .ok(200);
    assert_eq!(shown, json!({"id": id, "bytes": length}));
    let list = server.get(&server.admin, "/v1/slugs").await.ok(200);
    assert_eq!(list, json!({"items": [shown], "next": null}));
}

#[tokio::test]
async fn invalid_and_mismatching_slugs_are_refused_and_leave_no_file() {
    let server = Server::start().await;
    let (id, bytes) = slug::handler("one");
    let path = format!("/v1/slugs/{id}");
    let cut = bytes[..bytes.len() / 2].to_vec();
    for bad in [b"no slug".to_vec(), Vec::new(), cut, vec![0; 3 << 20]] {
        let message = server
            .put(&server.admin, &path, bad)
            .await
            .refused(422, "slug_refused");
        assert!(message.starts_with("the slug is refused: "), "{message}");
    }
    let other = format!("/v1/slugs/{}", "0".repeat(64));
    server
        .put(&server.admin, &other, bytes.clone())
        .await
        .refused(422, "slug_mismatch");
    let bearer = format!("Bearer {}", server.admin);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    call(&server, "PUT", &path, &headers, bytes.clone())
        .await
        .refused(415, "unsupported_media_type");
    let read = server.token("look", Role::Read, None).await;
    server
        .put(&read, &path, bytes)
        .await
        .refused(403, "forbidden");
    assert_eq!(works(&server), 0);
    let list = server.get(&server.admin, "/v1/slugs").await.ok(200);
    assert_eq!(list["items"], json!([]));
}

/// Sends the head of an upload of `length` bytes, and a part of its body.
async fn begin(server: &Server, length: u64, part: &[u8]) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("a server");
    let head = format!(
        "PUT /v1/slugs/{} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: {length}\r\n\r\n",
        "0".repeat(64),
        server.admin
    );
    stream.write_all(head.as_bytes()).await.expect("a socket");
    stream.write_all(part).await.expect("a socket");
    stream
}

#[tokio::test]
async fn a_slug_that_is_too_large_is_refused_before_it_is_read() {
    let server = Server::start().await;
    let mut stream = begin(&server, slugs::SLUG_BYTES_MAX + 1, b"").await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn an_aborted_upload_leaves_no_file() {
    let server = Server::start().await;
    let (_, bytes) = slug::handler("one");
    let stream = begin(&server, bytes.len() as u64, &bytes[..bytes.len() / 2]).await;
    let wait = async |done: fn(usize) -> bool| {
        while !done(works(&server)) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let patience = crate::support::PATIENCE;
    tokio::time::timeout(patience, wait(|works| works > 0))
        .await
        .expect("it is at work");
    drop(stream);
    tokio::time::timeout(patience, wait(|works| works == 0))
        .await
        .expect("it cleans up");
}

#[tokio::test]
async fn an_unwritable_store_fails_the_upload_and_recovers() {
    let server = Server::start().await;
    let (id, bytes) = slug::handler("one");
    let path = format!("/v1/slugs/{id}");
    // A missing work folder stands for a full disk; unlike file modes, this also stops root.
    let works = Path::new(&server.store).join("work");
    std::fs::remove_dir(&works).expect("an empty folder");
    let answer = server.put(&server.admin, &path, bytes.clone()).await;
    let message = answer.refused(503, "storage_unavailable");
    assert!(message.contains("disk") && !message.contains(&server.store.display().to_string()));
    assert!(answer.header("retry-after").is_some());
    std::fs::create_dir(&works).expect("a folder");
    server.put(&server.admin, &path, bytes).await.ok(201);
}
