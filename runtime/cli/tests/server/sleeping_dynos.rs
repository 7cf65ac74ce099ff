//! Sleeping dynos use almost no memory, and a request that wakes a dyno is served normally.

use std::fs;

use testkit::{Server, ServerRig, wait_until};

use crate::operations::number;

const APP: &str = "shop";
/// Number of dynos whose memory is measured.
const DYNOS: u32 = 1_000;
/// Memory limit of a sleeping dyno, in KiB.
const ASLEEP_KIB_MAX: u64 = 4;

/// A server whose allocator returns freed memory at once, so that only used memory is measured.
fn started(rig: &ServerRig) -> Server<'_> {
    let mut command = rig.serve_command(&rig.data_folder(), &[]);
    rig.start_command(command.env("MIMALLOC_PURGE_DELAY", "0"))
}

/// Restarts a server with this number of dynos, all of which sleep.
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

/// Anonymous memory of a process (proportional share), in KiB.
fn anonymous_kib(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss_Anon:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}

#[test]
fn dynos_of_apps_that_served_start_asleep_and_wake_for_a_request() {
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
    // A release that has never served is booted at the start.
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
