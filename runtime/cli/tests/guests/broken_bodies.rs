//! Guests whose responses break HTTP, or break what their headers announce.
//!
//! A broken response never looks complete, on any version of HTTP, and none of its bytes reach the next response.

use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;

use crate::guest_app::{Stage, start};

/// More bytes than the host buffers before it sends the head: the client has the head when the guest traps.
const MUCH: &str = "bytes=3000000";

/// A trap within the body: the response is aborted, and the dyno replaced.
fn traps_in_mid_body(name: &str) -> Stage {
    let stage = start(name, &[]);
    for path in [format!("/x?{MUCH}"), format!("/y?{MUCH}&length=1")] {
        stage.ok();
        let mark = stage.line_count();
        let reply = stage.breaks_off(&path);
        assert!(reply.body.len() <= 3_000_000, "{} bytes", reply.body.len());
        stage.crashes(mark, "unreachable");
        stage.is_replaced();
    }
    for path in ["/x", "/y?length=1"] {
        stage.ok();
        // No byte was sent yet: the response is aborted nevertheless, and not replaced by an error page.
        stage.breaks_off(path);
        stage.is_replaced();
    }
    stage
}

/// A GET over HTTP/2. Returns the status, the received body, and the reset code of the stream, if any.
#[tokio::main(flavor = "current_thread")]
async fn h2_get(stage: &Stage, path: &str) -> (u16, usize, Option<Reason>) {
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", stage.port))
        .await
        .unwrap();
    let (mut sender, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("http://demo.localhost{path}"))
        .body(())
        .unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    let response = match response.await {
        Ok(response) => response,
        Err(error) => return (0, 0, error.reason()),
    };
    let (status, mut body, mut bytes) = (response.status().as_u16(), response.into_body(), 0);
    while let Some(data) = body.data().await {
        let data: Bytes = match data {
            Ok(data) => data,
            Err(error) => return (status, bytes, error.reason()),
        };
        bytes += data.len();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    (status, bytes, None)
}

/// Over HTTP/2, the stream is reset with an error code.
fn resets_the_stream(stage: &Stage, path: &str) {
    stage.ok();
    let (status, bytes, reset) = h2_get(stage, path);
    assert!(
        reset.is_some_and(|reason| reason != Reason::NO_ERROR),
        "{status}, {bytes}, {reset:?}"
    );
    let line = stage.wait_for_router_line(path);
    assert!(
        line.contains(" code=H18 ") && line.contains(" protocol=http2 "),
        "{line}"
    );
    stage.ok();
}

#[test]
fn midbody_trap() {
    let stage = traps_in_mid_body("midbody_trap");
    resets_the_stream(&stage, &format!("/h2?{MUCH}"));
    resets_the_stream(&stage, &format!("/h2?{MUCH}&length=1"));
    stage.ends();
}

#[test]
fn midbody_trap3() {
    let stage = traps_in_mid_body("midbody_trap3");
    resets_the_stream(&stage, &format!("/h2?{MUCH}"));
    stage.ends();
}

/// 100 of 1000 bytes: the response never looks complete, on either version of HTTP. The dyno keeps serving.
fn is_short(name: &str, paths: &[&str]) {
    let stage = start(name, &[]);
    for path in paths {
        let before = stage.ok();
        let reply = stage.breaks_off(path);
        assert_eq!(reply.body, [b'x'; 100]);
        let (status, bytes, reset) = h2_get(&stage, path);
        assert!(
            reset.is_some_and(|reason| reason != Reason::NO_ERROR),
            "{status}, {bytes}"
        );
        assert_eq!(stage.ok(), before + 3);
    }
    stage.ends();
}

#[test]
fn short_body() {
    is_short("short_body", &["/x", "/x?how=drop"]);
}

#[test]
fn short_body3() {
    is_short("short_body3", &["/x", "/x?how=error"]);
}

#[test]
fn long_body() {
    let stage = start("long_body", &[]);
    let mut client = stage.connect();
    client
        .write_all(b"GET /x HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
        .unwrap();
    client
        .write_all(b"GET /ok HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut bytes = Vec::new();
    // A reset connection is accepted too.
    let _ = client.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    // After the 100 bytes comes the next response or nothing.
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let rest = body.trim_start_matches('x');
    assert!(body.len() - rest.len() <= 100, "{text}");
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 "), "{rest}");
    let line = stage.wait_for_router_line("/x");
    assert!(line.contains(" code=H18 "), "{line}");
    stage.ok();
    stage.ends();
}

/// A client that reads nothing uses at most the buffer. A client that disconnects ends the call, which is no crash.
fn writes_for_ever(name: &str, head: usize) {
    let stage = start(name, &[]);
    let base = stage.kib("VmRSS");
    // Twice in a row, because no back-off may apply.
    for path in ["/1", "/2", "/3"] {
        let mark = stage.line_count();
        let (client, got) = stage.begin(path, head);
        assert!(got.starts_with(b"HTTP/1.1 200 OK\r\n"));
        std::thread::sleep(Duration::from_millis(200));
        drop(client);
        let line = stage.wait_for_router_line_after(mark, path);
        assert!(
            line.contains(" code=H27 ") && line.contains(" status=499 "),
            "{line}"
        );
    }
    stage.held(base, 0);
    stage.ok();
    let lines = stage.lines();
    let blamed = lines
        .iter()
        .find(|line| line.contains("]: Crashed: ") || line.contains("H10"));
    assert_eq!(blamed, None, "a hang-up is no crash");
    stage.ends();
}

#[test]
fn endless_body() {
    writes_for_ever("endless_body", 4 * 1024 * 1024);
}

#[test]
fn endless_body3() {
    writes_for_ever("endless_body3", 4 * 1024 * 1024);
}

#[test]
fn write_after_hangup() {
    writes_for_ever("write_after_hangup", 300);
}

#[test]
fn write_after_hangup3() {
    writes_for_ever("write_after_hangup3", 300);
}

/// Clients that read nothing of large responses occupy no dyno: the unread rest waits on disk.
#[test]
fn slow_readers_do_not_hold_the_dyno() {
    let stage = start("good", &[]);
    let base = stage.kib("VmRSS");
    let slow: Vec<_> = (0..5)
        .map(|_| stage.begin("/big?bytes=30000000", 100))
        .collect();
    for _ in 0..20 {
        assert_eq!(stage.get("/").status, 200);
    }
    stage.held(base, 0);
    // One of the clients continues and receives everything.
    let (mut client, _) = slow.into_iter().next().unwrap();
    let mut chunk = vec![0; 1024 * 1024];
    let mut got = 0;
    while got < 30_000_000 {
        let len = client.read(&mut chunk).unwrap();
        assert!(len > 0, "the response ended after {got} bytes");
        got += len;
    }
    stage.ends();
}

/// An endless response also outgrows the disk: its client is cut off, and the next request gets the dyno.
#[test]
fn a_slow_reader_of_an_endless_body_is_cut_off() {
    let stage = start("endless_body", &[]);
    let (client, _) = stage.begin("/1", 100);
    let line = stage.wait_for_router_line("/1");
    assert!(
        line.contains(" code=H28 ") && line.contains(" status=499 "),
        "{line}"
    );
    drop(client);
    let (_next, got) = stage.begin("/2", 100);
    assert!(got.starts_with(b"HTTP/1.1 200 OK\r\n"));
    stage.ends();
}

/// The body looks like a request, and must not be parsed as one.
#[test]
fn never_reads_body() {
    let stage = start("never_reads_body", &[]);
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: demo.localhost\r\n\r\n";
    for repeats in [1, 20_000] {
        let body = smuggled.repeat(repeats);
        let head = format!(
            "POST /x HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let next = b"GET /ok HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n\r\n";
        let mut client = stage.connect();
        let mut sender = client.try_clone().unwrap();
        let sent = [head.as_bytes(), &body, next].concat();
        let sending = std::thread::spawn(move || sender.write_all(&sent));
        let mut bytes = Vec::new();
        let _ = client.read_to_end(&mut bytes);
        let _ = sending.join().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("not interested\n"),
            "{text}"
        );
        let second = text.split_once("not interested\n").unwrap().1;
        let whole = second.trim_start_matches(['\r', '\n', '0']);
        assert!(
            whole.is_empty() || whole.starts_with("HTTP/1.1 200 OK") && whole.contains("ok "),
            "{text}"
        );
    }
    stage.ok();
    assert!(
        !stage
            .lines()
            .iter()
            .any(|line| line.contains("path=\"/smuggled\""))
    );
    stage.ends();
}

#[test]
fn header_flood() {
    let stage = start("header_flood", &["web=2"]);
    let base = stage.kib("VmRSS");
    for path in ["/x", "/x?n=600&bytes=1000"] {
        let (reply, _) = stage.beside(path);
        assert_eq!((reply.status, reply.complete), (502, true), "{reply:?}");
        assert!(
            !reply
                .headers
                .iter()
                .any(|(name, _)| name.starts_with("x-flood"))
        );
        let line = stage.wait_for_router_line(path);
        assert!(
            line.contains(" code=H17 ") && line.contains(" status=502 "),
            "{line}"
        );
    }
    stage.held(base, 0);
    // A name that is repeated in a list counts each time.
    let mark = stage.line_count();
    let reply = stage.get("/x?n=600&name=60000&bytes=1");
    assert_eq!((reply.status, reply.complete), (502, true), "{reply:?}");
    stage.wait_for_line_after(mark, "the end of that dyno", |line| {
        line.contains(": Crashed: total size of fields exceeds limit")
    });
    // Large headers within the limits pass.
    for path in ["/x?n=90&bytes=1000", "/x?n=90&bytes=1000&name=1000"] {
        let reply = stage.get(path);
        assert_eq!((reply.status, reply.headers.len() >= 90), (200, true));
    }
    stage.ends();
}

#[test]
fn bad_headers() {
    let stage = start("bad_headers", &[]);
    let reply = stage.get("/x");
    let text = reply.text();
    for case in [
        "name_empty",
        "name_space",
        "name_colon",
        "name_crlf",
        "name_nul",
        "name_pseudo",
    ] {
        assert!(text.contains(&format!("{case}: refused")), "{text}");
    }
    for case in [
        "value_crlf",
        "value_lf",
        "value_cr",
        "value_nul",
        "transfer_encoding",
    ] {
        assert!(text.contains(&format!("{case}: refused")), "{text}");
    }
    // With all accepted headers, the response is valid, without headers that are reserved to the host.
    let reply = stage.get("/x?send=1");
    assert_eq!((reply.status, reply.complete), (200, true), "{reply:?}");
    for name in [
        "set-cookie",
        "evil",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "te",
    ] {
        assert_eq!(reply.header(name), None, "{reply:?}");
    }
    stage.ok();
    stage.ends();
}

#[test]
fn status_101() {
    let stage = start("status_101", &[]);
    stage.refuses("/x", "H17", 502);
    stage.ok();
    stage.ends();
}

/// The engine refuses this number, and the guest gets an error.
#[test]
fn status_42() {
    let stage = start("status_42", &[]);
    let reply = stage.get("/x");
    assert_eq!((reply.status, reply.text().as_str()), (200, "refused\n"));
    stage.ok();
    stage.ends();
}
