//! The boot hook `dyno:app/boot`: a dyno is up when its app is loaded; the boot fails if the app cannot be loaded.

use exchange::DynoHandle;
use grid::desired::Limits;
use grid::protocol::{CrashCause, Report, Step, StopReason};

use crate::support::{Host, ask, get};

const GUESTS: [&str; 2] = ["loads", "loads3"];

async fn host(guest: &str, load: &str) -> Host {
    Host::with(guest, Limits::default(), &[("LOAD", load)]).await
}

fn calls(host: &Host) -> usize {
    let lines = host.lines();
    lines
        .iter()
        .filter(|line| *line == "load is called")
        .count()
}

#[tokio::test]
async fn the_boot_hook_is_called_once_in_each_instance_before_the_first_request() {
    for guest in GUESTS {
        let mut host = host(guest, "ok").await;
        let dyno = host.up().await;
        assert_eq!(calls(&host), 1, "{guest}");
        let (dyno, reply) = ask(dyno, get("/")).await;
        assert_eq!((reply.status(), reply.text()), (200, "loaded\n".into()));
        let (dyno, reply) = ask(dyno.unwrap(), get("/ok")).await;
        assert_eq!(reply.text(), "ok 2\n");
        assert_eq!(calls(&host), 1, "{guest}");
        let mut dyno = dyno.unwrap();
        dyno.sleep();
        assert!(matches!(host.report().await, Report::Idle { .. }));
        assert_eq!(calls(&host), 1, "{guest}");
        let (dyno, reply) = ask(dyno, get("/ok")).await;
        assert_eq!(reply.text(), "ok 1\n", "{guest}");
        assert_eq!(calls(&host), 2, "{guest}: after the sleep");
        drop(dyno);
    }
}

/// A component made by ComponentizeJS: each of its instances serves one request.
#[tokio::test]
async fn the_boot_hook_is_called_in_every_single_use_instance() {
    let mut component = std::fs::read(testkit::guest_path("loads")).unwrap();
    let signed = b"\x09producers\x01\x0cprocessed-by\x01\x0eComponentizeJS\x060.23.0";
    component.extend([&[0, signed.len() as u8], &signed[..]].concat());
    let mut host = Host::of_bytes(&component, false, Limits::default(), &[]).await;
    let mut dyno = host.up().await;
    for call in 1..4 {
        assert_eq!(calls(&host), call);
        let (same, reply) = ask(dyno, get("/ok")).await;
        assert_eq!(reply.text(), "ok 1\n");
        dyno = same.unwrap();
    }
}

#[tokio::test]
async fn an_error_of_the_boot_hook_is_the_reason_of_the_failed_boot() {
    for guest in GUESTS {
        let mut host = host(guest, "err").await;
        let (_, report) = host.start().await;
        let Report::Crashed {
            cause,
            reason,
            served,
            ..
        } = report
        else {
            panic!("{guest}: {report:?}");
        };
        assert_eq!(reason, "ModuleNotFoundError: No module named 'shop'");
        assert_eq!((cause, served), (CrashCause::Boot, false));
        let lines = host.lines();
        let own = ["load is called", "Traceback (most recent call last):"];
        assert_eq!(lines[..2], own, "{guest}");
        // The last line has no line end, and is logged too.
        assert_eq!(lines[3..], ["ModuleNotFoundError: No module named 'shop'"]);
        assert_eq!(host.node.dynos(), 0);
    }
}

#[tokio::test]
async fn a_trap_or_exit_in_the_boot_hook_is_a_failed_boot() {
    let ways = [
        ("trap", "unreachable"),
        ("panic", "unreachable"),
        ("exit", "exited with code 1"),
    ];
    for guest in GUESTS {
        for (load, why) in ways {
            let mut host = host(guest, load).await;
            let (_, report) = host.start().await;
            let Report::Crashed { cause, reason, .. } = report else {
                panic!("{guest} {load}: {report:?}");
            };
            assert_eq!(cause, CrashCause::Boot, "{guest} {load}");
            assert!(reason.contains(why), "{guest} {load}: {reason}");
        }
    }
}

#[tokio::test]
async fn an_endless_boot_hook_yields_to_other_tasks_and_is_stopped() {
    for guest in GUESTS {
        let mut host = host(guest, "spin").await;
        let dyno = host.key();
        let node: grid::name::NodeId = "local".parse().unwrap();
        host.node.step(Step::Start {
            node: node.clone(),
            dyno: dyno.clone(),
            release: crate::support::RELEASE,
            asleep: false,
        });
        // The test has one thread: this loop runs only if the guest yields.
        while calls(&host) == 0 {
            tokio::task::yield_now().await;
        }
        host.node.step(Step::Stop {
            node: node.clone(),
            dyno: dyno.clone(),
            release: crate::support::RELEASE,
            reason: StopReason::BootTimeout,
        });
        assert_eq!(host.report().await, Report::Down { node, dyno });
        assert_eq!(host.node.dynos(), 0);
    }
}

#[tokio::test]
async fn a_boot_hook_that_fails_at_wake_up_is_a_failed_boot() {
    for guest in GUESTS {
        let mut host = host(guest, "chance").await;
        let mut dyno = loop {
            let (key, report) = host.start().await;
            if matches!(report, Report::Up { .. }) {
                break host.node.take(&key).expect("up and free");
            }
        };
        loop {
            dyno.sleep();
            assert!(matches!(host.report().await, Report::Idle { .. }));
            let (same, reply) = ask(dyno, get("/")).await;
            match (same, host.report().await) {
                (Some(same), Report::Woke { .. }) => {
                    assert_eq!(reply.status(), 200);
                    dyno = same;
                }
                (None, Report::Crashed { cause, reason, .. }) => {
                    assert!(reply.head.is_none(), "{guest}: nothing was answered");
                    assert_eq!(cause, CrashCause::Boot, "{reason}");
                    assert!(reason.contains("No module named 'shop'"), "{reason}");
                    break;
                }
                (_, other) => panic!("{guest}: {other:?}"),
            }
        }
    }
}

/// A handler of WASI 0.2 whose boot hook has the given type and returns 0. Its `handle` does nothing.
fn with_hook_of(params: &str, result: &str, core: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $out))
  (core module $m
    (memory (export "memory") 1)
    (func (export "load") {core} (i32.const 0))
    (func (export "handle") (param i32 i32)))
  (core instance $i (instantiate $m))
  (func $handle (param "request" (own $request)) (param "response-out" (own $out))
    (canon lift (core func $i "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler))
  (func $load {params} (result {result})
    (canon lift (core func $i "load") (memory (core memory $i "memory"))))
  (instance $boot (export "load" (func $load)))
  (export "dyno:app/boot@0.1.0" (instance $boot)))"#
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn a_boot_hook_of_wrong_type_is_refused() {
    let right = with_hook_of("", "(result (error string))", "(result i32)");
    let mut host = Host::of_bytes(&right, false, Limits::default(), &[]).await;
    assert!(matches!(host.start().await.1, Report::Up { .. }));
    let wrong = [
        with_hook_of("", "(result (error u32))", "(result i32)"),
        with_hook_of("", "u32", "(result i32)"),
        with_hook_of(
            "(param \"n\" u32)",
            "(result (error string))",
            "(param i32) (result i32)",
        ),
    ];
    for component in wrong {
        let refused = Host::refused(&component).await;
        assert!(
            refused
                .contains("`dyno:app/boot@0.1.0` must export `load: func() -> result<_, string>`"),
            "{refused}"
        );
    }
}
