//! Server dynos and process dynos (workers) of a formation.

mod framing;
mod modules;

use std::time::Duration;

use dyno::LocalDyno;
use exchange::Kill;
use grid::desired::{Limits, ProcessKind};
use grid::name::DynoKey;
use grid::protocol::{CrashCause, Report, Step, StopReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Host, Reply, ask, call, get, post};

async fn server(guest: &str, args: &[&str]) -> Host {
    Host::of_kind(ProcessKind::Server, guest, Limits::default(), args).await
}

fn drain(host: &Host, key: &DynoKey) {
    host.node.step(Step::Drain {
        node: "local".parse().unwrap(),
        dyno: key.clone(),
        release: crate::support::RELEASE,
        grace: Duration::ZERO,
    });
}

fn stop(host: &Host, key: &DynoKey) {
    host.node.step(Step::Stop {
        node: "local".parse().unwrap(),
        dyno: key.clone(),
        release: crate::support::RELEASE,
        reason: StopReason::BootTimeout,
    });
}

/// Parses the reply of the guest `listens`: its port, and its numbers of connections and requests.
fn told(reply: &Reply) -> (u16, u32, u32) {
    let text = reply.text();
    let mut numbers = text
        .split_whitespace()
        .map(|part| part.split_once('=').unwrap().1);
    let mut next = || numbers.next().unwrap();
    let port = next().parse().unwrap();
    (port, next().parse().unwrap(), next().parse().unwrap())
}

async fn up_at(host: &mut Host) -> (DynoKey, LocalDyno) {
    let (key, report) = host.start().await;
    assert!(
        matches!(report, Report::Up { .. }),
        "{report:?} {:?}",
        host.lines()
    );
    let dyno = host.node.take(&key).unwrap();
    (key, dyno)
}

