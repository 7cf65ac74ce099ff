//! Sleeping dynos cost next to nothing, and the request that wakes one does not notice.

use std::fs;

use testkit::{Server, ServerRig, wait_until};

use crate::operations::number;

const APP: &str = "shop";
/// Dynos of the app whose memory is counted.
const DYNOS: u32 = 1_000;
/// The most memory of the process that a sleeping dyno may take, in KiB.
const ASLEEP_KIB_MAX: u64 = 4;

/// A server whose allocator returns unused memory at once, so that the measured memory is in use.
fn started(rig: &ServerRig) -> Server<'_> {
    let mut command = rig.serve_command(&rig.data_folder(), &[]);
    rig.start_command(command.env("MIMALLOC_PURGE_DELAY", "0"))
}

/// A server that was restarted with this many dynos of the app, all asleep.
fn restarted(rig: &ServerRig, dynos: u32) -> Server<'_> {
    let server = rig.start();
    server.scale(APP, dynos);
    server.wait_for_dynos(APP, dynos as usize);
    server.process.send_signal("TERM");
    assert_eq!(server.process.wait_for_exit().code(), Some(0));
    let server = started(rig);
    server.wait_until_ready();
    wait_until("all dynos are with the router", || {
        number(&server, "dyno_router_dynos_free") == u64::from(dynos)
    });
    server
}

fn states(server: &Server<'_>, state: &str) -> usize {
    let dynos = server.list_dynos(APP);
    dynos.iter().filter(|dyno| dyno["state"] == state).count()
}

/// Anonymous memory of a process, in KiB; shared pages count in part.
fn anonymous_kib(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss_Anon:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}

#[test]
fn apps_that_served_sleep_after_a_start_and_wake_for_a_request() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    server.process.send_signal("TERM");
    assert_eq!(server.process.wait_for_exit().code(), Some(0));

    let server = restarted(&rig, 1);
    let one = anonymous_kib(server.process.process_id());
    assert_eq!(states(&server, "idle"), 1);
    assert_eq!(server.app_page(APP, "/count").trim(), "1");
    assert_eq!(server.app_page(APP, "/count").trim(), "2");
    assert_eq!(states(&server, "up"), 1);
    // A release that has never served is booted, to find out whether it works.
    let version = server.set_config_vars(APP, &serde_json::json!({ "WHO": "you" }));
    server.wait_until_serving(APP, &version);
    assert_ne!(states(&server, "up"), 0);
    server.process.send_signal("TERM");
    assert_eq!(server.process.wait_for_exit().code(), Some(0));

    let server = restarted(&rig, DYNOS);
    let all = anonymous_kib(server.process.process_id());
    assert_eq!(states(&server, "idle"), DYNOS as usize);
    let budget = ASLEEP_KIB_MAX * u64::from(DYNOS - 1);
    eprintln!("{one} KiB with one dyno, {all} with {DYNOS}");
    assert!(all.saturating_sub(one) <= budget, "{one} KiB, then {all}");
    assert_eq!(server.app_page(APP, "/count").trim(), "1");
    assert_eq!(states(&server, "up"), 1);
}
