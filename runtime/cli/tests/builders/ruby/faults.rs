//! Errors of Rack apps in a request: each ends its own request, is in the log once, and leaves the instance as it is.

use super::rack_site::{assert_goes_on, assert_no_crash, start};
use crate::request_errors::{FaultyPath, assert_errors_end_their_requests};

/// Paths of `rack_site.ru` whose response is aborted after `half`, and the expected log of each.
const AFTER_THE_HEAD: [FaultyPath; 5] = [
    ("/each-raises", "no more of each (RuntimeError)"),
    ("/call-raises", "no more of call (KeyError)"),
    ("/each-exits", "exit (SystemExit)"),
    (
        "/yields-number",
        "undefined method 'empty?' for an instance of Integer (NoMethodError)",
    ),
    ("/long-and-raises", "no more of long (IOError)"),
];
/// Paths with a 500 response, and the expected log of each.
const BEFORE_THE_HEAD: [FaultyPath; 10] = [
    ("/raises", "nothing of raises (ArgumentError)"),
    ("/exits", "exit (SystemExit)"),
    ("/aborts", "nothing of aborts (SystemExit)"),
    (
        "/endless-recursion",
        "stack level too deep (SystemStackError)",
    ),
    ("/throws", "uncaught throw :nowhere (UncaughtThrowError)"),
    ("/interrupts", "nothing of interrupts (Interrupt)"),
    ("/no-status", "can't convert nil into Integer (TypeError)"),
    (
        "/bad-status",
        "invalid value for Integer(): \"fine\" (ArgumentError)",
    ),
    (
        "/bad-header",
        "the header x-a has a line break or a zero byte",
    ),
    ("/bad-name", "the head of the response is not HTTP"),
];

#[test]
fn an_exception_ends_its_request_and_not_the_dyno() {
    let local = start();
    assert_errors_end_their_requests(&local, &AFTER_THE_HEAD, &BEFORE_THE_HEAD, |_| {});
    assert_no_crash(&local);
    assert!(local.stop().success());
}

#[test]
fn the_log_shows_where_in_the_app_an_error_was_raised() {
    let local = start();
    assert_eq!(local.get("/raises").status, 500);
    let text = include_str!("rack_site.ru");
    let at = text
        .lines()
        .position(|line| line.contains("nothing of raises"));
    let place = format!("config.ru:{}:in ", at.expect("such a line") + 1);
    local.wait_for_line("the line that raises", |line| line.contains(&place));
    assert!(local.stop().success());
}

/// RFC 9110, 8.6.
#[test]
fn a_body_must_have_its_announced_length() {
    let local = start();
    let whole = local.get("/announces");
    assert_eq!((whole.body.len(), whole.complete), (30, true));
    let short = local.get("/too-short");
    assert_eq!((short.text(), short.complete), ("half".to_owned(), false));
    local.wait_for_line("the reason", |line| {
        line.contains("announced Content-Length: 30 and sent 4: the response is broken off")
    });
    let long = local.get("/too-long");
    assert_eq!((long.text(), long.complete), ("half".to_owned(), true));
    local.wait_for_line("the reason", |line| {
        line.contains("announced Content-Length: 4 and sent more: the rest was left out")
    });
    assert_goes_on(&local, 3);
    assert_no_crash(&local);
    assert!(local.stop().success());
}

#[test]
fn the_body_of_a_response_is_always_closed() {
    let local = start();
    for (path, name) in [
        ("/by-each", "by-each"),
        ("/each-raises", "raising"),
        ("/each-exits", "exiting"),
    ] {
        local.get(path);
        let line = format!("closed {name}");
        local.wait_for_line(&line, |told| told.ends_with(&line));
    }
    local.request("HEAD", "/long-and-raises", &[], b"");
    local.wait_for_line("the end of a HEAD", |line| line.ends_with("closed long"));
    assert!(local.stop().success());
}
