//! Limits for connections, and connections after errors.

use router::RouterLimits;

use crate::raw::Raw;
use crate::world::{World, connect, eventually, say};

#[tokio::test]
async fn connections_of_one_client_are_limited() {
    let limits = RouterLimits {
        connections_per_client_max: 3,
        ..RouterLimits::default()
    };
    let world = World::with(limits, 1, |_, reply, _| async {
        say(reply, 200, "reached")
    });
    let server = world.listen().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::new(connect(&server).await);
        assert_eq!(raw.get("/").await.status, 200);
        open.push(raw);
    }
    let mut fourth = Raw::new(connect(&server).await);
    fourth.try_send("GET / HTTP/1.1\r\n\r\n").await;
    assert!(fourth.is_closed().await);
    assert_eq!(world.router.statistics().connections_refused, 1);
    // Another client is not affected.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = Raw::new(socket.connect(server.address()).await.unwrap());
    assert_eq!(other.get("/").await.status, 200);
    // When one connection closes, there is room again.
    open.pop();
    eventually(|| world.router.statistics().connections == 3).await;
    assert_eq!(Raw::new(connect(&server).await).get("/").await.status, 200);
}

#[tokio::test]
async fn connections_of_all_clients_together_are_limited() {
    let limits = RouterLimits {
        connections_max: 2,
        ..RouterLimits::default()
    };
    let world = World::with(limits, 1, |_, reply, _| async {
        say(reply, 200, "reached")
    });
    let server = world.listen().await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::new(connect(&server).await);
        assert_eq!(raw.get("/").await.status, 200);
        open.push(raw);
    }
    assert!(Raw::new(connect(&server).await).is_closed().await);
    assert_eq!(open[0].get("/").await.status, 200);
}

#[tokio::test]
async fn the_limit_for_headers_is_a_setting() {
    let limits = RouterLimits {
        headers_max: 300,
        ..RouterLimits::default()
    };
    let world = World::with(limits, 1, |_, reply, _| async {
        say(reply, 200, "reached")
    });
    for (count, status) in [(299, 200), (300, 431)] {
        let mut raw = Raw::new(world.pipe());
        let lines = "x: y\r\n".repeat(count);
        let request = format!("GET / HTTP/1.1\r\nhost: hello.localhost\r\n{lines}\r\n");
        raw.try_send(request).await;
        assert_eq!(raw.answer().await.status, status, "{count}");
    }
}

#[tokio::test]
async fn a_connection_stays_open_after_an_error_of_the_app() {
    let world = World::new(1, |request: http::Request<_>, reply, _| async move {
        match request.uri().path() {
            "/none" => crate::world::End::Free,
            path => say(reply, 500, path),
        }
    });
    let mut raw = Raw::new(world.pipe());
    for path in ["/none", "/500", "/none", "/500"] {
        let status = if path == "/none" { 503 } else { 500 };
        assert_eq!(raw.get(path).await.status, status);
    }
    let request = "GET /x HTTP/1.1\r\nhost: hello.localhost\r\nconnection: close\r\n\r\n";
    let answer = raw.ask(request).await;
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(raw.is_closed().await);
}
