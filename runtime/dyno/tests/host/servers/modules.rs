//! Servers that are core modules of WASI preview 1: their listener is open from the start.

use grid::protocol::{CrashCause, Report};

use super::up_at;
use crate::support::{Host, ask, get};

/// The lines of the module's log that begin with this letter.
fn notes(host: &Host, letter: char) -> Vec<String> {
    let lines = host.lines().into_iter();
    lines.filter(|line| line.starts_with(letter)).collect()
}

/// The module of `module_server.wat`, with calls that are made when the first connection was accepted.
async fn server(probes: &str) -> Host {
    let file = "runtime/dyno/tests/guests/wat/module_server.wat";
    let text = std::fs::read_to_string(testkit::repository().join(file)).unwrap();
    let text = text.replacen("    ;;PROBES", probes, 1);
    let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    Host::of_module_server(&module).await
}

#[tokio::test]
async fn a_module_serves_on_one_connection_and_is_woken_only_by_events() {
    let mut host = server("").await;
    let mut dyno = host.up().await;
    for _ in 0..20 {
        let (next, reply) = ask(dyno, get("/")).await;
        assert_eq!((reply.text(), reply.finished), ("ok".to_owned(), true));
        dyno = next.expect("free again");
    }
    // Once for the connection, and once for each request.
    assert_eq!(notes(&host, 'p'), vec!["p 00"; 21]);
}

#[tokio::test]
async fn a_module_that_ends_before_it_accepts_does_not_boot() {
    let module = wat::parse_str(
        r#"(module
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "_start") (call $exit (i32.const 3))))"#,
    );
    let mut host = Host::of_module_server(&module.unwrap()).await;
    let (_, report) = host.start().await;
    let Report::Crashed { reason, cause, .. } = &report else {
        panic!("{report:?}");
    };
    assert_eq!(
        (reason.as_str(), *cause),
        ("exited with code 3", CrashCause::Exit)
    );
}

/// An instruction, and the error number that it must give, if it gives one.
const PROBES: [(&str, Option<u8>); 34] = [
    // Too many buffers, and none.
    (
        "(call $fd_read (global.get $connection) (i32.const 32) (i32.const -1) (i32.const 24))",
        Some(28),
    ),
    (
        "(call $fd_write (global.get $connection) (i32.const 32) (i32.const 1025) (i32.const 24))",
        Some(28),
    ),
    ("(i32.store (i32.const 80) (i32.const 5000))", None),
    (
        "(call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 0) (i32.const 24))",
        Some(28),
    ),
    // Flags that sockets do not have.
    (
        "(call $sock_recv (global.get $connection) (i32.const 32) (i32.const 0) (i32.const 1) (i32.const 24) (i32.const 28))",
        Some(58),
    ),
    (
        "(call $fd_fdstat_set_flags (global.get $connection) (i32.const 0))",
        Some(58),
    ),
    (
        "(call $fd_fdstat_set_flags (global.get $connection) (i32.const 5))",
        Some(58),
    ),
    (
        "(call $fd_fdstat_set_flags (global.get $connection) (i32.const 4))",
        Some(0),
    ),
    // Operations that the kind of descriptor does not have.
    (
        "(call $sock_accept (global.get $connection) (i32.const 0) (i32.const 24))",
        Some(28),
    ),
    (
        "(call $sock_accept (i32.const 1) (i32.const 0) (i32.const 24))",
        Some(57),
    ),
    (
        "(call $fd_read (global.get $listener) (i32.const 32) (i32.const 1) (i32.const 24))",
        Some(53),
    ),
    (
        "(call $sock_shutdown (global.get $listener) (i32.const 3))",
        Some(53),
    ),
    (
        "(call $fd_seek (global.get $connection) (i64.const 0) (i32.const 0) (i32.const 24))",
        Some(8),
    ),
    (
        "(call $fd_prestat_get (global.get $listener) (i32.const 24))",
        Some(8),
    ),
    (
        "(call $fd_renumber (global.get $listener) (i32.const 1))",
        Some(8),
    ),
    (
        "(call $fd_renumber (i32.const 1) (global.get $connection))",
        Some(8),
    ),
    // Descriptions of sockets.
    (
        "(call $fd_fdstat_get (global.get $listener) (i32.const 256))",
        Some(0),
    ),
    (
        "(call $fd_filestat_get (global.get $connection) (i32.const 256))",
        Some(0),
    ),
    ("(i32.load8_u (i32.const 272))", Some(6)),
    // Paths that the network does not have, and descriptors without paths.
    (
        "(call $path (i32.const 4095) (i32.const 768) (i32.const 9))",
        Some(44),
    ),
    (
        "(call $path (i32.const 4095) (i32.const 772) (i32.const 5))",
        Some(28),
    ),
    (
        "(call $path (i32.const 4095) (i32.const 768) (i32.const 0))",
        Some(44),
    ),
    (
        "(call $path (i32.const 4095) (i32.const 784) (i32.const 8))",
        Some(28),
    ),
    (
        "(call $path (i32.const 4095) (i32.const 1024) (i32.const 5000))",
        Some(37),
    ),
    (
        "(call $path (global.get $listener) (i32.const 784) (i32.const 8))",
        Some(54),
    ),
    (
        "(call $fd_read (i32.const 4095) (i32.const 32) (i32.const 1) (i32.const 24))",
        Some(53),
    ),
    ("(call $fd_close (i32.const 4095))", Some(8)),
    (
        "(call $fd_fdstat_get (i32.const 4095) (i32.const 256))",
        Some(8),
    ),
    // Descriptors that are not open.
    (
        "(call $fd_read (i32.const 5000) (i32.const 32) (i32.const 1) (i32.const 24))",
        Some(8),
    ),
    (
        "(call $fd_write (i32.const -1) (i32.const 32) (i32.const 1) (i32.const 24))",
        Some(8),
    ),
    ("(call $fd_close (i32.const 4098))", Some(8)),
    (
        "(call $sock_accept (i32.const 4097) (i32.const 0) (i32.const 24))",
        Some(28),
    ),
    (
        "(call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 24))",
        Some(0),
    ),
    ("(i32.load16_u (i32.const 136))", Some(8)),
];

