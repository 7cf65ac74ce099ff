//! Guests that end: by a trap, a panic, an exit, without a response, or before they are up.
//!
//! The client gets a page with an error code, the app gets a fresh dyno, and the process keeps running.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use testkit::{DynoProcess, HttpReply, PATIENCE, dyno_command, wait_until};

use crate::guest_app::{Stage, start, wat};

/// Each path ends the guest before its response: the client gets H13, and the dyno is reported as crashed and replaced.
fn dies(name: &str, paths: &[(&str, &str)]) -> Stage {
    let stage = start(name, &[]);
    for (path, reason) in paths {
        // A dyno that has served is replaced at once.
        stage.ok();
        let mark = stage.line_count();
        stage.refuses(path, "H13", 503);
        stage.crashes(mark, reason);
        stage.is_replaced();
    }
    stage
}

/// Each path gets H13, and the same dyno keeps serving.
fn says_nothing(stage: &Stage, paths: &[&str]) {
    for path in paths {
        let before = stage.ok();
        stage.refuses(path, "H13", 503);
        assert_eq!(stage.ok(), before + 2, "{path}: the dyno was replaced");
    }
}

#[test]
fn trap() {
    let stage = dies("trap", &[("/x", "unreachable"), ("/y", "unreachable")]);
    // Each message of the engine is one line: a name in a component cannot start another line.
    let odd = |line: &&String| !line.contains("]: ") && line.starts_with(' ');
    assert_eq!(
        stage
            .lines()
            .iter()
            .filter(|line| !line.contains("Building"))
            .find(odd),
        None
    );
    stage.ends();
}

#[test]
fn trap3() {
    dies(
        "trap3",
        &[("/x", "unreachable"), ("/x?when=later", "unreachable")],
    )
    .ends();
}

#[test]
fn panic() {
    let stage = dies("panic", &[("/x", "unreachable")]);
    // The log has the text that the client must not see.
    stage.wait_for_line("the panic's text", |line| {
        line.contains(" app[web.1]: ") && line.contains("the password is hunter2")
    });
    stage.ends();
}

#[test]
fn stack_overflow() {
    let ways = [("/x", "stack"), ("/x?how=memory", "")];
    dies("stack_overflow", &ways).ends();
}

#[test]
fn exit_code() {
    let ways = [
        ("/x", "exited with code 0"),
        ("/x?code=3", "exited with code 1"),
    ];
    let stage = dies("exit_code", &ways);
    let reply = stage.get("/x?code=3&after=head");
    assert!(reply.status == 503 || !reply.complete, "{reply:?}");
    stage.is_replaced();
    stage.ends();
}

#[test]
fn no_response() {
    let stage = start("no_response", &[]);
    says_nothing(&stage, &["/x", "/x?how=keep", "/x?how=error"]);
    stage.ends();
}

#[test]
fn no_response3() {
    let stage = start("no_response3", &[]);
    says_nothing(&stage, &["/x"]);
    let mark = stage.line_count();
    stage.refuses("/x?how=exit", "H13", 503);
    stage.crashes(mark, "exited with code 0");
    stage.is_replaced();
    stage.ends();
}

/// The dyno never serves a request, but is replaced at once: crashes caused by requests cause no back-off.
#[test]
fn trap_first_request() {
    let stage = start("trap_first_request", &[]);
    for n in 1..=5 {
        let mark = stage.line_count();
        stage.refuses(&format!("/{n}"), "H13", 503);
        stage.crashes(mark, "unreachable");
    }
    let lines = stage.lines();
    let waits = |line: &&String| line.contains("Restarting in ") || line.contains(" code=H10 ");
    assert_eq!(lines.iter().find(waits), None);
    stage.ends();
}

#[test]
fn trap_every_third() {
    let stage = start("trap_every_third", &[]);
    for round in 0..5 {
        assert_eq!((stage.ok(), stage.ok()), (1, 2), "round {round}");
        stage.refuses(&format!("/{round}"), "H13", 503);
    }
    stage.ends();
}

#[test]
fn boot_trap() {
    let folder = wat("boot_trap", "");
    let local = DynoProcess::spawn_local(folder.path(), &[]);
    local.wait_for_line("the crash", |line| {
        line.contains("dyno[web.1]: Crashed: ") && line.contains("unreachable")
    });
    local.wait_for_line("the end", |line| line.contains("did not come up"));
    let never_up = local
        .lines()
        .iter()
        .all(|line| !line.contains("starting to up"));
    assert!(never_up && !local.wait_for_exit().success());
}

#[test]
fn slow_boot() {
    let folder = wat("slow_boot", "");
    // The test needs a fixed port, because the port is printed only when the app is up.
    let free = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut command: Command = dyno_command();
    command
        .arg("local")
        .arg(folder.path())
        .args(["-p", &free.to_string()]);
    let mut local = DynoProcess::spawn(&mut command);
    local.port = free;
    local.wait_for_line("the start", |line| line.contains("down to starting"));
    let mut clients: Vec<TcpStream> = (0..5).map(|_| early(&local)).collect();
    let up = local
        .lines()
        .iter()
        .any(|line| line.contains("starting to up"));
    assert!(!up, "this test sends its requests too late");
    for client in &mut clients {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        assert_eq!(HttpReply::parse(&bytes).status, 200);
    }
    Stage::of(local, folder).ends();
}

/// A request that is sent but not yet answered.
fn early(local: &DynoProcess) -> TcpStream {
    wait_until("the port is open", || {
        TcpStream::connect(("127.0.0.1", local.port)).is_ok()
    });
    let mut stream = local.connect();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let head = "GET / HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream
}
