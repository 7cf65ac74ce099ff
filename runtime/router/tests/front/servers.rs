//! Server dynos: unreachable servers, and connections that switch protocols.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use exchange::{Kill, Reply, RequestBody};
use grid::protocol::Refusal;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::Raw;
use crate::world::{End, World, app, eventually, head, say};

const SWITCH: &str = "GET /chat HTTP/1.1\r\nhost: hello.localhost\r\nconnection: keep-alive, Upgrade\r\n\
                      upgrade: websocket\r\nsec-websocket-key: abc\r\n\r\n";

/// Dynos of which the first ones refuse a connection, with this code.
fn unreachable(dynos: u32, first: usize, code: Refusal) -> (World, Arc<AtomicUsize>) {
    let tried = Arc::new(AtomicUsize::new(0));
    let seen = tried.clone();
    let world = World::servers(
        dynos,
        move |request: Request<RequestBody>, mut reply: Reply, _| {
            let number = seen.fetch_add(1, SeqCst);
            async move {
                if number < first {
                    drop(request);
                    reply.fail(code);
                    return End::Trap;
                }
                reply.set_connect_time(Duration::from_millis(7));
                crate::world::echo(request, reply).await
            }
        },
    );
    (world, tried)
}

#[tokio::test(start_paused = true)]
async fn an_unsent_request_goes_to_another_dyno() {
    for code in [Refusal::BackendRefused, Refusal::BackendTimeout] {
        let (world, tried) = unreachable(3, 2, code);
        let mut raw = Raw::new(world.pipe());
        let answer = raw
            .ask("POST /echo HTTP/1.1\r\nhost: hello.localhost\r\ncontent-length: 5\r\n\r\nhello")
            .await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
        assert_eq!(tried.load(SeqCst), 3);
        let lines = world.lines(1).await;
        assert!(lines[0].starts_with("at=info "), "{}", lines[0]);
        assert!(lines[0].contains(" connect=7ms "), "{}", lines[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_fails_with_the_code_after_the_last_retry() {
    for (code, name) in [
        (Refusal::BackendRefused, "H21"),
        (Refusal::BackendTimeout, "H19"),
    ] {
        let (world, tried) = unreachable(10, 10, code);
        let mut raw = Raw::new(world.pipe());
        assert_eq!(raw.get("/").await.status, 503);
        assert_eq!(tried.load(SeqCst), 1 + router::limits::RETRIES_MAX);
        let lines = world.lines(1).await;
        assert!(
            lines[0].starts_with(&format!("at=error code={name} ")),
            "{}",
            lines[0]
        );
    }
}

/// Without another dyno, the request waits for the replacement in the queue.
#[tokio::test(start_paused = true)]
async fn an_unsent_request_waits_for_the_replacement_of_its_dyno() {
    let (world, tried) = unreachable(1, 1, Refusal::BackendRefused);
    let mut raw = Raw::new(world.pipe());
    raw.send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| world.router.load(&app()).unwrap().waiting == 1).await;
    let next = [crate::world::key(1, 2)];
    world.serve(&next, &next);
    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(tried.load(SeqCst), 2);
}

/// A dyno that switches protocols, and sends back what it gets, with `>` in front, until it gets `bye`.
fn chat() -> World {
    chat_after(Duration::ZERO)
}

/// The same, with a delay before each answer.
fn chat_after(pause: Duration) -> World {
    World::servers(
        1,
        move |request: Request<RequestBody>, mut reply: Reply, _| async move {
            tokio::time::sleep(pause).await;
            if request.uri().path() != "/chat" {
                return say(reply, 200, "plain");
            }
            assert_eq!(request.headers()["connection"], "upgrade");
            assert_eq!(request.headers()["upgrade"], "websocket");
            assert_eq!(request.headers()["sec-websocket-key"], "abc");
            let (near, mut far) = tokio::io::duplex(1024);
            let mut parts = head(101);
            parts
                .headers
                .insert("upgrade", "websocket".parse().unwrap());
            parts
                .headers
                .insert("sec-websocket-accept", "xyz".parse().unwrap());
            reply.switch_protocols(parts, Box::new(near)).unwrap();
            let mut chunk = [0; 1024];
            loop {
                let len = far.read(&mut chunk).await.unwrap_or(0);
                if len == 0 || chunk[..len].starts_with(b"bye") {
                    return End::Free;
                }
                far.write_all(b">").await.unwrap();
                far.write_all(&chunk[..len]).await.unwrap();
            }
        },
    )
}

async fn read_exactly(raw: &mut Raw<tokio::io::DuplexStream>, len: usize) -> String {
    let mut bytes = std::mem::take(&mut raw.ahead);
    while bytes.len() < len {
        let mut chunk = [0; 256];
        let read = raw.io.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the tunnel is open");
        bytes.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Requests the protocol switch, and reads the head of the answer.
async fn switched(world: &World) -> Raw<tokio::io::DuplexStream> {
    switched_with(world, &[]).await
}

/// The same, with bytes that the client sends before it has the response.
async fn switched_with(world: &World, early: &[&str]) -> Raw<tokio::io::DuplexStream> {
    let mut raw = Raw::new(world.pipe());
    let together = early.first().copied().unwrap_or_default();
    raw.send(format!("{SWITCH}{together}")).await;
    for text in early.iter().skip(1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        raw.send(text).await;
    }
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        text.push(char::from(raw.io.read_u8().await.unwrap()));
    }
    let text = text.to_lowercase();
    assert!(text.starts_with("http/1.1 101 "), "{text}");
    for line in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-accept: xyz",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("x-request-id: "));
    raw
}

#[tokio::test(start_paused = true)]
async fn a_switched_connection_carries_bytes_both_ways_and_holds_its_dyno() {
    let world = chat();
    let mut raw = switched(&world).await;
    for text in ["one", "\0\0\r\nGET", "three"] {
        raw.send(text).await;
        assert_eq!(
            read_exactly(&mut raw, text.len() + 1).await,
            format!(">{text}")
        );
    }
    // Longer than the time limit of a request, which does not apply to a tunnel.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        raw.send("x").await;
        assert_eq!(read_exactly(&mut raw, 2).await, ">x");
    }
    assert_eq!(world.router.load(&app()).unwrap().free, 0);
    raw.send("bye").await;
    assert_eq!(
        raw.io.read(&mut [0; 8]).await.unwrap(),
        0,
        "closed by the server"
    );
    eventually(|| world.router.load(&app()).unwrap().free == 1).await;
    let lines = world.lines(1).await;
    assert!(lines[0].starts_with("at=info "), "{}", lines[0]);
    assert!(lines[0].contains(" status=101 bytes=24 "), "{}", lines[0]);
    assert!(world.kills().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_a_tunnel_frees_the_dyno() {
    let world = chat();
    let raw = switched(&world).await;
    drop(raw);
    eventually(|| world.router.load(&app()).unwrap().free == 1).await;
    assert!(world.kills().is_empty());
    let lines = world.lines(1).await;
    assert!(lines[0].contains(" status=101 "), "{}", lines[0]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_tunnel_is_closed() {
    let world = chat();
    let mut raw = switched(&world).await;
    let began = tokio::time::Instant::now();
    assert_eq!(raw.io.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(began.elapsed().as_secs(), 55);
    let lines = world.lines(1).await;
    assert!(lines[0].starts_with("at=error code=H15 "), "{}", lines[0]);
    eventually(|| world.router.load(&app()).unwrap().free == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_close_ends_tunnels() {
    let world = chat();
    let mut raw = switched(&world).await;
    world.router.force();
    assert_eq!(raw.io.read(&mut [0; 8]).await.unwrap_or(0), 0);
    let lines = world.lines(1).await;
    assert!(lines[0].starts_with("at=error code=H24 "), "{}", lines[0]);
    assert!(world.kills().iter().all(|kill| *kill == Kill::Forced));
}

/// Bytes that a client sends before it has the response belong to the tunnel, whether they could be a request or not.
#[tokio::test(start_paused = true)]
async fn bytes_sent_before_the_switch_belong_to_the_tunnel() {
    let long = "\0".repeat(100);
    for early in [
        &["hel"][..],
        &["GET / HT"],
        &["GET / HTTP/1.1\r\nhost: x\r\n\r\n"],
        &["\0\0\n\0bytes"],
        &["GET / HTTP/1.1\r\nhost: x\r\n\r\n\0\n"],
        &["", "hel", "lo"],
        &["", "he", "l\n", "lo"],
        &["a\n", "b\n", &long],
    ] {
        let world = chat_after(Duration::from_millis(50));
        let mut raw = switched_with(&world, early).await;
        let early = early.concat();
        assert_eq!(
            read_exactly(&mut raw, early.len() + 1).await,
            format!(">{early}")
        );
        raw.send("more").await;
        assert_eq!(read_exactly(&mut raw, 5).await, ">more");
    }
}

/// Without a switch, these bytes are checked as any request is.
#[tokio::test(start_paused = true)]
async fn bytes_sent_before_a_refused_switch_are_parsed_as_a_request() {
    for (path, slow) in [("/plain", 50), ("/plain", 0)] {
        let world = chat_after(Duration::from_millis(slow));
        let ignored = SWITCH.replace("/chat", path);
        let mut raw = Raw::new(world.pipe());
        raw.send(format!("{ignored}GET /2 HTTP/1.1\r\nho")).await;
        assert_eq!(raw.answer().await.status, 200);
        raw.send("st: hello.localhost\r\n\r\n").await;
        assert_eq!(raw.answer().await.body, "plain");
        for early in [
            "bad\n",
            "GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\nbad\n",
        ] {
            let mut raw = Raw::new(world.pipe());
            raw.send(format!("{ignored}{early}")).await;
            assert_eq!(raw.answer().await.status, 200);
            if early.starts_with("GET") {
                assert_eq!(raw.answer().await.status, 200);
            }
            assert_eq!(raw.answer().await.status, 400, "{early}");
            assert!(raw.is_closed().await);
        }
        let mut raw = Raw::new(world.pipe());
        raw.send(&ignored).await;
        assert_eq!(raw.answer().await.status, 200);
        raw.send("bad\n").await;
        assert_eq!(raw.answer().await.status, 400);
    }
}

/// Only server dynos see a request to switch protocols, and they may ignore it.
#[tokio::test(start_paused = true)]
async fn a_refused_upgrade_is_an_ordinary_request() {
    let world = World::new(
        1,
        |request: Request<RequestBody>, reply: Reply, _| async move {
            assert!(!request.headers().contains_key("upgrade"));
            assert!(!request.headers().contains_key("connection"));
            say(reply, 200, "plain")
        },
    );
    let mut raw = Raw::new(world.pipe());
    assert_eq!(raw.ask(SWITCH).await.body, "plain");
    let world = chat();
    let mut raw = Raw::new(world.pipe());
    let ignored = SWITCH.replace("/chat", "/plain");
    assert_eq!(raw.ask(&ignored).await.body, "plain");
    assert_eq!(
        raw.get("/plain").await.body,
        "plain",
        "the connection goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_switch_without_an_upgrade_header_is_h17() {
    let world = World::servers(1, |_, mut reply: Reply, _| async move {
        let (near, _far) = tokio::io::duplex(64);
        assert!(reply.switch_protocols(head(101), Box::new(near)).is_err());
        End::Free
    });
    let mut raw = Raw::new(world.pipe());
    assert_eq!(raw.ask(SWITCH).await.status, 502);
    let lines = world.lines(1).await;
    assert!(lines[0].starts_with("at=error code=H17 "), "{}", lines[0]);
}
