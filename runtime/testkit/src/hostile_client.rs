//! A hostile client beside a well-behaved one, on the same app.
//!
//! The hostile client sends two hundred HEAD requests whose responses announce a length, then two hundred requests that
//! end the dyno, all from one address. The other client meanwhile requests a path that works.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::process::DynoProcess;

/// Requests of each kind that the hostile client sends.
const REQUESTS: usize = 200;
/// Connections that the hostile client has open at a time.
const CONNECTIONS: usize = 4;

/// An app, and the paths of it that the two clients request.
pub struct HostileTarget<'a> {
    /// The app's folder.
    pub folder: &'a Path,
    /// A HEAD of this path gets a `Content-Length`.
    pub announces: &'a str,
    /// A request of this path ends the dyno.
    pub traps: &'a str,
    /// A request of this path gets status 200.
    pub works: &'a str,
}

/// Sends the hostile requests for one path; every response must have this status.
fn send_hostile_requests(local: &DynoProcess, method: &str, path: &str, status: u16) {
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

/// Requests a path again and again until `done` is set; gives the number of responses, all of status 200.
fn request_until(local: &DynoProcess, path: &str, done: &AtomicBool) -> usize {
    let mut answers = 0;
    while !done.load(Ordering::Relaxed) {
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

/// Runs two dynos of the app and both clients. Every request of the well-behaved client must succeed, every trap must be
/// in the log, and no dyno may have to wait before it starts again. Gives the running app.
pub fn assert_others_are_served(target: &HostileTarget<'_>) -> DynoProcess {
    let local = DynoProcess::start_local(target.folder, &["web=2"]);
    let done = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let other = scope.spawn(|| request_until(&local, target.works, &done));
        let hostile = scope.spawn(|| {
            send_hostile_requests(&local, "HEAD", target.announces, 200);
            send_hostile_requests(&local, "GET", target.traps, 503);
        });
        let hostile = hostile.join();
        done.store(true, Ordering::Relaxed);
        hostile.expect("the hostile client gets its responses");
        other.join().expect("the other client gets its responses")
    });
    assert!(answers > 0, "the other client got no response");
    let crashes = |lines: &[String]| {
        let crashes = lines.iter().filter(|line| line.contains("]: Crashed: "));
        crashes.count()
    };
    let began = Instant::now();
    while crashes(&local.lines()) < REQUESTS {
        assert!(began.elapsed() < PATIENCE, "not every trap is in the log");
        thread::sleep(Duration::from_millis(20));
    }
    let lines = local.lines();
    for word in [" code=H10 ", "Restarting in "] {
        assert_eq!(lines.iter().find(|line| line.contains(word)), None);
    }
    local
}
