//! Interim responses on HTTP/2: `Expect: 100-continue` (RFC 9110, 10.1.1) and early hints (RFC 8297).

use crate::protocol::http2::client;
use crate::world::{World, app, echo, eventually, say};
use bytes::Bytes;
use exchange::{Reply, RequestBody};
use grid::protocol::{Refusal, RouteTarget};
use h2::client::ResponseFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use std::future::poll_fn;

fn post(expect: Option<&'static str>) -> Request<()> {
    let mut request = Request::post("http://hello.localhost/").body(()).unwrap();
    if let Some(expect) = expect {
        let expect = HeaderValue::from_static(expect);
        request.headers_mut().insert("expect", expect);
    }
    request
}

/// The next interim response, or none if the response itself is next.
async fn interim(response: &mut ResponseFuture) -> Option<Response<()>> {
    let next = poll_fn(|cx| response.poll_informational(cx)).await;
    next.map(Result::unwrap)
}

async fn text(response: Response<h2::RecvStream>) -> String {
    let mut stream = response.into_body();
    let mut all = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        let _ = stream.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_100_continue_gets_it() {
    for length in [5, 200_000] {
        let world = World::new(1, |request, reply, _| echo(request, reply));
        let mut client = client(world.pipe()).await;
        let (mut response, mut send) = client
            .send_request(post(Some("100-Continue")), false)
            .unwrap();
        // No byte of the body is sent before that.
        assert_eq!(interim(&mut response).await.unwrap().status(), 100);
        let body = Bytes::from("x".repeat(length));
        send.send_data(body, true).unwrap();
        assert!(interim(&mut response).await.is_none(), "once");
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(text(response).await.len(), length);
    }
}

/// RFC 9110, 10.1.1: no 100 for a request that is refused anyway, for a body that has arrived already, or without
/// `Expect`.
#[tokio::test(start_paused = true)]
async fn no_100_continue_for_a_body_that_is_not_needed() {
    let world = World::new(1, |request, reply, _| echo(request, reply));
    let mut client = client(world.pipe()).await;
    for expect in [None, Some("100-continue")] {
        let (mut response, mut send) = client.send_request(post(expect), false).unwrap();
        send.send_data(Bytes::from_static(b"unasked"), true)
            .unwrap();
        assert!(interim(&mut response).await.is_none(), "{expect:?}");
        assert_eq!(text(response.await.unwrap()).await, "unasked");
    }
    let (mut response, _) = client
        .send_request(post(Some("100-continue")), true)
        .unwrap();
    assert!(interim(&mut response).await.is_none(), "there is no body");
    assert_eq!(response.await.unwrap().status(), 200);

    world.publish(RouteTarget::Refuse(Refusal::Maintenance), Vec::new(), 100);
    let (mut response, _send) = client
        .send_request(post(Some("100-continue")), false)
        .unwrap();
    assert!(interim(&mut response).await.is_none());
    assert_eq!(response.await.unwrap().status(), 503);
}

#[tokio::test(start_paused = true)]
async fn early_hints_come_before_the_response() {
    let world = World::servers(
        1,
        |request: Request<RequestBody>, reply: Reply, _| async move {
            let interim = reply.interim_sender();
            let mut headers = HeaderMap::new();
            headers.insert("link", HeaderValue::from_static(" </a.css>; rel=preload"));
            headers.insert("connection", HeaderValue::from_static("close"));
            for status in [100, 101, 103, 102] {
                interim(status.try_into().unwrap(), &headers);
            }
            if request.uri().path() == "/slow" {
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            }
            say(reply, 200, "done")
        },
    );
    let mut client = client(world.pipe()).await;
    for path in ["/slow", "/fast"] {
        let request = Request::get(format!("http://hello.localhost{path}"));
        let request = request.body(()).unwrap();
        let (mut response, _) = client.send_request(request, true).unwrap();
        let hints = interim(&mut response).await.unwrap();
        assert_eq!(hints.status(), 103);
        assert_eq!(hints.headers()["link"], "</a.css>; rel=preload");
        assert!(!hints.headers().contains_key("connection"));
        assert_eq!(interim(&mut response).await.unwrap().status(), 102);
        assert!(interim(&mut response).await.is_none());
        assert_eq!(text(response.await.unwrap()).await, "done");
    }
    eventually(|| world.router.load(&app()).unwrap().free == 1).await;
}

/// The HTTP layer keeps what a client does not take: endless interim responses must not fill the memory.
#[tokio::test(start_paused = true)]
async fn endless_interim_responses_are_dropped() {
    let world = World::servers(1, |_: Request<RequestBody>, reply: Reply, _| async move {
        let interim = reply.interim_sender();
        let mut headers = HeaderMap::new();
        headers.insert("link", HeaderValue::from_static("</a.css>; rel=preload"));
        for _ in 0..1_000 {
            interim(103.try_into().unwrap(), &headers);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        say(reply, 200, "done")
    });
    let mut client = client(world.pipe()).await;
    let request = Request::get("http://hello.localhost/").body(()).unwrap();
    let (mut response, _) = client.send_request(request, true).unwrap();
    let mut seen = 0;
    while let Some(hints) = interim(&mut response).await {
        assert_eq!(hints.status(), 103);
        seen += 1;
    }
    // 16 KiB, at 64 bytes for each, and 57 for its header.
    assert!((100..150).contains(&seen), "{seen}");
    assert_eq!(text(response.await.unwrap()).await, "done");
}

/// Whatever code the client resets the stream with, the upload is not complete: one that is read before a dyno is
/// taken reaches no dyno, and one that is streamed breaks off.
#[tokio::test(start_paused = true)]
async fn a_body_whose_stream_is_reset_is_not_complete() {
    for (length, reason) in [100, 100_000].into_iter().flat_map(|length| {
        [h2::Reason::NO_ERROR, h2::Reason::CANCEL].map(|reason| (length, reason))
    }) {
        let ends = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = ends.clone();
        let world = World::new(1, move |request: Request<RequestBody>, reply: Reply, _| {
            let seen = seen.clone();
            async move {
                let whole = request.into_body().collect().await.is_ok();
                seen.lock().unwrap().push(whole);
                say(reply, 200, "read")
            }
        });
        let mut client = client(world.pipe()).await;
        let (_response, mut send) = client.send_request(post(None), false).unwrap();
        send.send_data(Bytes::from("x".repeat(length)), false)
            .unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        send.send_reset(reason);
        let lines = world.lines(1).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(!lines[0].starts_with("at=info "), "{}", lines[0]);
        assert!(!ends.lock().unwrap().contains(&true), "{length} {reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_has_a_date_and_a_length() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "twelve bytes") });
    let mut client = client(world.pipe()).await;
    let request = Request::get("http://hello.localhost/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["content-length"], "12");
    assert!(
        response.headers()["date"]
            .to_str()
            .unwrap()
            .ends_with(" GMT")
    );
}
