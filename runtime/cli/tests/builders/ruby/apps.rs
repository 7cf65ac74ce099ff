//! Rack apps: the environment of a request, bodies in both directions, middlewares, and what the interpreter supplies.

use std::io::{Read, Write};

use serde_json::{Value, json};
use testkit::{DynoProcess, HttpReply};

use super::rack_site::{assert_goes_on, assert_no_crash, start};
use crate::app_folder::{App, keeps_nothing};

/// More than the router reads before it calls an app, in bytes.
const LARGE: usize = 150_000;

/// The bytes of a file that is not text.
fn binary(length: u32) -> Vec<u8> {
    (0..length)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}

/// A request's head with further header lines, on a connection that is closed after the response.
fn head(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: demo.localhost:8000\r\nConnection: close\r\n{headers}\r\n")
}

#[test]
fn the_environment_follows_the_specification_of_rack() {
    let local = start();
    let head = head("GET /env?q=gr%C3%BCn&r", "X-Some-Thing: Zoë\r\n");
    let env = HttpReply::parse(&local.send_bytes(head.as_bytes())).json_of_status(200);
    for (key, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/env"),
        ("QUERY_STRING", "q=gr%C3%BCn&r"),
        ("REQUEST_URI", "/env?q=gr%C3%BCn&r"),
        ("SERVER_NAME", "demo.localhost"),
        ("SERVER_PORT", "8000"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("HTTP_HOST", "demo.localhost:8000"),
        ("HTTP_X_SOME_THING", "Zoë"),
        ("HTTP_X_FORWARDED_PROTO", "http"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("rack.url_scheme", "http"),
    ] {
        assert_eq!(env["strings"][key], value, "{key}: {env:#}");
    }
    for absent in ["HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "CONTENT_TYPE"] {
        assert_eq!(env["strings"][absent], Value::Null, "{env:#}");
    }
    assert_eq!(
        (&env["version"], &env["hijack"]),
        (&json!([1, 6]), &json!(false))
    );
    assert_eq!(env["others"]["rack.input"], "Dyno::Input");
    // Rack's own check of servers raises an error about anything that the specification forbids.
    let sent = local.request("POST", "/checked", &["Content-Type: text/plain"], b"grants");
    assert_eq!((sent.status, sent.text().as_str()), (200, "grants"));
    assert!(local.stop().success());
}

#[test]
fn headers_and_cookies_may_stand_several_times() {
    let local = start();
    let lines = [
        "X-Two: 1",
        "X-Two: 2",
        "Cookie: c=3; d=4%205",
        "Cookie: e=6",
    ];
    let other = local.request("PATCH", "/a%20b%C3%A9//?c=%20&d=1", &lines, b"");
    assert_eq!(
        other.text(),
        "PATCH /a%20b%C3%A9// c=%20&d=1 /a%20b%C3%A9//?c=%20&d=1 1,2"
    );
    let cookies = local.request("GET", "/cookies", &lines, b"");
    assert_eq!(cookies.json(), json!({"c": "3", "d": "4 5", "e": "6"}));
    let set = |reply: &HttpReply, wanted: &str| -> Vec<String> {
        let found = reply.headers.iter().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(set(&cookies, "set-cookie"), ["a=1+2; path=/", "b=2"]);
    let lines = local.get("/lines");
    assert_eq!(set(&lines, "x-lines"), ["one", "two"]);
    assert_eq!(set(&lines, "x-list"), ["three", "four"]);
    assert_eq!(lines.header("rack.own"), None);
    assert!(local.stop().success());
}

#[test]
fn forms_and_files_arrive_byte_for_byte() {
    let local = start();
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    let sent = local.request("POST", "/form?z=0", &form, b"a=1+2&b[]=%C3%BC&b[]=&c[d]=e");
    assert_eq!(
        sent.json(),
        json!({"z": "0", "a": "1 2", "b": ["ü", ""], "c": {"d": "e"}})
    );
    let file = binary(5_000_000);
    let begin = "--frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.bin\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n";
    let body = [begin.as_bytes(), &file, b"\r\n--frontier--\r\n"].concat();
    let multipart = ["Content-Type: multipart/form-data; boundary=frontier"];
    let sent = local.request("POST", "/upload", &multipart, &body);
    assert_eq!((sent.status, sent.header("x-file")), (200, Some("a b.bin")));
    assert!(sent.body == file && sent.complete, "{}", sent.body.len());
    let echo = local.post("/echo", &file);
    assert_eq!(
        (echo.status, echo.header("x-length")),
        (201, Some("5000000"))
    );
    assert!(echo.body == file && echo.complete, "{}", echo.body.len());
    let twice = local.post("/twice", "öne\ntwo and more".as_bytes());
    assert_eq!(
        twice.json(),
        json!([
            "öne\n",
            "two",
            " ",
            " ",
            "an",
            "öne\ntwo and more",
            "",
            null,
            "öne\n",
            "two and more"
        ])
    );
    assert!(local.stop().success());
}

#[test]
fn middlewares_of_rack_and_of_the_app_work() {
    let local = start();
    let page = local.get("/assets/page.txt");
    assert_eq!(
        (page.status, page.text().as_str()),
        (200, "a file of the app\n")
    );
    assert_eq!(page.header("content-type"), Some("text/plain"));
    assert!(page.header("x-seconds").is_some(), "{page:?}");
    assert_eq!(local.get("/assets/none.txt").status, 404);
    let modified = page.header("last-modified").expect("a date");
    let again = format!("If-Modified-Since: {modified}");
    assert_eq!(
        local
            .request("GET", "/assets/page.txt", &[&again], b"")
            .status,
        304
    );
    let kept = local.get("/cached/a");
    assert_eq!(kept.text(), "kept /cached /a");
    let tag = format!("If-None-Match: {}", kept.header("etag").expect("a tag"));
    let again = local.request("GET", "/cached/a", &[&tag], b"");
    assert_eq!((again.status, again.body.len()), (304, 0), "{again:?}");
    let deflated = local.request("GET", "/deflated", &["Accept-Encoding: gzip"], b"");
    assert_eq!(deflated.header("content-encoding"), Some("gzip"));
    assert!(deflated.body.len() < 200, "{}", deflated.body.len());
    let inflated = local.post("/gunzip", &deflated.body);
    assert_eq!(inflated.text(), "pressed ".repeat(100));
    assert!(local.stop().success());
}

#[test]
fn responses_without_content_have_none() {
    let local = start();
    for path in ["/", "/announces", "/long", "/by-each", "/assets/page.txt"] {
        let reply = local.request("HEAD", path, &[], b"");
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{path}");
    }
    let announces = local.request("HEAD", "/announces", &[], b"");
    assert_eq!(announces.header("content-length"), Some("30"));
    let nothing = local.get("/no-body");
    assert_eq!(
        (nothing.status, nothing.body.len(), nothing.complete),
        (204, 0, true)
    );
    let long = local.get("/long");
    let expected: String = (0..300).map(|n: u32| n.to_string().repeat(1000)).collect();
    assert!(
        long.complete && long.text() == expected,
        "{}",
        long.body.len()
    );
    assert_no_crash(&local);
    assert!(local.stop().success());
}

/// The app answers the first part of the body before the client sends the second one.
#[test]
fn bodies_stream_in_both_directions() {
    let local = start();
    for (path, end) in [("/by-each", ""), ("/by-call", "ab")] {
        let length = format!("Content-Length: {LARGE}\r\n");
        let mut stream = local.connect();
        let head = head(&format!("POST {path}"), &length);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'x'; LARGE - 50_000]).unwrap();
        let mut received = Vec::new();
        while !String::from_utf8_lossy(&received).contains("got 50000\n") {
            let mut part = [0; 1000];
            let count = stream.read(&mut part).unwrap();
            assert_ne!(count, 0, "{path} ends early: {received:?}");
            received.extend_from_slice(&part[..count]);
        }
        stream.write_all(&[b'x'; 50_000]).unwrap();
        stream.read_to_end(&mut received).unwrap();
        let reply = HttpReply::parse(&received);
        assert!(reply.complete, "{reply:?}");
        assert_eq!(reply.text(), format!("{}{end}", "got 50000\n".repeat(3)));
    }
    local.wait_for_line("the end of the body", |line| {
        line.ends_with("closed by-each")
    });
    assert!(local.stop().success());
}

/// The router lets an app finish for a short time, and replaces its dyno after that.
#[test]
fn a_client_that_leaves_in_mid_response_does_not_disturb_the_next_one() {
    let local = start();
    let leave = |path: &str| {
        let mut stream = local.connect();
        let head = head(&format!("GET {path}"), "");
        stream.write_all(head.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 1_000]).unwrap();
    };
    leave("/long");
    assert_goes_on(&local, 1);
    let mark = local.line_count();
    leave("/endless");
    local.wait_for_line_after(mark, "the replacement", |line| {
        line.contains("Replacing: its client went away before the response was complete")
    });
    assert_goes_on(&local, 0);
    assert_no_crash(&local);
    assert!(local.stop().success());
}

