//! A site with net/http: requests, bodies in both directions, time, and the connections of a dyno.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;
use testkit::{DynoProcess, HttpReply};

use super::site_app::{assert_goes_on, assert_no_crash, start, start_idle};
use crate::app_folder::keeps_nothing;

/// Clock ticks of CPU time in a second, as Linux reports them to processes.
const TICKS_PER_SECOND: u64 = 100;

/// The bytes of a file that is not text.
fn binary(length: u32) -> Vec<u8> {
    (0..length)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}

#[test]
fn pages_json_and_static_files_are_served() {
    let local = start();
    assert!(
        local
            .wait_for_line("its address", |line| line.contains("listens at [::]:"))
            .len()
            > 1
    );
    let page = local.get("/?name=%3CAda%3E");
    assert!(
        page.text().contains("<p>Hello &lt;Ada&gt;, 1</p>"),
        "{page:?}"
    );
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let sent = local.post("/json", b"{\"a\":[1]}");
    let answer = sent.json();
    assert_eq!(
        (&answer["a"], &answer["method"], &answer["proto"]),
        (&json!([1]), &json!("POST"), &json!("HTTP/1.1"))
    );
    assert_eq!(answer["client"], json!([true, "1", true]));
    let server = answer["server"].as_str().unwrap();
    assert!(
        server.starts_with("127.0.0.1:") && !server.ends_with(":0"),
        "{server}"
    );
    assert_eq!(local.post("/json", b"[1").status, 400);
    let file = local.get("/static/page.txt");
    assert_eq!(
        (file.status, file.text().as_str()),
        (200, "a file of the app\n")
    );
    let modified = file.header("last-modified").expect("a time");
    let same = local.request(
        "GET",
        "/static/page.txt",
        &[&format!("If-Modified-Since: {modified}")],
        b"",
    );
    assert_eq!((same.status, same.body.len()), (304, 0));
    let part = local.request("GET", "/static/page.txt", &["Range: bytes=2-5"], b"");
    assert_eq!((part.status, part.text().as_str()), (206, "file"));
    let head = local.request("HEAD", "/static/page.txt", &[], b"");
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("18"), 0)
    );
    assert_eq!(local.get("/elsewhere").status, 404);
    assert_goes_on(&local, 8);
    assert_no_crash(&local);
    assert!(local.stop().success());
}

#[test]
fn the_files_of_the_app_are_read_only_and_tmp_is_writable() {
    let local = start();
    let told = local.get("/files").text();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "<nil> open static/x: Read-only file system");
    assert_eq!(&lines[1..], ["kept <nil>", "[- page.txt] <nil>"]);
    assert!(local.stop().success());
}

#[test]
fn bodies_arrive_byte_for_byte_in_both_directions() {
    let local = start();
    let file = binary(5_000_000);
    for served in 0..3 {
        let echo = local.post("/echo", &file);
        assert!(echo.body == file && echo.complete, "{}", echo.body.len());
        assert_goes_on(&local, 2 * served + 1);
    }
    keeps_nothing(&local, "/echo", "/");
    assert!(local.stop().success());
}

#[test]
fn a_flushed_line_is_sent_before_the_next_is_made() {
    let local = start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = listener.local_addr().unwrap();
    let mut stream = BufReader::new(local.connect());
    let request = format!("GET /stream?gate={gate} HTTP/1.1\r\nHost: x.localhost\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let (mut gate, _) = listener.accept().unwrap();
    for number in 0..5 {
        let mut line = String::new();
        while line != format!("line {number}\n") {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "line {number}");
        }
        gate.write_all(b"x").unwrap();
    }
    assert!(local.stop().success());
}

#[test]
fn goroutines_and_timers_run_while_a_request_waits() {
    let local = start();
    assert_eq!(local.get("/sleep?ms=50").text(), "true true");
    assert_eq!(local.get("/parallel").text(), "4950");
    assert_eq!(
        local.get("/sleep?ms=0").text().split(' ').next(),
        Some("true")
    );
    assert_goes_on(&local, 3);
    assert!(local.stop().success());
}

/// The CPU time of a process, in clock ticks.
fn cpu_ticks(local: &DynoProcess) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", local.process_id())).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A program that polls without waiting uses a core: all ticks of the time that passes.
#[test]
fn an_idle_dyno_uses_no_cpu() {
    let local = start_idle();
    assert_goes_on(&local, 0);
    let before = cpu_ticks(&local);
    std::thread::sleep(Duration::from_secs(2));
    let used = cpu_ticks(&local) - before;
    assert!(used < TICKS_PER_SECOND / 2, "{used} ticks");
    assert_goes_on(&local, 1);
    assert!(local.stop().success());
}

#[test]
fn the_context_of_a_request_ends_when_its_client_leaves() {
    let local = start();
    let mut client = local.connect();
    let request = "GET /hangs HTTP/1.1\r\nHost: x.localhost\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    local.wait_for_line("the request", |line| line.ends_with("hangs"));
    drop(client);
    local.wait_for_line("its end", |line| {
        line.ends_with("gave up: context canceled")
    });
    assert_goes_on(&local, 1);
    assert_no_crash(&local);
    assert!(local.stop().success());
}

#[test]
fn a_hijacked_connection_speaks_another_protocol() {
    let local = start();
    let mut stream = local.connect();
    let request = "GET /hijack HTTP/1.1\r\nHost: x.localhost\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 101 "), "{line}");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
    }
    for sent in ["one\n", "two\n"] {
        stream.get_mut().write_all(sent.as_bytes()).unwrap();
        line.clear();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, format!("got {sent}"));
    }
    drop(stream);
    local.wait_for_line("its end", |line| line.ends_with("the tunnel ended: EOF"));
    assert_goes_on(&local, 1);
    assert!(local.stop().success());
}

#[test]
fn several_requests_share_a_connection_of_the_client() {
    let local = start();
    let mut stream = local.connect();
    let request = "GET /?name=x HTTP/1.1\r\nHost: x.localhost\r\n\r\n";
    let last = "GET /served HTTP/1.1\r\nHost: x.localhost\r\nConnection: close\r\n\r\n";
    stream
        .write_all((request.repeat(20) + last).as_bytes())
        .unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let text = String::from_utf8(all).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 21, "{text}");
    let end = text.rfind("HTTP/1.1 200 OK").unwrap();
    assert_eq!(HttpReply::parse(&text.as_bytes()[end..]).text(), "21");
    assert!(local.stop().success());
}
