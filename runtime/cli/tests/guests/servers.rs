//! Server dynos, seen from outside: programs that listen on `$PORT`.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use testkit::{DynoProcess, foreign_guest_path, guest_path, log_field};

use crate::guest_app::{Stage, folder, limited, number, start};

/// The dyno of a router log line.
fn dyno(line: &str) -> String {
    let (_, dyno) = line.split_once(" dyno=").unwrap();
    dyno.split(' ').next().unwrap().to_owned()
}

fn four_are_up(stage: &Stage) {
    for dyno in 1..=4 {
        let up = format!("dyno[web.{dyno}]: State changed from starting to up");
        stage.wait_for_line(&up, |line| line.ends_with(&up));
    }
}

/// Four dynos, each on its own port; each of four concurrent requests gets its own dyno.
#[test]
fn listens() {
    let stage = start("listens", &["web=4"]);
    four_are_up(&stage);
    // Four concurrent requests use four dynos: each occupies its dyno until all are sent.
    let mut ports = HashSet::new();
    while ports.len() < 4 {
        thread::scope(|scope| {
            let asked: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| stage.get("/pause?ms=200")))
                .collect();
            for reply in asked {
                ports.insert(number(&reply.join().unwrap(), "port"));
            }
        });
    }
    assert_eq!(ports.len(), 4);
    for port in &ports {
        let port = u16::try_from(*port).unwrap();
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
            "nobody else can dial it"
        );
    }
    let body: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    let reply = stage.post("/echo", &body);
    assert!(reply.status == 200 && reply.complete && reply.body == body);
    let seen = stage.get("/headers").text();
    for header in [
        "x-request-id: ",
        "x-forwarded-for: 127.0.0.1",
        "via: 1.1 dyno",
    ] {
        assert!(seen.contains(header), "{seen}");
    }
    stage.ends();
}

#[test]
fn listens_and_ends() {
    let stage = limited("listens", "timeout = \"1s\"", &[]);
    stage.refuses("/drop", "H13", 503);
    stage.refuses("/broken", "H17", 502);
    stage.breaks_off("/half");
    let mark = stage.line_count();
    stage.refuses("/spin", "H12", 503);
    stage.wait_for_line_after(mark, "its end", |line| {
        line.contains("Crashed: killed, since a request took too long")
    });
    stage.wait_for_line_after(mark, "a new one", |line| {
        line.ends_with("State changed from starting to up")
    });
    let reply = stage.get("/");
    assert_eq!(
        (number(&reply, "connections"), number(&reply, "requests")),
        (1, 1)
    );
    let mark = stage.line_count();
    assert_eq!(stage.get("/exit").status, 503);
    stage.wait_for_line_after(mark, "its exit", |line| {
        line.contains("Crashed: exited with code 1")
    });
    stage.ends();
}

/// Early hints reach the client at once. An invalid response is H17, and the app's log has the reason.
#[test]
fn answers_raw() {
    let stage = start("answers_raw", &[]);
    let path = |bytes: &str| {
        let digits: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("/?raw={digits}")
    };
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: demo.localhost\r\nconnection: close\r\n\r\n",
        path(&format!("{hints}{response}"))
    );
    let text = String::from_utf8(stage.send_bytes(request.as_bytes())).unwrap();
    assert!(text.starts_with(hints), "{text}");
    assert!(
        text[hints.len()..].starts_with("HTTP/1.1 200 OK\r\n"),
        "{text}"
    );

    let mark = stage.line_count();
    let gzip = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(stage.get(&path(gzip)).status, 502);
    stage.wait_for_line_after(mark, "the code", |line| {
        line.contains("code=H17") && line.contains(" cause=transfer-encoding ")
    });
    stage.wait_for_line_after(mark, "the reason", |line| {
        line.contains("dyno[web.1]: ") && line.contains("Transfer-Encoding is not chunked")
    });
    stage.ends();
}