#[test]
fn each_dyno_has_its_own_variables_and_random_numbers() {
    let random = |local: &DynoProcess| local.get("/random").json();
    let (first, second) = (start(), start());
    assert_eq!(
        first.get("/vars").text(),
        "servus production web.1 / /config.ru"
    );
    let (one, other, next) = (random(&first), random(&second), random(&first));
    for at in 0..5 {
        assert_ne!(one[at], other[at], "{one} {other}");
        assert_ne!(one[at], next[at], "{one} {next}");
    }
    assert!(first.stop().success() && second.stop().success());
}

#[test]
fn only_temporary_files_can_be_written() {
    let local = start();
    let text = local.get("/files").text();
    assert!(text.starts_with("grüße/tmp Errno::EROFS"), "{text}");
    assert_eq!(text.matches("Errno::EROFS").count(), 2, "{text}");
    assert!(local.stop().success());
}

#[test]
fn threads_processes_and_sockets_are_explained() {
    let local = start();
    let told = local.get("/library").text();
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        "ThreadError: a dyno's Ruby has one thread",
        "NotImplementedError: a dyno's Ruby cannot start processes",
        "NotImplementedError: a dyno's Ruby cannot start processes",
        "NotImplementedError: a dyno's Ruby cannot start processes",
        "NotImplementedError: a dyno's Ruby cannot start processes",
        "NotImplementedError: a dyno's Ruby cannot start processes",
        "no error",
        "SocketError: Failed to open TCP connection to localhost:80 (a dyno's Ruby has no sockets",
    ];
    assert_eq!(lines.len(), expected.len(), "{told}");
    for (line, begin) in lines.iter().zip(expected) {
        assert!(line.starts_with(begin), "{line}");
    }
    assert!(local.stop().success());
}

