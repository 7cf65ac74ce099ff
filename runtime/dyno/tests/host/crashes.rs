//! Whether a request caused the end of a dyno. Such dynos are replaced at once; after all other ends, starts back off.

use std::pin::Pin;

use dyno::LocalDyno;
use exchange::Kill;
use grid::desired::{Limits, ProcessKind};
use grid::protocol::{CrashCause, Report};

use crate::support::{Host, ask, call, get};

/// The cause of the next reported crash, and whether a request caused the crash.
async fn crash(host: &mut Host) -> (CrashCause, bool) {
    match host.report().await {
        Report::Crashed {
            cause, in_request, ..
        } => (cause, in_request),
        other => panic!("{other:?}"),
    }
}

/// Requests `path`, and kills the running call for the reason `why`.
async fn kill(dyno: LocalDyno, path: &str, why: Kill) {
    let (call, _) = call(dyno, get(path));
    let mut call = Box::pin(call);
    let begun = tokio::time::timeout(std::time::Duration::from_millis(100), &mut call).await;
    assert!(begun.is_err(), "it goes on");
    Pin::into_inner(call).kill(why);
}

#[tokio::test]
async fn a_handler_crash_during_a_request_is_caused_by_the_request() {
    let ways = [
        ("trap", "/x", CrashCause::Trap),
        ("trap3", "/x", CrashCause::Trap),
        ("panic", "/x", CrashCause::Trap),
        ("exit_code", "/x", CrashCause::Exit),
        ("trap_first_request", "/x", CrashCause::Trap),
    ];
    for (guest, path, cause) in ways {
        let mut host = Host::new(guest).await;
        for _ in 0..3 {
            let (dyno, _) = ask(host.up().await, get(path)).await;
            assert!(dyno.is_none(), "{guest}");
            assert_eq!(crash(&mut host).await, (cause, true), "{guest}");
        }
    }
}

/// A server guest in Rust cannot catch a panic: a panic in one request ends the whole program.
#[tokio::test]
async fn a_server_crash_during_a_request_is_caused_by_the_request() {
    for path in ["/exit", "/deaf"] {
        let mut host = Host::of_kind(ProcessKind::Server, "listens", Limits::default(), &[]).await;
        for _ in 0..3 {
            let (dyno, _) = ask(host.up().await, get("/")).await;
            let (dyno, _) = ask(dyno.unwrap(), get(path)).await;
            assert!(dyno.is_none(), "{path}");
            assert!(crash(&mut host).await.1, "{path}");
            let (dyno, _) = ask(host.up().await, get(path)).await;
            assert!(dyno.is_none(), "{path}");
            assert!(crash(&mut host).await.1, "{path}, before it has served");
        }
    }
}

#[tokio::test]
async fn a_killed_call_is_a_crash_caused_by_the_request() {
    let ways = [
        (Kill::Timeout, CrashCause::Killed),
        (Kill::Hangup, CrashCause::Discarded),
    ];
    for (why, cause) in ways {
        let mut host = Host::new("sleep_forever").await;
        kill(host.up().await, "/x", why).await;
        assert_eq!(crash(&mut host).await, (cause, true));
        let mut host = Host::of_kind(ProcessKind::Server, "listens", Limits::default(), &[]).await;
        kill(host.up().await, "/spin", why).await;
        assert_eq!(crash(&mut host).await, (cause, true));
    }
}

#[tokio::test]
async fn a_failed_boot_and_a_program_exit_are_not_caused_by_a_request() {
    let limits = Limits::default();
    let mut host = Host::with("loads", limits.clone(), &[("LOAD", "trap")]).await;
    let (_, report) = host.start().await;
    assert!(
        matches!(
            report,
            Report::Crashed {
                cause: CrashCause::Boot,
                in_request: false,
                ..
            }
        ),
        "{report:?}"
    );
    // The server exits before it listens.
    let mut host = Host::of_kind(ProcessKind::Server, "exit_with", limits.clone(), &["7"]).await;
    let (_, report) = host.start().await;
    assert!(
        matches!(
            report,
            Report::Crashed {
                cause: CrashCause::Exit,
                in_request: false,
                ..
            }
        ),
        "{report:?}"
    );
    let mut host = Host::of_kind(ProcessKind::Process, "exit_with1", limits, &["0"]).await;
    let (_, report) = host.start().await;
    assert!(matches!(report, Report::Up { .. }), "{report:?}");
    assert_eq!(crash(&mut host).await, (CrashCause::Exit, false));
}
