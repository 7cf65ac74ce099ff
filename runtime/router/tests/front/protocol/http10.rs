//! HTTP/1.0 (RFC 9112), and targets in absolute form.

use crate::protocol::headers::mirror;
use crate::raw::Raw;
use crate::world::{End, World, app, echo, head, say, send};
use bytes::Bytes;
use exchange::Reply;
use http::Request;
use router::{Hosts, Peer, Router, RouterLimits};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// A stream of unknown length at `/stream`, else the body of the request.
fn world() -> World {
    World::new(1, |request: Request<_>, mut reply: Reply, _| async move {
        if request.uri().path() != "/stream" {
            return echo(request, reply).await;
        }
        reply.send_head(head(200)).unwrap();
        for piece in ["one ", "two ", "three"] {
            tokio::task::yield_now().await;
            send(&mut reply, Bytes::from_static(piece.as_bytes())).await;
        }
        reply.finish(None);
        End::Free
    })
}

async fn all(mut raw: Raw<tokio::io::DuplexStream>, request: &str) -> String {
    raw.send(request).await;
    let mut text = String::new();
    raw.io.read_to_string(&mut text).await.unwrap();
    text.to_lowercase()
}

/// RFC 9112, 7: a server must not send a transfer coding to a client of HTTP/1.0; 6.3: the end of the connection is the
/// end of the body then.
#[tokio::test]
async fn a_body_of_unknown_length_ends_with_the_connection() {
    for keep in ["", "connection: keep-alive\r\n"] {
        let raw = Raw::new(world().pipe());
        let request = format!("GET /stream HTTP/1.0\r\nhost: hello.localhost\r\n{keep}\r\n");
        let text = all(raw, &request).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(!head.contains("keep-alive"), "{head}");
        assert_eq!(body, "one two three");
    }
}

/// RFC 9112, 9.3: the connection of an HTTP/1.0 client is kept only if the client asks for it, and the response says
/// that.
#[tokio::test]
async fn a_connection_is_kept_when_the_client_asks_for_keep_alive() {
    let world = world();
    let text = all(
        Raw::new(world.pipe()),
        "GET / HTTP/1.0\r\nhost: hello.localhost\r\n\r\n",
    )
    .await;
    assert!(text.contains("content-length: 0"), "{text}");
    let mut raw = Raw::new(world.pipe());
    for _ in 0..3 {
        let answer = raw
            .ask("GET / HTTP/1.0\r\nhost: hello.localhost\r\nconnection: keep-alive\r\n\r\n")
            .await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, Some("keep-alive"))
        );
    }
    let line = &world.lines(4).await[3];
    assert!(line.contains(" protocol=http1.0 "), "{line}");
}

/// RFC 9110, 15.2: no 1xx to a client of HTTP/1.0; 10.1.1: its expectation is ignored.
#[tokio::test]
async fn no_interim_response_is_sent_to_http_1_0() {
    let head = "POST / HTTP/1.0\r\nhost: hello.localhost\r\ncontent-length: 2\r\n";
    for expect in ["100-continue", "something-else"] {
        let text = all(
            Raw::new(world().pipe()),
            &format!("{head}expect: {expect}\r\n\r\nok"),
        )
        .await;
        assert!(text.starts_with("http/1.0 200 ok\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nok"), "{text}");
    }
}

/// RFC 9112, 3.2: HTTP/1.1 requires `Host`. Without it, a request reaches an app only if every host leads to that app.
#[tokio::test]
async fn a_request_without_a_host_reaches_the_only_app() {
    let text = all(Raw::new(world().pipe()), "GET / HTTP/1.0\r\n\r\n").await;
    assert!(text.starts_with("http/1.0 404 "), "{text}");

    let only = World::new(1, |request, reply, _| mirror(request, reply));
    let router = Router::new(
        Hosts::AllTo(app()),
        RouterLimits::default(),
        Arc::new(|_| {}),
    );
    let key = [crate::world::key(1, 1)];
    let mut route = only.route();
    route.target = crate::world::route_to(&key);
    router.publish(route, vec![only.dyno(&key[0])]).unwrap();
    let (client, server) = tokio::io::duplex(1024);
    let peer = Peer {
        client: ([192, 0, 2, 7], 4711).into(),
        port: 8080,
        tls: false,
    };
    tokio::spawn(async move { router.serve(server, peer).await });
    let text = all(Raw::new(client), "GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        text.starts_with("http/1.0 200 ") && text.contains("\nhost: localhost:8080"),
        "{text}"
    );
}

/// RFC 9112, 3.2.2: the target in absolute form wins over `Host`, in the log as well.
#[tokio::test]
async fn the_host_of_an_absolute_target_is_logged() {
    for (target, path) in [
        ("http://hello.localhost/a?b", "/a?b"),
        ("HTTP://HELLO.localhost?x=1", "/?x=1"),
        ("http://hello.localhost:8080", "/"),
    ] {
        let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
        let mut raw = Raw::new(world.pipe());
        let answer = raw
            .ask(format!(
                "GET {target} HTTP/1.1\r\nhost: other.localhost\r\n\r\n"
            ))
            .await;
        assert_eq!(answer.status, 200, "{target}");
        let line = &world.lines(1).await[0];
        let authority = target.split("//").nth(1).unwrap();
        let host = &authority[..authority.find(['/', '?']).unwrap_or(authority.len())];
        assert!(
            line.contains(&format!("path=\"{path}\" host={host} ")),
            "{line}"
        );
    }
}
