//! Each H code: when it comes, what the client gets, what the log says.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use exchange::{BadResponse, Kill, Reply};
use grid::protocol::{Refusal, RouteTarget};
use http::HeaderValue;

use crate::raw::{Answer, Raw};
use crate::world::{End, World, app, head, key, route_to, say, send};

/// One `GET /` in virtual time, and its log line.
async fn get(world: &World) -> (Answer, String) {
    let mut raw = Raw::new(world.pipe());
    let answer = raw.get("/").await;
    let lines = world.lines(1).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    (answer, lines[0].clone())
}

fn check(answer: &Answer, line: &str, code: Refusal) {
    assert_eq!(answer.status, code.status());
    assert!(answer.complete);
    assert!(answer.body.contains(code.code()), "{}", answer.body);
    assert!(answer.body.contains(answer.header("x-request-id").unwrap()));
    let start = format!(
        "at={} code={} desc=\"{}\" method=GET path=\"/\"",
        code.level(),
        code.code(),
        code.desc()
    );
    assert!(line.starts_with(&start), "{line}");
    assert!(
        line.contains(&format!(" status={} ", code.status())),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusing_route_answers_at_once() {
    for code in [
        Refusal::AppCrashed,
        Refusal::NoWebDynos,
        Refusal::Maintenance,
        Refusal::BlankApp,
    ] {
        let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
        world.publish(RouteTarget::Refuse(code), Vec::new(), 100);
        let (answer, line) = get(&world).await;
        check(&answer, &line, code);
        assert!(line.contains("dyno= queue=0 wait=0ms"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn h12_when_serving_takes_too_long() {
    let world = World::new(1, |_, _reply: Reply, _| async move {
        let _held = _reply;
        pending::<End>().await
    });
    let (answer, line) = get(&world).await;
    check(&answer, &line, Refusal::RequestTimeout);
    assert!(
        line.contains("dyno=web.1 queue=0 wait=0ms connect=0ms service=30000ms"),
        "{line}"
    );
    assert_eq!(world.kills(), [Kill::Timeout]);
    assert_eq!(world.router.load(&app()).unwrap().free, 0);
}

#[tokio::test(start_paused = true)]
async fn h12_includes_the_waiting_time_and_logs_it() {
    let world = World::new(1, |_, _reply: Reply, _| async move {
        let _held = _reply;
        pending::<End>().await
    });
    world.change(Vec::new(), |route| {
        route.request_timeout = Some(Duration::from_secs(10));
    });
    let mut first = Raw::new(world.pipe());
    first
        .send("GET /1 HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut second = Raw::new(world.pipe());
    second
        .send("GET /2 HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    assert_eq!(first.answer().await.status, 503);
    // The dyno is lost. Its replacement takes the second request, which has six seconds left.
    world.serve(&[key(1, 2)], &[key(1, 2)]);
    assert_eq!(second.answer().await.status, 503);
    let records = world.recorded(2).await;
    assert_eq!(records[0].service.as_millis(), 10_000);
    assert_eq!(records[1].wait.as_millis() / 100, 40);
    assert_eq!(records[1].service.as_millis() / 100, 60);
    assert!(
        records
            .iter()
            .all(|r| r.code == Some(Refusal::RequestTimeout))
    );
}

#[tokio::test(start_paused = true)]
async fn h12_when_waiting_takes_too_long() {
    let world = World::new(0, |_, reply, _| async { say(reply, 200, "reached") });
    world.publish(route_to(&[key(1, 1)]), Vec::new(), 100);
    let (answer, line) = get(&world).await;
    check(&answer, &line, Refusal::RequestTimeout);
    assert!(
        line.contains("dyno= queue=0 wait=30000ms connect=0ms service=0ms"),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn h13_when_the_guest_ends_without_a_response() {
    let ends: [fn(Reply) -> End; 3] = [
        |_| End::Trap,
        |_| End::Free,
        |mut reply| {
            reply.finish(None);
            End::Free
        },
    ];
    for end in ends {
        for late in [false, true] {
            let world = World::new(1, move |_, reply, _| async move {
                if late {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                end(reply)
            });
            let (answer, line) = get(&world).await;
            check(&answer, &line, Refusal::NoResponse);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h15_when_the_guest_stops_sending() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        reply.send_head(head(200)).unwrap();
        for _ in 0..3 {
            send(&mut reply, Bytes::from_static(b"piece")).await;
            tokio::time::sleep(Duration::from_secs(50)).await;
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        say(reply, 200, "late")
    });
    let (answer, line) = get(&world).await;
    assert_eq!((answer.status, answer.complete), (200, false));
    assert_eq!(answer.body, "piece".repeat(3));
    assert!(
        line.contains("code=H15") && line.contains("status=503 bytes=15"),
        "{line}"
    );
    assert!(line.contains("service=155000ms"), "{line}");
    assert_eq!(world.kills(), [Kill::Stalled]);
}

#[tokio::test(start_paused = true)]
async fn h17_when_the_response_is_not_http() {
    let world = World::new(
        1,
        |request: http::Request<_>, mut reply: Reply, _| async move {
            let path = request.uri().path();
            let mut bad = head(200);
            let expected = match path {
                "/length" => {
                    bad.headers
                        .insert("content-length", HeaderValue::from_static("+1"));
                    BadResponse::ContentLength
                }
                "/lengths" => {
                    bad.headers
                        .append("content-length", HeaderValue::from_static("1"));
                    bad.headers
                        .append("content-length", HeaderValue::from_static("2"));
                    BadResponse::ContentLength
                }
                "/large" => {
                    let value = HeaderValue::from_str(&"x".repeat(100_000)).unwrap();
                    (0..6).for_each(|_| {
                        bad.headers.append("x", value.clone());
                    });
                    BadResponse::TooLarge
                }
                status => {
                    let status = status[1..].parse().unwrap();
                    bad = head(status);
                    BadResponse::Status(status)
                }
            };
            assert_eq!(reply.send_head(bad), Err(expected));
            reply.send_data(Bytes::from_static(b"x"));
            reply.finish(None);
            End::Free
        },
    );
    let mut raw = Raw::new(world.pipe());
    for path in ["/101", "/100", "/103", "/length", "/lengths", "/large"] {
        let answer = raw.get(path).await;
        assert_eq!(answer.status, 502, "{path}");
        assert!(answer.body.contains("H17"));
    }
    assert!(
        world
            .lines(6)
            .await
            .iter()
            .all(|l| l.contains("code=H17 desc=\"Poorly formatted"))
    );
}

#[tokio::test(start_paused = true)]
async fn h18_when_the_guest_aborts_its_response() {
    for (path, late) in [
        ("/trap", false),
        ("/trap", true),
        ("/drop", true),
        ("/short", false),
        ("/long", true),
    ] {
        let world = World::new(
            1,
            move |request: http::Request<_>, mut reply: Reply, _| async move {
                let path = request.uri().path();
                let mut head = head(200);
                if matches!(path, "/short" | "/long") {
                    let length = if path == "/short" { "100" } else { "3" };
                    head.headers
                        .insert("content-length", HeaderValue::from_static(length));
                }
                reply.send_head(head).unwrap();
                reply.send_data(Bytes::from_static(b"piece"));
                if late {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                match path {
                    "/trap" => End::Trap,
                    "/drop" => End::Free,
                    _ => {
                        reply.finish(None);
                        End::Free
                    }
                }
            },
        );
        let mut raw = Raw::new(world.pipe());
        let answer = raw.get(path).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.complete, "{path}: {answer:?}");
        assert!(raw.is_closed().await, "{path}");
        let lines = world.lines(1).await;
        assert!(
            lines[0].starts_with("at=error code=H18 desc=\"Server request interrupted\""),
            "{}",
            lines[0]
        );
        assert!(lines[0].contains("status=503"));
    }
}

#[tokio::test(start_paused = true)]
async fn h20_when_the_boot_takes_too_long() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    world.publish(RouteTarget::Booting, Vec::new(), 100);
    let (answer, line) = get(&world).await;
    check(&answer, &line, Refusal::BootTimeout);
    assert!(line.contains("wait=75000ms"), "{line}");
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test(start_paused = true)]
async fn boot_time_does_not_count_towards_the_request_timeout() {
    let world = World::new(0, |_, reply, _| async {
        tokio::time::sleep(Duration::from_secs(29)).await;
        say(reply, 200, "reached")
    });
    world.publish(RouteTarget::Booting, Vec::new(), 100);
    let mut raw = Raw::new(world.pipe());
    raw.send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    world.serve(&[key(1, 1)], &[key(1, 1)]);
    assert_eq!(raw.answer().await.status, 200);
    let record = &world.recorded(1).await[0];
    assert_eq!((record.wait.as_secs(), record.service.as_secs()), (70, 29));
}

#[tokio::test(start_paused = true)]
async fn after_a_boot_the_waiting_time_is_still_limited() {
    let world = World::new(0, |_, reply, _| async { say(reply, 200, "reached") });
    world.publish(RouteTarget::Booting, Vec::new(), 100);
    let mut raw = Raw::new(world.pipe());
    raw.send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    // The dyno is up, and its handle is lost at once.
    world.publish(route_to(&[key(1, 1)]), Vec::new(), 100);
    assert!(raw.answer().await.body.contains("H12"));
    assert_eq!(world.recorded(1).await[0].wait.as_secs(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_dyno_can_refuse_with_any_code() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        reply.fail(Refusal::Platform);
        End::Free
    });
    let (answer, line) = get(&world).await;
    check(&answer, &line, Refusal::Platform);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_keeps_running_after_its_response_is_killed() {
    let world = World::new(1, |_, reply, _| async {
        say(reply, 200, "done");
        tokio::time::sleep(Duration::from_secs(29)).await;
        End::Free
    });
    let (answer, _) = get(&world).await;
    assert_eq!(answer.body, "done");
    crate::world::eventually(|| world.router.load(&app()).unwrap().free == 1).await;
    assert!(world.kills().is_empty());
    let world = World::new(1, |_, reply, _| async {
        say(reply, 200, "done");
        pending::<End>().await
    });
    let (answer, _) = get(&world).await;
    assert_eq!(answer.body, "done");
    crate::world::eventually(|| world.kills() == [Kill::Timeout]).await;
}
