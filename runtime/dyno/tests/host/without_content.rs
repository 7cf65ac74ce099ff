//! Responses without content (RFC 9110, 8.6, 9.3.2, 15.3.5 and 15.4.5): responses to HEAD, and 204 and 304, may
//! announce any length; a body that the guest writes is discarded.

use bytes::Bytes;
use grid::desired::{Limits, ProcessKind};
use http::{Method, Request};

use crate::support::{Host, Reply, ask, get};

fn head(path: &str) -> Request<Bytes> {
    let mut request = get(path);
    *request.method_mut() = Method::HEAD;
    request
}

fn length(reply: &Reply) -> Option<&str> {
    let headers = &reply.head.as_ref().expect("a head").headers;
    Some(headers.get("content-length")?.to_str().unwrap())
}

/// One instance answers all requests completely, and logs nothing.
async fn all_are_whole(guest: &str, requests: Vec<Request<Bytes>>) {
    let mut host = Host::new(guest).await;
    let mut dyno = host.up().await;
    let count = requests.len();
    for request in requests {
        let what = format!("{guest}: {} {}", request.method(), request.uri());
        let (same, reply) = ask(dyno, request).await;
        assert!(reply.finished, "{what}: {reply:?}, {:?}", host.lines());
        // RFC 9110, 8.6: a 204 has no Content-Length.
        let has_length = reply.status() != 204;
        assert_eq!(length(&reply).is_some(), has_length, "{what}: {reply:?}");
        dyno = same.unwrap_or_else(|| panic!("{what}: {:?}", host.lines()));
    }
    let (_, reply) = ask(dyno, get("/ok")).await;
    assert_eq!(reply.text(), format!("ok {}\n", count + 1), "{guest}");
    let complaint = |line: &&String| line.contains("length") || line.contains("response");
    assert_eq!(host.lines().iter().find(complaint), None, "{guest}");
}

#[tokio::test]
async fn head_response_has_the_length_of_the_get_and_no_content_rfc9110_9_3_2() {
    for guest in ["announces", "announces3"] {
        let paths = [
            "/",
            "/?bytes=10",
            "/?bytes=100000",
            "/?bytes=1234",
            "/?status=404",
        ];
        all_are_whole(guest, paths.map(head).to_vec()).await;
    }
    for guest in ["short_body", "short_body3", "long_body"] {
        all_are_whole(guest, vec![head("/"), head("/")]).await;
    }
    // The guest need not finish the body.
    all_are_whole("short_body", vec![head("/?how=drop")]).await;
    all_are_whole("short_body3", vec![head("/?how=error")]).await;
}

#[tokio::test]
async fn responses_204_and_304_have_no_content_rfc9110_15_4_5() {
    for guest in ["announces", "announces3"] {
        let paths = [
            "/?status=304",
            "/?status=304&bytes=10",
            "/?status=304&bytes=100000",
            "/?status=204",
            "/?status=204&bytes=10",
        ];
        all_are_whole(guest, paths.map(get).to_vec()).await;
        all_are_whole(guest, paths.map(head).to_vec()).await;
    }
    all_are_whole("late_status", vec![get("/"), get("/?status=204")]).await;
}

/// The server of the Rust book sends a body for HEAD as well; the host must discard the body.
#[tokio::test]
async fn a_body_that_a_server_sends_for_a_head_request_is_discarded() {
    let mut host = Host::of_kind(ProcessKind::Server, "listens", Limits::default(), &[]).await;
    let mut dyno = host.up().await;
    for request in [head("/"), get("/"), head("/big"), head("/close"), get("/")] {
        let what = format!("{} {}", request.method(), request.uri());
        let (is_head, big) = (request.method() == Method::HEAD, what.ends_with("/big"));
        let (same, reply) = ask(dyno, request).await;
        assert_eq!(
            (reply.status(), reply.finished),
            (200, true),
            "{what}: {reply:?}"
        );
        assert_eq!(reply.body.is_empty(), is_head, "{what}");
        assert_eq!(length(&reply) == Some("1048576"), big, "{what}");
        dyno = same.unwrap_or_else(|| panic!("{what}: {:?}", host.lines()));
    }
}

/// For all other responses, the announced length is binding.
#[tokio::test]
async fn other_responses_must_have_their_announced_length_rfc9110_8_6() {
    let shorts = [
        ("announces3", "/?bytes=10"),
        ("announces3", "/?bytes=10&status=404"),
        ("late_status", "/?status=200"),
        ("short_body", "/"),
    ];
    for (guest, path) in shorts {
        let mut host = Host::new(guest).await;
        let (_, reply) = ask(host.up().await, get(path)).await;
        assert!(!reply.finished, "{guest} {path}: {reply:?}");
    }
    // The request before was a HEAD.
    let mut host = Host::new("short_body").await;
    let (dyno, reply) = ask(host.up().await, head("/")).await;
    assert!(reply.finished);
    let (dyno, reply) = ask(dyno.unwrap(), get("/")).await;
    assert!(!reply.finished && dyno.is_some());
}

/// A handler that fails after the response head drops the body: the response is aborted, the instance stays.
#[tokio::test]
async fn a_dropped_body_aborts_the_response_and_keeps_the_instance() {
    for (guest, path) in [("short_body", "/?how=drop"), ("short_body3", "/?how=error")] {
        let mut host = Host::new(guest).await;
        let mut dyno = host.up().await;
        for _ in 0..3 {
            let (same, reply) = ask(dyno, get(path)).await;
            assert!(
                reply.head.is_some() && !reply.finished,
                "{guest}: {reply:?}"
            );
            dyno = same.expect("it is kept");
        }
        let (_, reply) = ask(dyno, get("/ok")).await;
        assert_eq!(reply.text(), "ok 4\n", "{guest}");
        let lines = host.lines();
        let why = |line: &&String| line.contains("the app broke its response off");
        // For the other guest, the log says that the body is shorter than announced.
        let expected = if guest == "short_body" { 3 } else { 0 };
        assert_eq!(lines.iter().filter(why).count(), expected, "{lines:?}");
    }
}