#[tokio::test]
async fn a_listener_of_the_standard_library_serves() {
    for host in ["0.0.0.0", "127.0.0.1", "::", "::1", "localhost"] {
        let mut host = server("listens", &[host]).await;
        let dyno = host.up().await;
        let (dyno, reply) = ask(dyno, get("/")).await;
        assert_eq!(
            (reply.status(), reply.finished),
            (200, true),
            "{:?}",
            host.lines()
        );
        let (_, connections, requests) = told(&reply);
        assert_eq!((connections, requests), (1, 1));
        let (dyno, reply) = ask(dyno.unwrap(), get("/")).await;
        assert_eq!(
            (told(&reply).1, told(&reply).2),
            (1, 2),
            "the connection is kept"
        );
        let (dyno, reply) = ask(dyno.unwrap(), get("/close")).await;
        assert_eq!(told(&reply).1, 1);
        let (dyno, reply) = ask(dyno.unwrap(), get("/")).await;
        assert_eq!((told(&reply).1, told(&reply).2), (2, 4), "a new one");
        let big: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
        let (dyno, reply) = ask(dyno.unwrap(), post("/echo", big.clone())).await;
        assert!(reply.body == big && reply.finished);
        let (dyno, reply) = ask(dyno.unwrap(), get("/big")).await;
        assert_eq!((reply.body.len(), reply.finished), (1024 * 1024, true));
        let (dyno, reply) = ask(dyno.unwrap(), get("/files")).await;
        assert_eq!(reply.text(), "kept");
        let (_, reply) = ask(dyno.unwrap(), get("/headers")).await;
        assert!(
            reply.text().starts_with("GET /headers HTTP/1.1\r\n"),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn each_dyno_has_its_own_port() {
    let mut host = server("listens", &[]).await;
    let mut ports = std::collections::HashSet::new();
    let mut dynos = Vec::new();
    for _ in 0..4 {
        let (_, reply) = {
            let (dyno, reply) = ask(host.up().await, get("/")).await;
            dynos.push(dyno.unwrap());
            ((), reply)
        };
        let (port, ..) = told(&reply);
        ports.insert(port);
        // The port is virtual: no other process of this machine can connect to it.
        let dialled = std::net::TcpStream::connect(("127.0.0.1", port));
        assert!(dialled.is_err());
    }
    assert_eq!(ports.len(), 4);
}

#[tokio::test]
async fn a_server_binds_only_its_own_port_and_cannot_dial_other_dynos() {
    let mut other = server("listens", &[]).await;
    let (other_dyno, reply) = ask(other.up().await, get("/")).await;
    let target = format!("127.0.0.1:{}", told(&reply).0);
    let mut host = server("binds_elsewhere", &[&target]).await;
    drop(host.up().await);
    let lines = host.lines();
    let tried: Vec<&String> = lines.iter().filter(|line| line.contains(": ")).collect();
    let refused = lines
        .iter()
        .filter(|line| line.ends_with(": refused"))
        .count();
    // The platform also logs why a dial was refused; those lines are not counted.
    assert_eq!(refused, 9, "{tried:?}");
    assert!(
        !lines.iter().any(|line| line.ends_with(": ok")),
        "{tried:?}"
    );
    drop(other_dyno);
}

async fn ends(path: &str) -> (Host, Option<LocalDyno>, Reply) {
    let mut host = server("listens", &[]).await;
    let (dyno, reply) = ask(host.up().await, get(path)).await;
    (host, dyno, reply)
}

#[tokio::test]
async fn a_server_keeps_running_after_dropped_partial_and_invalid_responses() {
    // Closed without a response, closed within the body, not HTTP: the program keeps running, and the dyno is free.
    for (path, begun, rejected) in [
        ("/drop", false, false),
        ("/half", true, false),
        ("/broken", false, true),
    ] {
        let (host, dyno, reply) = ends(path).await;
        assert_eq!(
            (reply.head.is_some(), reply.is_rejected()),
            (begun, rejected),
            "{path}"
        );
        assert!(!reply.finished);
        let (_, reply) = ask(dyno.expect(path), get("/")).await;
        assert_eq!(told(&reply).2, 2, "{path}: {:?}", host.lines());
    }
}

#[tokio::test]
async fn a_server_that_exits_is_reported_as_crashed() {
    let (mut host, dyno, reply) = ends("/exit").await;
    assert!(dyno.is_none() && reply.head.is_none());
    match host.report().await {
        Report::Crashed { cause, reason, .. } => {
            // WASI 0.2 passes on only success or failure of `std::process::exit`.
            assert_eq!(
                (cause, reason.as_str()),
                (CrashCause::Exit, "exited with code 1")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_stops_listening_is_replaced() {
    let (mut host, dyno, reply) = ends("/deaf").await;
    assert_eq!(reply.status(), 200);
    assert!(dyno.is_none(), "it cannot take another request");
    match host.report().await {
        Report::Crashed { reason, served, .. } => {
            assert!(reason.contains("$PORT"), "{reason} {served}")
        }
        other => panic!("{other:?}"),
    }
}

/// The next connection waits until the server accepts again; work after a response does not fail it.
#[tokio::test]
async fn a_server_that_computes_after_its_response_serves_the_next_request_later() {
    let (_host, dyno, reply) = ends("/busy?ms=300").await;
    assert!(reply.finished);
    let (_, reply) = ask(dyno.unwrap(), get("/")).await;
    assert_eq!((reply.failure, told(&reply).2), (None, 2));
}

#[tokio::test]
async fn a_killed_request_ends_the_server() {
    let mut host = server("listens", &[]).await;
    let dyno = host.up().await;
    let (call, reply) = call(dyno, get("/spin"));
    let mut call = Box::pin(call);
    let waited = tokio::time::timeout(Duration::from_millis(300), &mut call).await;
    assert!(waited.is_err());
    std::pin::Pin::into_inner(call).kill(Kill::Timeout);
    assert!(reply.lock().unwrap().head.is_none());
    match host.report().await {
        Report::Crashed { cause, .. } => assert_eq!(cause, CrashCause::Killed),
        other => panic!("{other:?}"),
    }
    assert_eq!(host.node.dynos(), 0);
}

/// The handle of a stopped server refuses a request before any byte of the request is sent.
#[tokio::test]
async fn a_stopped_server_is_unreachable() {
    let mut host = server("listens", &[]).await;
    let (key, dyno) = up_at(&mut host).await;
    stop(&host, &key);
    assert!(matches!(host.report().await, Report::Down { .. }));
    let (dyno, reply) = ask(dyno, get("/")).await;
    assert!(dyno.is_none() && reply.head.is_none());
}

#[tokio::test]
async fn a_server_that_never_listens_is_never_up() {
    let mut host = server("hangs", &["sleep"]).await;
    let key = host.key();
    host.node.step(Step::Start {
        node: "local".parse().unwrap(),
        dyno: key.clone(),
        release: crate::support::RELEASE,
        asleep: false,
    });
    while host.lines().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(host.node.take(&key).is_none());
    // The planner stops a dyno that does not boot in time (R10).
    stop(&host, &key);
    let report = host.report().await;
    assert!(
        matches!(report, Report::Down { .. }),
        "never up: {report:?}"
    );
}

#[tokio::test]
async fn a_drained_server_ends_when_its_request_is_done() {
    let mut host = server("listens", &[]).await;
    let (key, dyno) = up_at(&mut host).await;
    drain(&host, &key);
    let (dyno, reply) = ask(dyno, get("/")).await;
    assert!(reply.finished, "what it has is finished");
    drop(dyno);
    assert!(matches!(host.report().await, Report::Down { .. }));
    let (key, dyno) = up_at(&mut host).await;
    drop(dyno);
    drain(&host, &key);
    assert!(matches!(host.report().await, Report::Down { .. }));
    assert!(host.node.take(&key).is_none());
}

#[tokio::test]
async fn a_worker_is_up_at_once_and_its_exit_is_a_crash() {
    for (args, reason) in [(["0"], "exited with code 0"), (["9"], "exited with code 9")] {
        let mut host =
            Host::of_kind(ProcessKind::Process, "exit_with1", Limits::default(), &args).await;
        let (_, report) = host.start().await;
        assert!(matches!(report, Report::Up { .. }), "{report:?}");
        match host.report().await {
            Report::Crashed {
                cause,
                reason: told,
                ..
            } => {
                assert_eq!((cause, told.as_str()), (CrashCause::Exit, reason));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_drained_worker_sees_its_stdin_close() {
    for guest in ["hangs", "hangs1"] {
        let mut host =
            Host::of_kind(ProcessKind::Process, guest, Limits::default(), &["stdin"]).await;
        let (key, report) = host.start().await;
        assert!(matches!(report, Report::Up { .. }), "{report:?}");
        assert!(host.node.take(&key).is_none(), "it takes no requests");
        drain(&host, &key);
        let report = host.report().await;
        assert!(
            matches!(report, Report::Down { .. }),
            "not a crash: {report:?}"
        );
        assert!(host.lines().iter().any(|line| line == "stdin closed"));
    }
}

#[tokio::test]
async fn a_worker_can_be_stopped_whatever_it_does() {
    for (guest, how) in [("hangs", "spin"), ("hangs1", "sleep"), ("program3", "spin")] {
        let mut host = Host::of_kind(ProcessKind::Process, guest, Limits::default(), &[how]).await;
        let (key, report) = host.start().await;
        assert!(matches!(report, Report::Up { .. }), "{report:?}");
        drain(&host, &key);
        stop(&host, &key);
        let report = host.report().await;
        assert!(matches!(report, Report::Down { .. }), "{report:?}");
        assert_eq!(host.node.dynos(), 0);
    }
}

/// The switched connection occupies the dyno; the dyno is free when the connection has ended.
#[tokio::test]
async fn a_server_can_switch_protocols() {
    let mut host = server("chats", &[]).await;
    let dyno = host.up().await;
    let (dyno, reply) = ask(dyno, get("/plain")).await;
    assert_eq!(reply.text(), "plain\n");
    let mut request = get("/chat");
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (call, reply) = call(dyno.unwrap(), request);
    let call = tokio::spawn(call);
    let mut tunnel = loop {
        if let Some(tunnel) = reply.lock().unwrap().tunnel.take() {
            break tunnel;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let head = reply.lock().unwrap().head.take().unwrap();
    assert_eq!(head.status, 101);
    assert_eq!(
        head.headers["sec-websocket-accept"],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    // A WebSocket frame, masked with zeros, and the answer.
    tunnel.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    let mut frame = [0; 4];
    tunnel.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x02hi");
    assert!(!call.is_finished(), "it holds the dyno");
    drop(tunnel);
    let dyno = call.await.unwrap().expect("the server goes on");
    let (_, reply) = ask(dyno, get("/plain")).await;
    assert_eq!(reply.text(), "plain\n");
}

/// Sockets of WASI 0.3 use the same virtual port.
#[tokio::test]
async fn a_listener_of_wasi_0_3_serves() {
    let mut host = server("listens3", &[]).await;
    let (key, mut dyno) = up_at(&mut host).await;
    assert!(
        host.lines().contains(&"other_port: refused".to_owned()),
        "{:?}",
        host.lines()
    );
    for (path, number) in [("/", 1), ("/", 2), ("/close", 3), ("/", 4)] {
        let (same, reply) = ask(dyno, get(path)).await;
        assert_eq!(
            reply.text(),
            format!("requests={number}\n"),
            "{:?}",
            host.lines()
        );
        dyno = same.unwrap();
    }
    drop(dyno);
    drain(&host, &key);
    assert!(matches!(host.report().await, Report::Down { .. }));
    assert!(
        host.lines().contains(&"listened to the end".to_owned()),
        "{:?}",
        host.lines()
    );
}

/// Neither an idle nor a busy server panics when it is stopped.
#[tokio::test]
async fn stopping_a_plain_server_logs_nothing() {
    for (ends, asks) in [(drain as fn(&Host, &DynoKey), 0), (drain, 3), (stop, 1)] {
        let mut host = server("book", &[]).await;
        let (key, mut dyno) = up_at(&mut host).await;
        for _ in 0..asks {
            let (same, reply) = ask(dyno, get("/page")).await;
            assert_eq!(reply.text(), "GET /page HTTP/1.1\n", "{:?}", host.lines());
            dyno = same.unwrap();
        }
        ends(&host, &key);
        drop(dyno);
        let report = host.report().await;
        assert!(matches!(report, Report::Down { .. }), "{report:?}");
        assert_eq!(host.lines(), [""; 0]);
        assert_eq!(host.node.dynos(), 0);
    }
}

#[tokio::test]
async fn the_log_of_a_server_on_a_wrong_address_names_the_right_one() {
    for address in ["127.0.0.1:8080", "0.0.0.0:3000", "[::]:80"] {
        let mut host = server("wrong_port", &[address]).await;
        let (_, report) = host.start().await;
        assert!(matches!(report, Report::Crashed { .. }), "{report:?}");
        let lines = host.lines();
        let told = lines
            .iter()
            .find(|line| line.contains("where no request reaches it"));
        let told = told.unwrap_or_else(|| panic!("{lines:?}"));
        assert!(told.contains(&format!("listen at {address}, ")), "{told}");
        assert!(told.ends_with("listen at 0.0.0.0:$PORT"), "{told}");
    }
}