#[tokio::test]
async fn calls_of_a_hostile_module_give_errors_and_it_still_serves() {
    let instruction = |(text, number): &(&str, Option<u8>)| match number {
        Some(_) => format!("(call $note (i32.const 101) {text})\n"),
        None => format!("{text}\n"),
    };
    let mut host = server(&PROBES.iter().map(instruction).collect::<String>()).await;
    let (_, dyno) = up_at(&mut host).await;
    let (_, reply) = ask(dyno, get("/")).await;
    assert_eq!((reply.text(), reply.finished), ("ok".to_owned(), true));
    let expected = PROBES
        .iter()
        .filter_map(|(text, number)| Some((*text, format!("e {:02x}", (*number)?))));
    let given = notes(&host, 'e');
    assert_eq!(given.len(), expected.clone().count());
    for (given, (text, expected)) in given.into_iter().zip(expected) {
        assert_eq!(given, expected, "{text}");
    }
}

/// Calls with addresses or lengths outside of the memory: a buffer, the list of buffers, and the list of events.
const OUTSIDE: [&str; 7] = [
    "(call $buffer (i32.const 32) (i32.const 0xfffffff0) (i32.const 64)) (drop (call $fd_read (global.get $connection) (i32.const 32) (i32.const 1) (i32.const 24)))",
    "(call $buffer (i32.const 32) (i32.const 1024) (i32.const -1)) (drop (call $fd_read (global.get $connection) (i32.const 32) (i32.const 1) (i32.const 24)))",
    "(call $buffer (i32.const 32) (i32.const 0x1ffff) (i32.const 2)) (drop (call $fd_write (global.get $connection) (i32.const 32) (i32.const 1) (i32.const 24)))",
    "(call $buffer (i32.const 32) (i32.const -1) (i32.const -1)) (drop (call $sock_send (global.get $connection) (i32.const 32) (i32.const 1) (i32.const 0) (i32.const 24)))",
    "(drop (call $sock_recv (global.get $connection) (i32.const 0x1fffc) (i32.const 1) (i32.const 0) (i32.const 24) (i32.const 28)))",
    "(i32.store (i32.const 80) (i32.const 5000)) (drop (call $poll_oneoff (i32.const 64) (i32.const 0x1fff8) (i32.const 1) (i32.const 24)))",
    "(drop (call $poll_oneoff (i32.const 0x1fff8) (i32.const 128) (i32.const 1) (i32.const 24)))",
];

#[tokio::test]
async fn an_address_outside_of_the_memory_ends_the_module_and_not_the_host() {
    for probe in OUTSIDE {
        let mut host = server(probe).await;
        let (_, report) = host.start().await;
        // Whether the dyno counted as up for a moment is a race: the call comes right after the first `accept`.
        let report = match report {
            Report::Up { .. } => host.report().await,
            report => report,
        };
        let Report::Crashed { reason, cause, .. } = &report else {
            panic!("{probe}: {report:?}");
        };
        assert_eq!(*cause, CrashCause::Trap, "{reason}");
    }
}
