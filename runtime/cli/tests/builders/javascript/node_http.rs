//! Programs of Node.js that serve by `node:http`, without a framework.

use std::io::{Read, Write};

use testkit::{DynoProcess, HttpReply};

use crate::app_folder::{App, keeps_nothing};
use crate::request_errors::{FaultyPath, assert_errors_end_their_requests};

const PACKAGE: (&str, &str) = (
    "package.json",
    r#"{"name":"server","private":true,"scripts":{"start":"node server"}}"#,
);
/// Paths of `node/server.js` whose response breaks off after `half`, and the expected log of each.
const AFTER_THE_HEAD: [FaultyPath; 5] = [
    ("/half-raises", "Error: no more of half"),
    ("/half-rejects", "Error: no more of rejects"),
    ("/half-timer", "Error: no more of timer"),
    ("/half-destroys", "destroyed by the app"),
    ("/short", "not as long as its content-length says"),
];
/// Paths with a 500 response, and the expected log of each.
const BEFORE_THE_HEAD: [FaultyPath; 6] = [
    ("/raises", "Error: nothing of raises"),
    ("/rejects", "Error: nothing of rejects"),
    ("/timer-raises", "Error: nothing of timer"),
    ("/emits", "Error: nothing of emits"),
    ("/bad-header", "Invalid character in header content [\"x\"]"),
    ("/bad-status", "Invalid status code: 9999"),
];

/// Builds the program, and runs it with one dyno.
#[track_caller]
fn start() -> DynoProcess {
    App::new(&[PACKAGE, ("server.js", include_str!("node/server.js"))]).run(&[])
}

#[test]
fn a_request_has_the_form_of_node() {
    let local = start();
    local.wait_for_line("the listener of listen()", |line| {
        line.contains("listening: true true")
    });
    let headers = ["X-Two: a", "X-Two: b", "Cookie: a=1", "Cookie: b=2"];
    let reply = local.request("GET", "/request?a=1", &headers, b"");
    let seen: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(seen["method"], "GET");
    assert_eq!(seen["url"], "/request?a=1");
    assert_eq!(seen["httpVersion"], "1.1");
    assert_eq!(seen["headers"]["x-two"], "a, b");
    assert_eq!(seen["headers"]["cookie"], "a=1; b=2");
    assert!(seen["headers"]["host"].is_string(), "{seen}");
    assert_eq!(seen["distinct"], serde_json::json!(["a", "b"]));
    assert_eq!(seen["remoteAddress"], "127.0.0.1");
    assert_eq!(seen["encrypted"], false);
    assert!(local.stop().success());
}

#[test]
fn a_response_has_the_head_that_the_program_wrote() {
    let local = start();
    let reply = local.get("/head");
    assert_eq!((reply.status, reply.text()), (203, "body".to_owned()));
    assert_eq!(reply.header("x-one"), Some("a"));
    let cookies: Vec<&str> = headers_named(&reply, "set-cookie");
    assert_eq!(cookies, ["a=1", "b=2"]);
    let missing = local.get("/nowhere");
    assert_eq!(
        (missing.status, missing.text()),
        (404, "nothing\n".to_owned())
    );
    let whole = local.get("/announced");
    assert_eq!((whole.body.len(), whole.complete), (1234, true));
    let parts = local.get("/parts");
    assert_eq!(parts.text(), "part 1\npart 2\npart 3\n");
    assert_eq!(local.get("/trailers").text(), "body");
    assert!(local.stop().success());
}

fn headers_named<'a>(reply: &'a HttpReply, name: &str) -> Vec<&'a str> {
    let named = reply.headers.iter().filter(|(found, _)| found == name);
    named.map(|(_, value)| value.as_str()).collect()
}

/// RFC 9110, 9.3.2 and 15.4.5.
#[test]
fn head_requests_and_304_responses_have_no_body() {
    let local = start();
    let head = local.request("HEAD", "/announced", &[], b"");
    assert_eq!(head.header("content-length"), Some("1234"));
    assert!(head.body.is_empty(), "{head:?}");
    let unchanged = local.request("GET", "/unchanged", &["If-None-Match: \"v1\""], b"");
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(local.get("/unchanged").text(), "v1");
    assert!(local.stop().success());
}

#[test]
fn uploads_are_read_piece_by_piece_and_sent_back_unchanged() {
    let local = start();
    let body: Vec<u8> = (0..5_000_000u32).map(|at| (at % 251) as u8).collect();
    let back = local.request("POST", "/back", &[], &body);
    assert!(back.complete && back.body == body);
    let digest = local.request("POST", "/digest", &[], &body);
    assert!(digest.text().starts_with("5000000 true "), "{digest:?}");
    let small = local.request("PUT", "/digest", &[], b"hello");
    // RFC 1321, A.5, gives the function; the value is that of md5sum.
    assert_eq!(small.text(), "5 true 5d41402abc4b2a76b9719d911017c592");
    keeps_nothing(&local, "/back", "/ignores");
    assert!(local.stop().success());
}

#[test]
fn events_of_a_response_come_in_the_order_of_node() {
    let local = start();
    assert_eq!(local.get("/events").text(), "events");
    local.wait_for_line("the events", |line| line.contains("seen: finished, closed"));
    assert_eq!(local.get("/store").text(), "store 7");
    assert_eq!(local.get("/store").text(), "store 7");
    assert!(local.stop().success());
}

#[test]
fn an_exception_ends_its_request_and_not_the_dyno() {
    let local = start();
    assert_errors_end_their_requests(&local, &AFTER_THE_HEAD, &BEFORE_THE_HEAD, |_| {});
    let told = local.lines();
    let odd = |line: &&String| line.contains("Crashed") || line.contains("Started afresh");
    assert_eq!(told.iter().find(odd), None);
    assert!(local.stop().success());
}

/// The platform replaces a dyno that goes on writing to nobody.
#[test]
fn a_client_that_leaves_does_not_disturb_the_next_one() {
    let local = start();
    let mut stream = local.connect();
    write!(stream, "GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop(stream);
    let next = local.get("/");
    assert_eq!((next.status, next.complete), (200, true), "{next:?}");
    assert!(local.stop().success());
}

#[test]
fn a_program_that_fails_before_it_listens_is_not_up() {
    let failing = [
        (
            "require('http').createServer(() => {});\nthrow new Error('no settings');",
            "no settings",
        ),
        (
            "require('http').createServer(() => {}); setTimeout(() => { throw new Error('too late'); }, 5);",
            "too late",
        ),
        (
            "const { createServer } = require('http');\nconst main = async () => { await null; throw new Error('no database'); };\nmain();",
            "no database",
        ),
        (
            "require('http'); setTimeout(() => process.exit(3), 5);",
            "process.exit(3)",
        ),
    ];
    let app = App::new(&[PACKAGE, ("server.js", include_str!("node/server.js"))]);
    app.build_and_compile();
    for (text, told) in failing {
        app.write("server.js", text);
        app.build();
        let local = DynoProcess::spawn_local(app.folder(), &[]);
        let failed = local.wait_for_line("the failure", |line| line.contains("did not come up"));
        assert!(failed.contains(told), "{failed}");
    }
}