#[test]
fn binds_elsewhere() {
    let stage = start("binds_elsewhere", &[]);
    stage.wait_for_line("its last word", |line| {
        line.ends_with("own_port_again: refused")
    });
    let lines = stage.lines();
    let tried = lines.iter().filter(|line| line.contains("app[web.1]: "));
    for line in tried {
        assert!(line.ends_with(": refused"), "{line}");
    }
    stage.ends();
}

/// A dyno cannot connect to the port of another dyno, even where loopback is open, as in `dyno local`.
#[test]
fn binds_elsewhere_and_dials() {
    let other = start("listens", &[]);
    let port = number(&other.get("/"), "port");
    let folder = folder(&guest_path("binds_elsewhere"), "");
    std::fs::write(
        folder.path().join("Procfile"),
        format!("web: app.wasm 127.0.0.1:{port}\n"),
    )
    .unwrap();
    let stage = Stage::of(DynoProcess::start_local(folder.path(), &[]), folder);
    let line = stage.wait_for_line("the dial", |line| {
        line.contains(&format!("dial 127.0.0.1:{port}"))
    });
    assert!(line.ends_with(": refused"), "{line}");
    stage.ends();
    assert_eq!(other.get("/").status, 200);
    other.ends();
}

/// A server that does not listen within sixty seconds has failed to boot.
#[test]
fn hangs() {
    let folder = folder(&guest_path("hangs"), "");
    std::fs::write(folder.path().join("Procfile"), "web: app.wasm sleep\n").unwrap();
    let local = DynoProcess::spawn_local(folder.path(), &[]);
    local.wait_for_line("R10", |line| {
        line.contains("dyno[web.1]: Error R10 (Boot timeout)")
    });
}

