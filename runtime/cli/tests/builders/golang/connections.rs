//! Connections that a Go app opens to other servers, and names that it looks up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::site_app::{assert_no_crash, start};

/// A server on a free port that handles each connection in a thread. Its threads end with the test.
fn serve(handle: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || handle(stream));
        }
    });
    port
}

/// Sends each line back.
fn echo_lines(stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let (mut stream, mut line) = (stream, Vec::new());
    while lines.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
        if stream.write_all(&line).is_err() {
            return;
        }
        line.clear();
    }
}

/// Answers a request with a page of 300,000 letters.
fn answer(mut stream: TcpStream) {
    let mut head = [0; 4_096];
    let _ = stream.read(&mut head);
    let body = "x".repeat(300_000);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes());
}

#[test]
fn an_app_opens_connections_and_looks_names_up() {
    let port = serve(echo_lines);
    let local = start();
    let told = local
        .get(&format!("/dials?address=127.0.0.1:{port}"))
        .text();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], format!("true <nil> 127.0.0.1:{port}"), "{told}");
    assert!(
        lines[1].contains("127.0.0.1") && lines[1].ends_with(" <nil>"),
        "{told}"
    );
    assert_eq!(lines[2], "lookup no such name: no such host", "{told}");
    assert_eq!(
        &lines[3..5],
        ["true", "true <nil>"],
        "a deadline, and certificates"
    );
    assert!(
        lines[5].contains("a dyno that runs Go has only TCP connections"),
        "{told}"
    );
    // The name of the address is resolved by the platform too.
    let told = local
        .get(&format!("/dials?address=localhost:{port}"))
        .text();
    assert!(told.starts_with("true <nil> 127.0.0.1:"), "{told}");
    assert_no_crash(&local);
    assert!(local.stop().success());
}

#[test]
fn an_http_client_fetches_pages_again_and_again() {
    let port = serve(answer);
    let local = start();
    // More than the connections that a dyno may have open at a time.
    for _ in 0..100 {
        let page = local.get(&format!("/fetch?url=http://127.0.0.1:{port}/"));
        assert_eq!(page.body.len(), 300_000, "{}", page.text());
    }
    assert_no_crash(&local);
    assert!(local.stop().success());
}

#[test]
fn connections_that_cannot_be_opened_say_why() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let local = start();
    let told = local.get(&format!("/dials?address={closed}")).text();
    assert_eq!(
        told,
        format!("dial tcp {closed}: connect: Connection refused\n")
    );
    // `dyno local` opens loopback, and no private network.
    let told = local.get("/dials?address=10.1.2.3:80").text();
    let refused = "dial tcp 10.1.2.3:80: a dyno may not connect there: its log says why\n";
    assert_eq!(told, refused);
    local.wait_for_line("the refusal", |line| line.contains("10.1.2.3:80 refused"));
    assert!(local.stop().success());
}
