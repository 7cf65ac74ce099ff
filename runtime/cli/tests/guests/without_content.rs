//! Responses without content, over the wire: to HEAD, and with status 204 and 304 (RFC 9110, 8.6, 9.3.2, 15.3.5,
//! 15.4.5).

use std::io::{Read, Write};

use http::{Method, Request};

use crate::guest_app::{Stage, start};

/// Method, path, and the `Content-Length` that the client gets.
const CASES: [(&str, &str, Option<&str>); 6] = [
    ("HEAD", "/", Some("1234")),
    ("HEAD", "/?bytes=5000", Some("1234")),
    ("HEAD", "/?bytes=10&length=0", None),
    ("GET", "/?status=304", Some("1234")),
    ("GET", "/?status=304&bytes=10", Some("1234")),
    ("GET", "/?status=204&bytes=10", None),
];

/// Reads the next response head on a connection. Stray body bytes would be read as the next head.
fn read_head(from: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte).expect("the connection goes on");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a head is text")
}

fn over_http1(stage: &Stage) {
    let mut stream = stage.connect();
    for (method, path, length) in CASES.iter().chain(&CASES) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: demo.localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut stream);
        let what = format!("{method} {path}: {head}");
        assert!(head.starts_with("HTTP/1.1 "), "{what}");
        let told = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(told, *length, "{what}");
        assert!(!head.contains("transfer-encoding"), "{what}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn over_http2(stage: &Stage) {
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", stage.port));
    let (mut client, connection) = h2::client::handshake(tcp.await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    for (method, path, length) in CASES.iter().chain(&CASES) {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://demo.localhost{path}"))
            .body(())
            .unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        let response = response
            .await
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let told = response.headers().get("content-length");
        assert_eq!(
            told.map(|told| told.to_str().unwrap()),
            *length,
            "{method} {path}"
        );
        let data = response.into_body().data().await;
        let data = data.map(|data| data.unwrap_or_else(|e| panic!("{method} {path}: {e}")));
        assert!(data.is_none_or(|data| data.is_empty()), "{method} {path}");
    }
}

/// None of these responses ends the dyno.
fn are_whole(name: &str) {
    let stage = start(name, &[]);
    let before = stage.ok();
    over_http1(&stage);
    over_http2(&stage);
    assert_eq!(
        stage.ok(),
        before + 4 * CASES.len() as u64 + 1,
        "the dyno was replaced"
    );
    let odd = |line: &&String| line.contains(" at=error ") || line.contains("]: Crashed: ");
    assert_eq!(stage.lines().iter().find(odd), None);
    stage.ends();
}

#[test]
fn announces() {
    are_whole("announces");
}

#[test]
fn announces3() {
    are_whole("announces3");
}