#[test]
fn what_an_app_writes_is_in_its_log() {
    let local = start();
    assert_eq!(local.get("/log").text(), "logged");
    for way in ["by $stderr", "by $stdout", "by a logger", "by rack.errors"] {
        local.wait_for_line(way, |line| {
            line.contains(" app[web.1]: ") && line.ends_with(way)
        });
    }
    assert!(local.stop().success());
}

#[test]
fn requests_leave_no_handles_in_the_instance() {
    let local = start();
    keeps_nothing(&local, "/echo", "/no-body");
    assert!(local.stop().success());
}

/// Sends more than the memory of a dyno in total.
#[test]
fn bodies_larger_than_the_memory_of_a_dyno_are_served() {
    let local = start();
    let body = vec![b'x'; 1024 * 1024];
    for request in 0..150 {
        let reply = local.post("/echo", &body);
        let got = (reply.status, reply.body.len());
        assert_eq!(got, (201, body.len()), "request {request}");
    }
    assert_no_crash(&local);
    assert_goes_on(&local, 150);
    assert!(local.stop().success());
}

#[test]
fn header_values_of_all_encodings_are_sent_and_broken_headers_are_refused() {
    let rackup = r#"run ->(env) {
  case env["PATH_INFO"]
  when "/name" then [200, { "x\0y" => "1" }, []]
  when "/value" then [200, { "x-a" => "1\r\nx-b: 2" }, []]
  else [200, { "x-latin" => "caf\xE9".b, "x-text" => "caf\u00e9", "x-sent" => env["HTTP_X_SENT"] }, ["sent"]]
  end
}
"#;
    let local = App::new(&[("Gemfile", "gem \"rack\"\n"), ("config.ru", rackup)]).run(&[]);
    let sent = local.request("GET", "/", &["X-Sent: caf\u{e9}"], b"");
    assert_eq!((sent.status, sent.text().as_str()), (200, "sent"));
    for path in ["/name", "/value"] {
        let refused = local.get(path);
        assert_eq!(refused.status, 500, "{path}");
        assert!(refused.header("x-b").is_none(), "{refused:?}");
    }
    assert_no_crash(&local);
    assert!(local.stop().success());
}

/// The body is read twice, and is larger than the free memory of a dyno.
#[test]
fn a_large_body_is_kept_in_a_file() {
    let rackup = r#"run ->(env) {
  input = env["rack.input"]
  nil while input.read(65_536)
  input.rewind
  [201, {}, Enumerator.new { |parts| while (part = input.read(65_536)); parts << part; end }]
}
"#;
    let local = App::new(&[("Gemfile", "gem \"rack\"\n"), ("config.ru", rackup)]).run(&[]);
    let body: Vec<u8> = (0..24 * 1024 * 1024_u32)
        .map(|at| (at % 251) as u8)
        .collect();
    for request in 0..3 {
        let reply = local.post("/", &body);
        assert_eq!((reply.status, reply.body.len()), (201, body.len()));
        assert!(reply.body == body, "request {request}");
    }
    assert_no_crash(&local);
    assert!(local.stop().success());
}

/// The interpreter's release loses 12 KiB with each `throw`, unless the build mends it: 3,000 requests with 91 of them
/// would need more than 3 GB.
#[test]
fn thrown_values_leave_nothing_in_the_memory() {
    let local = start();
    for request in 0..3_000 {
        let reply = local.get("/catch");
        assert_eq!(reply.text(), "thrown", "request {request}");
    }
    assert_no_crash(&local);
    assert_goes_on(&local, 3_000);
    assert!(local.stop().success());
}
