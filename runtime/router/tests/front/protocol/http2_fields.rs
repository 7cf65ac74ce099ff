//! Fields of HTTP/2 messages (RFC 9113, 8.2), in and out.

use crate::protocol::headers::{mirror, value};
use crate::protocol::http2::client;
use crate::world::{End, World, head, say};
use bytes::Bytes;
use exchange::Reply;
use http::{HeaderMap, HeaderValue, Request};

fn get() -> Request<()> {
    Request::get("http://hello.localhost/").body(()).unwrap()
}

/// The status, and what the app saw.
async fn ask(request: Request<()>) -> (u16, Vec<String>) {
    let world = World::new(1, |request, reply, _| mirror(request, reply));
    let mut client = client(world.pipe()).await;
    let (response, _) = client.send_request(request, true).unwrap();
    let (head, mut stream) = response.await.unwrap().into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        body.extend_from_slice(&data.unwrap());
    }
    let seen = String::from_utf8(body).unwrap();
    (
        head.status.as_u16(),
        seen.lines().map(str::to_owned).collect(),
    )
}

/// RFC 9113, 8.2.3.
#[tokio::test]
async fn the_parts_of_a_cookie_are_joined() {
    let mut request = get();
    for crumb in ["a=1", "b=2; c=3", "d=\"4\""] {
        request
            .headers_mut()
            .append("cookie", crumb.parse().unwrap());
    }
    let (status, seen) = ask(request).await;
    assert_eq!(status, 200);
    assert_eq!(value(&seen, "cookie"), ["a=1; b=2; c=3; d=\"4\""]);
    // The parts of a cookie are one header, even if they are more than the headers that a request may have.
    let mut request = get();
    for n in 0..150 {
        let crumb = format!("c{n}=1").parse().unwrap();
        request.headers_mut().append("cookie", crumb);
    }
    let (status, seen) = ask(request).await;
    assert_eq!((status, value(&seen, "cookie").len()), (200, 1));
}

/// RFC 9113, 8.2.1.
#[tokio::test]
async fn a_value_with_blanks_around_it_is_malformed() {
    for bad in [" a", "a ", "\ta", "a\t", " "] {
        let mut request = get();
        request
            .headers_mut()
            .insert("x-blank", HeaderValue::from_static(bad));
        assert_eq!(ask(request).await.0, 400, "{bad:?}");
    }
    let mut request = get();
    request
        .headers_mut()
        .insert("x-blank", HeaderValue::from_static("a b\tc"));
    let (status, seen) = ask(request).await;
    assert_eq!((status, value(&seen, "x-blank")), (200, vec!["a b\tc"]));
}

/// RFC 9113, 8.2.2.
#[tokio::test]
async fn connection_specific_headers_are_malformed() {
    for (name, bad) in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
    ] {
        let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
        let mut client = client(world.pipe()).await;
        let mut request = get();
        request.headers_mut().insert(name, bad.parse().unwrap());
        // The client's own library refuses some of them.
        if let Ok((response, _)) = client.send_request(request, true) {
            let status = response.await.map(|response| response.status());
            assert!(status.map_or(true, |status| status == 400), "{name}");
        }
        assert_eq!(world.router.statistics().requests, 0, "{name}");
    }
    let mut request = get();
    request
        .headers_mut()
        .insert("te", HeaderValue::from_static("trailers"));
    assert_eq!(ask(request).await.0, 200);
}

#[tokio::test]
async fn an_apps_values_are_sent_without_the_blanks_around_them() {
    let world = World::new(1, |_, mut reply: Reply, _| async move {
        let mut head = head(200);
        for (name, value) in [
            ("x-blank", " a b\t"),
            ("x-empty", " "),
            ("connection", "close"),
        ] {
            head.headers.insert(name, HeaderValue::from_static(value));
        }
        reply.send_head(head).unwrap();
        reply.send_data(Bytes::from_static(b"body"));
        let mut trailers = HeaderMap::new();
        trailers.insert("x-trailer", HeaderValue::from_static(" t "));
        reply.finish(Some(trailers));
        End::Free
    });
    let mut client = client(world.pipe()).await;
    let (response, _) = client.send_request(get(), true).unwrap();
    let (head, mut stream) = response.await.unwrap().into_parts();
    assert_eq!(head.headers["x-blank"], "a b");
    assert_eq!(head.headers["x-empty"], "");
    assert!(!head.headers.contains_key("connection"));
    while let Some(data) = stream.data().await {
        data.unwrap();
    }
    let trailers = stream.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["x-trailer"], "t");
}
