//! Well-behaved guests: the promises to apps, on WASI 0.2 and 0.3 alike.

use std::fs;
use std::thread;

use testkit::wait_until;

use crate::guest_app::{Stage, number, start};

/// Pseudorandom bytes, so that lost or moved bytes are noticed.
fn noise(bytes: usize) -> Vec<u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let states = std::iter::successors(Some(1u32), next);
    states
        .map(|state| (state >> 24) as u8)
        .take(bytes)
        .collect()
}

/// The tests that are common to both guests.
fn serves(stage: &Stage) {
    let reply = stage.get("/");
    assert_eq!(
        (reply.status, reply.complete, reply.text()),
        (200, true, "hello\n".into())
    );
    assert_eq!(stage.get("/env/DYNO").text().trim(), "web.1");
    assert_eq!(stage.get("/env/APP_NAME").text().trim(), "demo");
    assert_eq!(stage.get("/env/PATH").status, 404);
    for size in [0, 1, 64 * 1024, 64 * 1024 + 1, 3_000_000] {
        let body = noise(size);
        let reply = stage.post("/echo", &body);
        assert!(
            reply.status == 200 && reply.complete && reply.body == body,
            "{size}"
        );
        assert_eq!(number(&stage.post("/upload", &body), "bytes"), size as u64);
    }
    for code in [200, 201, 404, 418, 500, 503] {
        let reply = stage.get(&format!("/status?code={code}"));
        assert_eq!((reply.status, reply.complete), (code, true));
    }
    for bytes in [0, 1, 65_536, 5_000_000] {
        let reply = stage.get(&format!("/big?bytes={bytes}"));
        assert_eq!((reply.complete, reply.body.len()), (true, bytes));
    }
    let reply = stage.get("/stream?chunks=20&bytes=10&ms=1");
    assert_eq!((reply.complete, reply.body.len()), (true, 200));
    let first: u64 = stage.get("/count").text().trim().parse().unwrap();
    let second: u64 = stage.get("/count").text().trim().parse().unwrap();
    assert_eq!(second, first + 1, "the instance lives on");
}

/// The headers that an app gets with a request, and those that it must not get.
fn is_told_of_the_request(stage: &Stage) {
    let sent = [
        "X-Custom: kept",
        "X-Request-Start: 1",
        "X_Under: dropped",
        "Keep-Alive: timeout=5",
        "traceparent: 00-11111111111111111111111111111111-2222222222222222-01",
    ];
    let text = stage
        .request("GET", "/headers", &sent, b"")
        .text()
        .to_lowercase();
    for name in [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-request-id: ",
        "via: 1.1 ",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    for name in [
        "x-dyno-queue-wait: ",
        "x-dyno-queue-depth: 0",
        "x-custom: kept",
        "traceparent: 00-1",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(
        !text.contains("x_under")
            && !text.contains("keep-alive")
            && !text.contains("x-request-start: 1\n")
    );
}

/// The lines of both output streams are in the log, in order.
fn is_heard(stage: &Stage) {
    stage.get("/log?lines=3");
    for line in ["out 3", "err 3"] {
        stage.wait_for_line(line, |found| {
            found.ends_with(&format!(" app[web.1]: {line}"))
        });
    }
    let lines = stage.lines();
    let out: Vec<_> = lines
        .iter()
        .filter(|line| line.contains(" app[web.1]: out "))
        .collect();
    assert_eq!(out.len(), 3, "{out:?}");
    assert!(
        out.iter()
            .zip(1..)
            .all(|(line, n)| line.ends_with(&format!("out {n}"))),
        "{out:?}"
    );
}

/// An instance serves one request at a time, under any number of clients.
fn never_overlaps(stage: &Stage) {
    thread::scope(|scope| {
        let asked: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| stage.get("/overlap?ms=20")))
            .collect();
        for one in asked {
            assert_eq!(one.join().unwrap().status, 200, "calls overlapped");
        }
    });
}