/// A WebSocket client (RFC 6455), with the example key of the RFC.
fn switched(stage: &Stage) -> std::net::TcpStream {
    let mut stream = stage.connect();
    stream
        .write_all(
            b"GET /chat HTTP/1.1\r\nhost: demo.localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    stream
}

/// Sends a masked text frame, and reads one frame.
fn say(stream: &mut std::net::TcpStream, text: &str) -> String {
    let mask = [1, 2, 3, 4];
    let length = u8::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | length];
    frame.extend(mask);
    frame.extend(
        text.bytes()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    stream.write_all(&frame).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x81);
    let mut answer = vec![0; usize::from(head[1])];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn chats() {
    let stage = start("chats", &[]);
    assert_eq!(stage.get("/plain").text(), "plain\n");
    let mark = stage.line_count();
    let mut stream = switched(&stage);
    for n in 0..100 {
        let text = format!("message {n}");
        assert_eq!(say(&mut stream, &text), text);
    }
    // The WebSocket occupies the only dyno: the next request waits for its end.
    thread::scope(|scope| {
        let waits = scope.spawn(|| stage.get("/plain"));
        // Long enough for the request to join the queue.
        thread::sleep(Duration::from_millis(300));
        assert_eq!(say(&mut stream, "close"), "closing");
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
        assert_eq!(waits.join().unwrap().status, 200);
    });
    let line = stage.wait_for_router_line_after(mark, "/chat");
    assert!(
        line.contains(" at=info ") && line.contains(" status=101 "),
        "{line}"
    );
    assert!(log_field(&line, "bytes") > 1000, "{line}");
    // A client may also disconnect without a close frame.
    let mark = stage.line_count();
    drop(switched(&stage));
    stage.wait_for_router_line_after(mark, "/chat");
    assert_eq!(stage.get("/plain").text(), "plain\n");
    assert!(!stage.lines().iter().any(|line| line.contains("Crashed")));
    stage.ends();
}

/// Four clients stay connected, each with its own dyno.
#[test]
fn four_chats_at_a_time() {
    let stage = start("chats", &["web=4"]);
    four_are_up(&stage);
    let mark = stage.line_count();
    let mut streams = [(); 4].map(|()| switched(&stage));
    for n in 0..10 {
        for (client, stream) in streams.iter_mut().enumerate() {
            let text = format!("message {n} of {client}");
            assert_eq!(say(stream, &text), text);
        }
    }
    let mut dynos = HashSet::new();
    for mut stream in streams {
        let before = stage.line_count();
        assert_eq!(say(&mut stream, "close"), "closing");
        let line = stage.wait_for_router_line_after(before.max(mark), "/chat");
        dynos.insert(dyno(&line));
    }
    assert_eq!(dynos.len(), 4, "{dynos:?}");
    stage.ends();
}

#[test]
fn axum() {
    let folder = folder(&foreign_guest_path("axum"), "");
    let stage = Stage::of(DynoProcess::start_local(folder.path(), &["web=4"]), folder);
    four_are_up(&stage);
    let paths = [500, 501, 502, 503].map(|ms| format!("/wait?ms={ms}"));
    thread::scope(|scope| {
        for path in &paths {
            scope.spawn(|| assert_eq!(stage.get(path).text(), "waited\n"));
        }
    });
    let dynos: HashSet<String> = paths
        .iter()
        .map(|p| dyno(&stage.wait_for_router_line(p)))
        .collect();
    assert_eq!(dynos.len(), 4, "{dynos:?}");
    assert_eq!(stage.get("/").text(), "hello from axum\n");
    let body = vec![b'x'; 200 * 1024];
    assert!(stage.post("/echo", &body).body == body);
    // Sequential requests go to the same dyno: the one that became free last.
    let count = || stage.get("/count").text().parse::<u32>().unwrap();
    assert_eq!(stage.get("/wait").text(), "waited\n");
    let before = count();
    assert_eq!(stage.get("/wait").text(), "waited\n");
    assert!(count() > before, "its own task goes on");
    for _ in 0..100 {
        assert_eq!(stage.get("/").status, 200);
    }
    stage.ends();
}

/// The server sees a closed connection and keeps running: other clients are not affected.
#[test]
fn a_client_that_disconnects_does_not_end_a_server() {
    let folder = folder(&foreign_guest_path("axum"), "");
    let stage = Stage::of(DynoProcess::start_local(folder.path(), &["web=1"]), folder);
    let count = || stage.get("/count").text().parse::<u32>().unwrap();
    while count() < 10 {}
    for round in 0..3 {
        let before = count();
        let path = format!("/wait?ms=2000{round}");
        let mut client = stage.connect();
        write!(
            client,
            "GET {path} HTTP/1.1\r\nHost: demo.localhost\r\n\r\n"
        )
        .unwrap();
        thread::sleep(Duration::from_millis(200));
        drop(client);
        let line = stage.wait_for_router_line(&path);
        assert!(line.contains(" code=H27 "), "{line}");
        assert!(count() >= before, "it is the same one");
    }
    // Longer than the grace time of a guest after a hang-up.
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(stage.get("/").status, 200);
    let told = stage.lines();
    assert_eq!(told.iter().find(|line| line.contains("eplac")), None);
    stage.ends();
}

/// The server of the Rust book does not panic at Ctrl-C.
#[test]
fn book() {
    let stage = start("book", &["web=2"]);
    for _ in 0..5 {
        assert_eq!(stage.get("/page").text(), "GET /page HTTP/1.1\n");
    }
    let mark = stage.line_count();
    stage.send_signal("INT");
    stage.wait_for_line_after(mark, "its end", |line| line.contains("stopping to down"));
    let lines = stage.lines();
    let odd = |line: &&String| line.contains("panicked") || line.contains("backtrace");
    assert_eq!(lines.iter().find(odd), None);
    let own = lines.iter().filter(|line| line.contains(" app[web."));
    assert_eq!(own.count(), 0, "{lines:?}");
}

#[test]
fn wrong_port() {
    let folder = folder(&guest_path("wrong_port"), "");
    let local = DynoProcess::spawn_local(folder.path(), &[]);
    local.wait_for_line("where to listen", |line| {
        line.contains("dyno[web.1]: The app tried to listen at 127.0.0.1:8080")
            && line.ends_with("listen at 0.0.0.0:$PORT")
    });
    local.wait_for_line("the end", |line| line.contains("did not come up"));
    assert!(!local.wait_for_exit().success());
}
