//! Sleeping dynos: a sleep frees the instance and the folders; the next request gets a fresh instance.

use exchange::DynoHandle;
use grid::desired::Limits;
use grid::protocol::{CrashCause, Report, Step};

use crate::support::{Host, ask, get};

/// Traps in about half of the boots, at random. The handler does nothing.
const BOOTS_BY_CHANCE: &str = r#"(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-u64" (func (result u64)))))
  (core func $chance (canon lower (func $random "get-random-u64")))
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $out))
  (core module $m
    (import "" "chance" (func $chance (result i64)))
    (func $start
      (if (i64.eqz (i64.and (call $chance) (i64.const 1))) (then unreachable)))
    (start $start)
    (func (export "handle") (param i32 i32)))
  (core instance $i (instantiate $m (with "" (instance (export "chance" (func $chance))))))
  (func $handle (param "request" (own $request)) (param "response-out" (own $out))
    (canon lift (core func $i "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;

async fn sleeps(guest: &str) {
    let mut host = Host::new(guest).await;
    let home = host.folder.path().join("work/demo-1");
    let (dyno, first) = ask(host.up().await, get("/count")).await;
    let (dyno, second) = ask(dyno.unwrap(), get("/count")).await;
    assert_ne!(first.text(), second.text());
    let (dyno, files) = ask(dyno.unwrap(), get("/files")).await;
    assert!(home.join("log/a.log").exists(), "{}", files.text());
    let mut dyno = dyno.unwrap();
    let key = dyno.key().clone();

    dyno.sleep();
    assert!(!home.exists(), "the folders are gone");
    dyno.sleep();
    let node = "local".parse().unwrap();
    let idle = Report::Idle {
        node,
        dyno: key.clone(),
    };
    assert_eq!(host.report().await, idle);

    let (dyno, reply) = ask(dyno, get("/count")).await;
    assert_eq!((reply.status(), reply.text()), (200, first.text()));
    // The second `sleep` had no effect: no report came in between.
    let node = "local".parse().unwrap();
    assert_eq!(host.report().await, Report::Woke { node, dyno: key });
    let (dyno, again) = ask(dyno.unwrap(), get("/files")).await;
    assert_eq!(again.text(), files.text(), "as at the first boot");
    drop(dyno);
}

#[tokio::test]
async fn a_guest_of_wasi_0_2_sleeps_and_wakes_with_a_fresh_instance() {
    sleeps("good").await;
}

#[tokio::test]
async fn a_guest_of_wasi_0_3_sleeps_and_wakes_with_a_fresh_instance() {
    sleeps("good3").await;
}

#[tokio::test]
async fn folders_of_a_dyno_are_empty_after_a_sleep() {
    let mut host = Host::new("good").await;
    let write = get("/files/write?path=/tmp/kept&bytes=1000");
    let (dyno, reply) = ask(host.up().await, write).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let mut dyno = dyno.unwrap();
    dyno.sleep();
    let (dyno, reply) = ask(dyno, get("/files/list?path=/tmp")).await;
    assert_eq!((reply.status(), reply.text().trim()), (200, ""));
    drop(dyno);
}

/// A component made by ComponentizeJS: each of its instances serves one request.
#[tokio::test]
async fn a_dyno_with_single_use_instances_sleeps() {
    let mut component = std::fs::read(testkit::guest_path("good")).unwrap();
    let signed = b"\x09producers\x01\x0cprocessed-by\x01\x0eComponentizeJS\x060.23.0";
    component.extend([&[0, signed.len() as u8], &signed[..]].concat());
    let mut host = Host::of_bytes(&component, false, Limits::default(), &[]).await;
    let mut dyno = host.up().await;
    for _ in 0..3 {
        let (same, reply) = ask(dyno, get("/count")).await;
        assert_eq!((reply.status(), reply.text().trim()), (200, "1"));
        dyno = same.unwrap();
        dyno.sleep();
        assert!(matches!(host.report().await, Report::Idle { .. }));
        let (same, reply) = ask(dyno, get("/count")).await;
        assert_eq!((reply.status(), reply.text().trim()), (200, "1"));
        dyno = same.unwrap();
        assert!(matches!(host.report().await, Report::Woke { .. }));
    }
}

#[tokio::test]
async fn a_sleeping_dyno_can_be_returned_taken_again_and_stopped() {
    let mut host = Host::new("good").await;
    let mut dyno = host.up().await;
    let key = dyno.key().clone();
    dyno.sleep();
    assert!(matches!(host.report().await, Report::Idle { .. }));
    drop(dyno);
    let dyno = host.node.take(&key).expect("it is free");
    let (dyno, reply) = ask(dyno, get("/")).await;
    assert_eq!(reply.status(), 200);
    assert!(matches!(host.report().await, Report::Woke { .. }));
    let mut dyno = dyno.unwrap();
    dyno.sleep();
    assert!(matches!(host.report().await, Report::Idle { .. }));
    host.node.step(Step::Drain {
        node: "local".parse().unwrap(),
        dyno: key.clone(),
        release: crate::support::RELEASE,
        grace: std::time::Duration::ZERO,
    });
    assert_eq!(host.node.dynos(), 1, "a router has it");
    drop(dyno);
    assert!(matches!(host.report().await, Report::Down { .. }));
    assert_eq!(host.node.dynos(), 0);
}

#[tokio::test]
async fn a_dyno_sleeps_from_its_start_and_boots_for_its_first_request() {
    let mut host = Host::new("good").await;
    let (key, report) = host.start_as(true).await;
    assert!(matches!(report, Report::Idle { .. }), "{report:?}");
    let dyno = host.node.take(&key).expect("it is free");
    let (dyno, reply) = ask(dyno, get("/count")).await;
    assert_eq!((reply.status(), reply.text().trim()), (200, "1"));
    assert!(matches!(host.report().await, Report::Woke { .. }));
    let (dyno, reply) = ask(dyno.unwrap(), get("/count")).await;
    assert_eq!((reply.status(), reply.text().trim()), (200, "2"));
    drop(dyno);

    let (unused, _) = host.start_as(true).await;
    host.node.step(Step::Stop {
        node: "local".parse().unwrap(),
        dyno: unused,
        release: crate::support::RELEASE,
        reason: grid::protocol::StopReason::Unwanted,
    });
    assert!(matches!(host.report().await, Report::Down { .. }));
    assert_eq!(host.node.dynos(), 1);
}

async fn awake_in_turn(guest: &str) {
    let mut host = Host::with_room(guest, 1).await;
    let mut first = host.up().await;
    let (key, report) = host.start_as(true).await;
    assert!(matches!(report, Report::Idle { .. }), "{report:?}");
    let second = host.node.take(&key).expect("it is free");
    let waits = tokio::spawn(ask(second, get("/count")));
    while !host
        .lines()
        .concat()
        .contains("waiting for one of them to sleep")
    {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert!(!waits.is_finished());
    first.sleep();
    let (second, reply) = waits.await.unwrap();
    assert_eq!((reply.status(), reply.text().trim()), (200, "1"));
    second.unwrap().sleep();
    let (first, reply) = ask(first, get("/count")).await;
    assert_eq!((reply.status(), reply.text().trim()), (200, "1"));
    drop(first);
}

#[tokio::test]
async fn the_number_of_awake_dynos_is_limited() {
    awake_in_turn("good").await;
    awake_in_turn("good3").await;
}

#[tokio::test]
async fn a_failed_wake_up_is_a_crash() {
    let component = wat::parse_str(BOOTS_BY_CHANCE).unwrap();
    let mut host = Host::of_bytes(&component, false, Limits::default(), &[]).await;
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
        assert!(reply.head.is_none() && !reply.finished);
        match (same, host.report().await) {
            (Some(same), Report::Woke { .. }) => dyno = same,
            (None, Report::Crashed { cause, reason, .. }) => {
                assert_eq!(cause, CrashCause::Boot, "{reason}");
                assert!(reason.contains("unreachable"), "{reason}");
                break;
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    assert_eq!(host.node.dynos(), 0);
}