#[test]
fn good() {
    let stage = start("good", &[]);
    serves(&stage);
    is_told_of_the_request(&stage);
    is_heard(&stage);
    never_overlaps(&stage);
    assert_eq!(
        stage
            .get("/header?name=x-test&value=a%20b")
            .header("x-test"),
        Some("a b")
    );
    assert_eq!(stage.get("/trailers").text(), "body\n");
    let reply = stage.get("/big?bytes=100000&length=1");
    assert_eq!(
        (reply.header("content-length"), reply.complete),
        (Some("100000"), true)
    );
    assert_eq!(stage.get("/spin?ms=50").status, 200);
    assert_ne!(stage.get("/random").text(), stage.get("/random").text());
    assert!(number(&stage.get("/time"), "unix_ms") > 1_700_000_000_000);
    assert_eq!(stage.request("HEAD", "/", &[], b"").body, b"");
    stage.ends();
}

#[test]
fn good3() {
    let stage = start("good3", &[]);
    serves(&stage);
    is_told_of_the_request(&stage);
    is_heard(&stage);
    never_overlaps(&stage);
    let files = stage.get("/files").text();
    let tour = "write_tmp: true\nread_tmp: one\nremove_tmp: true\nwrite_log: true\nwrite_root_refused: true\n";
    assert_eq!(files, tour);
    stage.ends();
}

#[test]
fn files() {
    let stage = start("good", &[]);
    let tour = stage.get("/files").text();
    for step in tour.lines() {
        let refused = step.starts_with("write_root") || step.starts_with("mkdir_root");
        assert_eq!(step.contains(": error "), refused, "{tour}");
    }
    assert!(
        tour.contains("read_again: ok one two\n") && tour.contains("list_tmp: ok b.txt\n"),
        "{tour}"
    );
    let root = tour
        .lines()
        .find_map(|line| line.strip_prefix("list_root: ok "))
        .unwrap();
    assert!(root.split(' ').any(|found| found == "victim.txt"), "{root}");
    assert_eq!(
        stage.get("/files/read?path=/victim.txt").text(),
        "as it was\n"
    );
    assert_eq!(stage.get("/files/remove?path=/victim.txt").status, 403);
    assert_eq!(stage.get("/files/read?path=/../../etc/passwd").status, 403);
    assert_eq!(
        fs::read_to_string(stage.app().join("victim.txt")).unwrap(),
        "as it was\n"
    );
    stage.ends();
}

/// Files of a dyno are removed with it. Its replacement starts with empty folders.
#[test]
fn files_of_a_dyno_are_removed_with_it() {
    let stage = start("good", &[]);
    assert_eq!(
        stage.get("/files/write?path=/tmp/mine&bytes=1000").status,
        200
    );
    let homes = || {
        fs::read_dir(stage.run_folder().join("dynos"))
            .unwrap()
            .map(|home| home.unwrap().path())
    };
    let home = homes().next().unwrap();
    assert!(home.join("tmp/mine").exists());
    let mark = stage.line_count();
    let (client, _) = stage.begin("/stream?chunks=100&ms=60000&bytes=1", 0);
    // After this time the request occupies the dyno.
    thread::sleep(std::time::Duration::from_millis(100));
    drop(client);
    stage.discards(mark);
    assert_eq!(stage.get("/files/read?path=/tmp/mine").status, 403);
    wait_until("its files are gone", || !home.exists());
    stage.ends();
}

/// Dynos share neither memory nor files.
#[test]
fn dynos_of_an_app_share_neither_memory_nor_files() {
    let stage = start("good", &["web=2"]);
    stage.both_are_up();
    stage.get("/files/write?path=/tmp/a&bytes=1");
    stage.get("/count");
    // The dyno with the file is kept busy.
    let (client, _) = stage.begin("/stream?chunks=2000&ms=5", 15);
    let (read, count) = (stage.get("/files/read?path=/tmp/a"), stage.get("/count"));
    drop(client);
    assert_eq!(
        (read.status, count.text().as_str()),
        (403, "1\n"),
        "{read:?}"
    );
    stage.ends();
}
