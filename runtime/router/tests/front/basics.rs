//! Ordinary requests: routing, bodies, keep-alive and pipelining.

use std::sync::Arc;

use bytes::Bytes;
use grid::name::Generation;
use grid::protocol::{Refusal, Route, RouteTarget};
use http::HeaderValue;
use router::{Hosts, Router, RouterLimits};

use crate::raw::Raw;
use crate::world::{End, World, app, connect, echo, head, route_to, say};

#[tokio::test]
async fn a_request_is_answered_and_logged() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "hello, world\n") });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    let answer = raw.get("/a?b=c").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "hello, world\n")
    );
    assert_eq!(answer.header("content-length"), Some("13"));
    let id = answer.header("x-request-id").unwrap();
    let line = &world.lines(1).await[0];
    let (before, after) = line.split_once(" service=").unwrap();
    assert_eq!(
        before,
        format!(
            "at=info method=GET path=\"/a?b=c\" host=hello.localhost request_id={id} fwd=\"127.0.0.1\" \
             dyno=web.1 queue=0 wait=0ms connect=0ms"
        )
    );
    let (_, after) = after.split_once("ms ").unwrap();
    assert_eq!(after, "status=200 bytes=13 protocol=http1.1 tls=false");
    assert_eq!(world.router.statistics().requests, 1);
    assert_eq!(world.router.load(&app()).unwrap().free, 1);
}

#[tokio::test]
async fn a_connection_serves_many_requests_pipelined_or_not() {
    let world = World::new(1, |request: http::Request<_>, reply, _| async move {
        say(reply, 200, request.uri().path())
    });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    for n in 0..50 {
        assert_eq!(raw.get(&format!("/{n}")).await.body, format!("/{n}"));
    }
    let many: String = (0..100)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nhost: hello.localhost\r\n\r\n"))
        .collect();
    raw.send(many).await;
    for n in 0..100 {
        assert_eq!(raw.answer().await.body, format!("/{n}"));
    }
    world.recorded(150).await;
}

#[tokio::test]
async fn responses_without_a_body_have_none() {
    let world = World::new(
        1,
        |request: http::Request<_>, mut reply: exchange::Reply, _| async move {
            let status = request.uri().path()[1..].parse().unwrap();
            let mut head = head(status);
            head.headers
                .insert("content-length", HeaderValue::from_static("4"));
            reply.send_head(head).unwrap();
            reply.send_data(Bytes::from_static(b"body"));
            reply.finish(None);
            End::Free
        },
    );
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send("HEAD /200 HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    let answer = raw.answer_to(true).await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, Some("4"))
    );
    let answer = raw.get("/204").await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (204, None)
    );
    assert_eq!(raw.get("/304").await.status, 304);
    // If one of these responses had a body, this response would not be at its place.
    assert_eq!(raw.get("/200").await.body, "body");
}

#[tokio::test]
async fn bodies_pass_both_ways_with_every_framing() {
    let world = World::new(1, |request, reply, _| echo(request, reply));
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    let host = "host: hello.localhost\r\n";
    let answer = raw
        .ask(format!(
            "POST / HTTP/1.1\r\n{host}content-length: 5\r\n\r\nhello"
        ))
        .await;
    assert_eq!(answer.body, "hello");
    let chunked = "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\na: b\r\n\r\n";
    let answer = raw
        .ask(format!(
            "POST / HTTP/1.1\r\n{host}transfer-encoding: Chunked\r\n\r\n{chunked}"
        ))
        .await;
    assert_eq!(answer.body, "hello, world");
    let large = "x".repeat(300_000);
    let answer = raw
        .ask(format!(
            "POST / HTTP/1.1\r\n{host}content-length: 300000\r\n\r\n{large}"
        ))
        .await;
    assert_eq!(answer.body, large);
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let answer = raw
        .ask(format!(
            "POST / HTTP/1.1\r\n{host}transfer-encoding: chunked\r\n\r\n{chunk}"
        ))
        .await;
    assert_eq!(answer.body, large);
    assert_eq!(raw.get("/").await.body, "");
}

#[tokio::test]
async fn requests_of_http_1_0_are_answered() {
    let world = World::new(1, |_, mut reply: exchange::Reply, _| async move {
        reply.send_head(head(200)).unwrap();
        tokio::task::yield_now().await;
        reply.send_data(Bytes::from_static(b"old"));
        tokio::task::yield_now().await;
        reply.finish(None);
        End::Free
    });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    let answer = raw
        .ask("GET / HTTP/1.0\r\nhost: hello.localhost\r\n\r\n")
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "old"));
    assert!(raw.is_closed().await);
    assert!(world.lines(1).await[0].contains("protocol=http1.0"));
}

#[tokio::test]
async fn an_unknown_host_gets_an_error_page() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "hello") });
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    let answer = raw
        .ask("GET / HTTP/1.1\r\nhost: other.localhost\r\n\r\n")
        .await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("no such app"), "{}", answer.body);
    let id = answer.header("x-request-id").unwrap();
    assert!(answer.body.contains(id));
    let request = "GET / HTTP/1.1\r\nhost: other.localhost\r\naccept: application/json\r\n\r\n";
    let answer = raw.ask(request).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.body.starts_with('{') && answer.body.contains("\"code\":\"404\""));
    // The connection is still good. Hostnames match in any case, with a port and with a dot at the end.
    for host in [
        "hello.localhost:8080",
        "HELLO.localhost",
        "hello.localhost.",
    ] {
        let answer = raw
            .ask(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"))
            .await;
        assert_eq!(answer.status, 200, "{host}");
    }
    assert_eq!(world.router.statistics().unknown_hosts, 2);
}

#[tokio::test]
async fn one_app_can_answer_on_every_host() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "hello") });
    let router = Router::new(
        Hosts::AllTo(app()),
        RouterLimits::default(),
        Arc::new(|_| {}),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = router.listen(listener).unwrap();
    let mut raw = Raw::new(connect(&server).await);
    let ask = "GET / HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n\r\n";
    assert_eq!(raw.ask(ask).await.status, 404);
    let key = crate::world::key(1, 1);
    let route = Route {
        app: app(),
        generation: Generation(1),
        hostnames: Vec::new(),
        version: None,
        backlog_max: 100,
        request_timeout: None,
        idle_after: None,
        target: route_to(std::slice::from_ref(&key)),
    };
    router
        .publish(route.clone(), vec![world.dyno(&key)])
        .unwrap();
    for host in ["127.0.0.1:8080", "[::1]", "any.thing"] {
        let answer = raw
            .ask(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"))
            .await;
        assert_eq!(answer.status, 200, "{host}");
    }
    // An older route changes nothing. After the withdrawal there is no such app.
    let stale = Route {
        generation: Generation(0),
        target: RouteTarget::Refuse(Refusal::Maintenance),
        ..route
    };
    assert!(router.publish(stale, Vec::new()).is_err());
    assert_eq!(raw.ask(ask).await.status, 200);
    router.withdraw(&app());
    assert_eq!(raw.ask(ask).await.status, 404);
}
