//! What one stranger may do to an app: nothing that another client notices.
//!
//! A HEAD that announces a length, and a path that ends the dyno, each two hundred times from one address, while another
//! client asks for what works.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::stage::{Stage, eventually, folder};
use crate::support::{Local, guest};

/// Requests of each kind that the stranger sends, over so many connections at a time.
const REQUESTS: usize = 200;
const CONNECTIONS: usize = 4;

/// An app, and what is known of its paths.
struct Target<'a> {
    folder: &'a Path,
    /// Answers a HEAD with a length.
    announces: &'a str,
    /// Ends the dyno.
    traps: &'a str,
    /// Answers 200.
    works: &'a str,
}

/// Asks for `path` so often, as the stranger does; every answer has this status.
fn ask_often(local: &Local, method: &str, path: &str, status: u16) {
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                for _ in 0..REQUESTS / CONNECTIONS {
                    let reply = local.request(method, path, &[], b"");
                    assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
                }
            });
        }
    });
}

/// Asks for what works until the stranger has had enough; how often.
fn ask_meanwhile(local: &Local, path: &str, enough: &AtomicBool) -> usize {
    let mut answers = 0;
    while !enough.load(Ordering::Relaxed) {
        let reply = local.get(path);
        assert_eq!(
            (reply.status, reply.complete),
            (200, true),
            "after {answers}: {}",
            reply.text()
        );
        answers += 1;
    }
    answers
}

/// Two dynos of the app answer every other client, whatever the stranger does.
fn holds(target: &Target<'_>) -> Local {
    let local = Local::start(target.folder, &["web=2"]);
    let enough = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let other = scope.spawn(|| ask_meanwhile(&local, target.works, &enough));
        let stranger = scope.spawn(|| {
            ask_often(&local, "HEAD", target.announces, 200);
            ask_often(&local, "GET", target.traps, 503);
        });
        let stranger = stranger.join();
        enough.store(true, Ordering::Relaxed);
        stranger.expect("the stranger is answered");
        other.join().expect("the other client is")
    });
    assert!(answers > 0, "the other client was never answered");
    let crashes = |lines: &[String]| {
        let crashes = lines.iter().filter(|line| line.contains("]: Crashed: "));
        crashes.count()
    };
    eventually("every trap is in the log", || {
        crashes(&local.lines()) >= REQUESTS
    });
    let lines = local.lines();
    for word in [" code=H10 ", "Restarting in "] {
        assert_eq!(lines.iter().find(|line| line.contains(word)), None);
    }
    local
}

fn guest_holds(name: &str, (announces, traps, works): (&str, &str, &str)) {
    let folder = folder(&guest(name), "");
    let local = holds(&Target {
        folder: folder.path(),
        announces,
        traps,
        works,
    });
    Stage::of(local, folder).ends();
}

#[test]
fn a_stranger_stops_no_wstd_app() {
    guest_holds("announces", ("/?length=1234", "/panic", "/ok"));
}

#[test]
fn a_stranger_stops_no_wasi_0_3_app() {
    guest_holds("announces3", ("/?length=1234", "/panic", "/ok"));
}

#[test]
fn a_stranger_stops_no_server() {
    guest_holds("listens", ("/", "/exit", "/headers"));
}
