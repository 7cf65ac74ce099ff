//! One stranger beside another client of an app: a HEAD that announces a length, and a path that ends the dyno, each two
//! hundred times from one address, while the other client asks for what works.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::process::DynoProcess;

/// Requests of each kind that the stranger sends, over so many connections at a time.
const REQUESTS: usize = 200;
const CONNECTIONS: usize = 4;

/// An app, and what is known of its paths.
pub struct HostileTarget<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Answers a HEAD with a length.
    pub announces: &'a str,
    /// Ends the dyno.
    pub traps: &'a str,
    /// Answers 200.
    pub works: &'a str,
}

/// Asks for `path` so often, as the stranger does; every answer has this status.
fn ask_often(local: &DynoProcess, method: &str, path: &str, status: u16) {
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
fn ask_meanwhile(local: &DynoProcess, path: &str, enough: &AtomicBool) -> usize {
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
pub fn assert_others_are_served(target: &HostileTarget<'_>) -> DynoProcess {
    let local = DynoProcess::start_local(target.folder, &["web=2"]);
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
