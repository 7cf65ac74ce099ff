//! Headers in and out.

use exchange::{Reply, RequestBody};
use http::{HeaderValue, Request};

use crate::raw::Raw;
use crate::world::{End, World, head, say};

/// Answers with the request's headers, one a line.
pub(crate) async fn mirror(request: Request<RequestBody>, reply: Reply) -> End {
    let mut lines = vec![format!("{} {}", request.method(), request.uri())];
    for (name, value) in request.headers() {
        lines.push(format!("{name}: {}", value.to_str().unwrap()));
    }
    say(reply, 200, &lines.join("\n"))
}

async fn seen(headers: &str) -> Vec<String> {
    let world = World::new(1, |request, reply, _| mirror(request, reply));
    let mut raw = Raw::new(world.pipe());
    let answer = raw
        .ask(format!(
            "GET /x HTTP/1.1\r\nHost: hello.localhost\r\n{headers}\r\n"
        ))
        .await;
    assert_eq!(answer.status, 200);
    answer.body.lines().map(str::to_owned).collect()
}

pub(crate) fn value<'a>(seen: &'a [String], name: &str) -> Vec<&'a str> {
    let found = seen.iter().filter_map(|line| line.split_once(": "));
    found.filter(|(n, _)| *n == name).map(|(_, v)| v).collect()
}

#[tokio::test]
async fn the_app_gets_the_address_of_the_client() {
    let seen = seen("").await;
    assert_eq!(seen[0], "GET /x");
    assert_eq!(value(&seen, "host"), ["hello.localhost"]);
    assert_eq!(value(&seen, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(value(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(value(&seen, "x-forwarded-port"), ["8080"]);
    assert_eq!(value(&seen, "via"), ["1.1 dyno"]);
    assert_eq!(value(&seen, "x-dyno-queue-wait"), ["0"]);
    assert_eq!(value(&seen, "x-dyno-queue-depth"), ["0"]);
    assert_eq!(value(&seen, "x-request-id")[0].len(), 36);
    let start: u128 = value(&seen, "x-request-start")[0].parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    assert!(now >= start && now - start < 3_600_000, "unix ms: {start}");
}

#[tokio::test]
async fn forwarding_headers_of_the_client_are_replaced_or_removed() {
    let forged = "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-User: root\r\n\
                  X-Real-IP: 6.6.6.6\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-Port: 443\r\nX-Request-Start: 1\r\nX-Dyno-Queue-Wait: 9\r\n\
                  X-Dyno-Queue-Depth: 9\r\nVia: 1.0 fred\r\ntraceparent: 00-1-2-01\r\n";
    let seen = seen(forged).await;
    assert_eq!(value(&seen, "x-forwarded-for"), ["192.0.2.7"]);
    for gone in [
        "x-forwarded-host",
        "x-forwarded-user",
        "x-forwarded-ssl",
        "forwarded",
        "x-real-ip",
    ] {
        assert!(value(&seen, gone).is_empty(), "{gone}");
    }
    assert_eq!(value(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(value(&seen, "x-forwarded-port"), ["8080"]);
    assert_ne!(value(&seen, "x-request-start"), ["1"]);
    assert_eq!(value(&seen, "x-dyno-queue-wait"), ["0"]);
    assert_eq!(value(&seen, "x-dyno-queue-depth"), ["0"]);
    assert_eq!(value(&seen, "via"), ["1.0 fred, 1.1 dyno"]);
    assert_eq!(value(&seen, "traceparent"), ["00-1-2-01"]);
}

#[tokio::test]
async fn hop_by_hop_headers_are_not_forwarded() {
    let hops = "Connection: keep-alive, X-Private, X-Forwarded-For, Host\r\nX-Private: 1\r\n\
                Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n\
                Upgrade: h2c\r\nHTTP2-Settings: AAA\r\nProxy-Authorization: x\r\n\
                content_length: 5\r\nX_Forwarded_For: 1\r\nX-Kept: yes\r\n";
    let seen = seen(hops).await;
    for gone in [
        "connection",
        "x-private",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "content_length",
        "x_forwarded_for",
    ] {
        assert!(value(&seen, gone).is_empty(), "{gone}");
    }
    assert_eq!(value(&seen, "x-kept"), ["yes"]);
    assert_eq!(value(&seen, "host"), ["hello.localhost"]);
    assert_eq!(value(&seen, "x-forwarded-for"), ["192.0.2.7"]);
}

#[tokio::test]
async fn a_valid_request_id_of_the_client_is_kept() {
    let long = "a".repeat(200);
    for (sent, kept) in [
        ("abc-123_.:+/=~@".to_owned(), true),
        (long.clone(), true),
        (format!("{long}a"), false),
        ("with space".to_owned(), false),
        ("quote\"".to_owned(), false),
        (String::new(), false),
    ] {
        let world = World::new(1, |request, reply, _| mirror(request, reply));
        let mut raw = Raw::new(world.pipe());
        let answer = raw
            .ask(format!(
                "GET / HTTP/1.1\r\nhost: hello.localhost\r\nX-Request-Id: {sent}\r\n\r\n"
            ))
            .await;
        let seen: Vec<String> = answer.body.lines().map(str::to_owned).collect();
        let id = value(&seen, "x-request-id");
        assert_eq!(id.len(), 1);
        assert_eq!(id[0] == sent, kept, "{sent:?}");
        assert_eq!(answer.header("x-request-id"), Some(id[0]));
        let record = &world.recorded(1).await[0];
        assert_eq!(record.request_id.to_str().unwrap(), id[0]);
    }
}

#[tokio::test]
async fn connection_headers_of_a_guest_are_removed() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        let mut head = head(200);
        for (name, value) in [
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-request-id", "forged"),
            ("x-kept", "yes"),
        ] {
            head.headers.insert(name, HeaderValue::from_static(value));
        }
        reply.send_head(head).unwrap();
        reply.finish(None);
        End::Free
    });
    let mut raw = Raw::new(world.pipe());
    let answer = raw.get("/").await;
    assert_eq!(answer.status, 200);
    for gone in [
        "connection",
        "x-private",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
    ] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    assert_eq!(answer.header("x-kept"), Some("yes"));
    assert_ne!(answer.header("x-request-id"), Some("forged"));
    assert_eq!(raw.get("/").await.status, 200);
}

#[tokio::test]
async fn an_absolute_target_replaces_the_host_header() {
    let world = World::new(1, |request, reply, _| mirror(request, reply));
    let mut raw = Raw::new(world.pipe());
    for (target, path) in [
        ("http://hello.localhost/a?b", "GET /a?b"),
        ("HTTP://Hello.LocalHost", "GET /"),
        ("http://hello.localhost:8080?q", "GET /?q"),
    ] {
        let answer = raw
            .ask(format!(
                "GET {target} HTTP/1.1\r\nhost: other.localhost\r\n\r\n"
            ))
            .await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.body.lines().next(), Some(path));
        assert!(
            answer
                .body
                .to_lowercase()
                .contains("\nhost: hello.localhost")
        );
    }
    let answer = raw
        .ask("OPTIONS * HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    assert_eq!(answer.body.lines().next(), Some("OPTIONS *"));
}
