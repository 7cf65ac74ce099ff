//! Guests that use time: they loop, sleep, compute, or keep running after their response.
//!
//! Tests compare times with each other only, with wide margins.

use std::thread;

use testkit::{DynoProcess, log_field};

use crate::guest_app::{limited, number, start, wat};

/// A guest that sends no head is stopped at the deadline. The other dyno serves meanwhile.
fn stopped_at_the_deadline(name: &str) {
    let stage = limited(name, "timeout = \"1s\"", &["web=2"]);
    let mark = stage.line_count();
    let (reply, answers) = stage.beside("/x");
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(
        reply.text().contains("H12") && answers > 5,
        "{answers} answers"
    );
    let line = stage.wait_for_router_line_after(mark, "/x");
    assert!(line.contains(" code=H12 "), "{line}");
    assert!(log_field(&line, "service") >= 900, "{line}");
    stage.wait_for_line_after(mark, "the end of the dyno", |line| {
        line.contains("Crashed: killed, since a request took too long")
    });
    stage.wait_for_line_after(mark, "a new one", |line| {
        line.ends_with("State changed from starting to up")
    });
    stage.ends();
}

/// A guest that hangs after its head is stopped soon after its client has left. Its dyno is replaced each time.
fn stopped_after_a_hangup(name: &str, after: &[&str]) {
    let stage = start(name, &[]);
    for how in after {
        let mark = stage.line_count();
        let path = format!("/x?after={how}");
        let (client, head) = stage.begin(&path, 15);
        assert_eq!(head, b"HTTP/1.1 200 OK");
        drop(client);
        stage.discards(mark);
        let line = stage.wait_for_router_line_after(mark, &path);
        assert!(
            line.contains(" code=H27 ") && line.contains(" status=499 "),
            "{line}"
        );
        stage.is_replaced();
    }
    stage.ends();
}

#[test]
fn spin() {
    stopped_at_the_deadline("spin");
    stopped_after_a_hangup("spin", &["head", "body"]);
}

#[test]
fn spin3() {
    stopped_at_the_deadline("spin3");
    // The guest computes before the host gets the head, so the client gets none.
    let stage = limited("spin3", "timeout = \"1s\"", &[]);
    stage.ok();
    stage.refuses("/x?after=head", "H12", 503);
    stage.is_replaced();
    stage.ends();
    stopped_after_a_hangup("spin3", &["body"]);
}

#[test]
fn sleep_forever() {
    stopped_at_the_deadline("sleep_forever");
    stopped_after_a_hangup("sleep_forever", &["head", "body"]);
}

#[test]
fn sleep_forever3() {
    stopped_at_the_deadline("sleep_forever3");
    stopped_after_a_hangup("sleep_forever3", &["head", "body"]);
}

/// Two dynos for each core compute, while another dyno of the app answers.
#[test]
fn cpu() {
    let cores = thread::available_parallelism().unwrap().get();
    let busy = cores * 2;
    let stage = start("cpu", &[&format!("web={}", busy + 1)]);
    thread::scope(|scope| {
        let computing: Vec<_> = (0..busy)
            .map(|_| scope.spawn(|| stage.get("/x?ms=1500")))
            .collect();
        let mut answers = 0;
        while computing.iter().any(|one| !one.is_finished()) {
            stage.ok();
            answers += 1;
        }
        assert!(answers > 5, "{answers} answers while others compute");
        for one in computing {
            let reply = one.join().unwrap();
            assert!(number(&reply, "rounds") > 0, "{reply:?}");
        }
    });
    stage.ends();
}

/// The response arrives at once. The next request waits for the end of the call, and uses the same instance.
fn lingers(name: &str, ways: &[&str]) {
    let stage = start(name, &[]);
    for how in ways {
        let before = stage.ok();
        let reply = stage.get(&format!("/x?ms=1500{how}"));
        assert_eq!(
            (reply.status, reply.complete, reply.text()),
            (200, true, "done\n".into())
        );
        let next = format!("/ok?next{how}");
        assert_eq!(stage.get(&next).text(), format!("ok {}\n", before + 2));
        let line = stage.wait_for_router_line(&next);
        assert!(log_field(&line, "wait") >= 500, "{line}");
    }
    stage.ends();
}

#[test]
fn linger() {
    lingers("linger", &["", "&how=spin"]);
}

#[test]
fn linger3() {
    lingers("linger3", &[""]);
    // While a WASI 0.3 guest computes, the host cannot read its streams: the response ends when the guest yields.
    let stage = start("linger3", &[]);
    let reply = stage.get("/x?ms=200&how=spin");
    assert_eq!(
        (reply.status, reply.complete, reply.text()),
        (200, true, "done\n".into())
    );
    assert_eq!(stage.ok(), 2);
    stage.ends();
}

#[test]
fn clock_res() {
    let stage = start("clock_res", &[]);
    let reply = stage.get("/x?n=20000");
    for clock in ["monotonic", "wall"] {
        for what in ["resolution", "step"] {
            let ns = number(&reply, &format!("{clock}_{what}_ns"));
            assert!(ns >= 1000, "{clock} {what} is {ns} ns");
        }
    }
    stage.ends();
}

/// The long time limits, tested concurrently: 30 s after a response, 55 s of silence within one, 60 s to boot.
#[test]
fn endless_calls_and_boots_are_killed_at_their_time_limits() {
    thread::scope(|scope| {
        scope.spawn(|| falls_silent("spin", "/x?after=body"));
        scope.spawn(|| falls_silent("spin3", "/x?after=body"));
        scope.spawn(|| falls_silent("sleep_forever", "/x?after=body"));
        scope.spawn(|| falls_silent("sleep_forever3", "/x?after=head"));
        scope.spawn(lingers_forever);
        scope.spawn(never_boots);
    });
}

fn falls_silent(name: &str, path: &str) {
    let stage = start(name, &[]);
    let reply = stage.get(path);
    assert_eq!(
        (reply.status, reply.complete),
        (200, false),
        "{name}: {reply:?}"
    );
    let line = stage.wait_for_router_line(path);
    assert!(line.contains(" code=H15 "), "{line}");
    stage.is_replaced();
    stage.ends();
}

fn lingers_forever() {
    let stage = limited("linger3", "timeout = \"60s\"", &[]);
    let reply = stage.get("/x?how=forever");
    assert_eq!((reply.status, reply.complete), (200, true), "{reply:?}");
    stage.is_replaced();
    stage.ends();
}

fn never_boots() {
    let folder = wat("boot_spin", "");
    let local = DynoProcess::spawn_local(folder.path(), &[]);
    local.wait_for_line("the boot timeout", |line| {
        line.contains("dyno[web.1]: Error R10 (Boot timeout) -> ")
    });
    local.wait_for_line("the end", |line| line.contains("did not come up"));
    assert!(!local.wait_for_exit().success());
}
