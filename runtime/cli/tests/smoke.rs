//! The first thing anybody does: run a component, ask it something, stop it.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use support::{Local, field, guest};

#[test]
fn a_component_runs_and_stops() {
    let local = Local::start(&guest("good"), &[]);
    let reply = local.get("/");
    assert_eq!((reply.status, reply.complete), (200, true), "{reply:?}");
    assert!(reply.header("x-request-id").is_some());
    let line = local.router_line("/");
    assert!(line.contains("at=info") && line.contains("dyno=web.1"), "{line}");
    assert_eq!(field(&line, "queue"), 0);
    assert!(local.stop().success());
}
