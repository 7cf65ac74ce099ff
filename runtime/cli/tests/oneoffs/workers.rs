//! Workers: process types that receive no requests.

use serde_json::Value;
use testkit::{DynoProcess, Server, ServerRig, wait_until};

use crate::program_app::{APP, app, deploy};

/// An app with two workers: one runs until stdin ends (the signal to stop), the other exits at once.
const PROCFILE: &str = "worker: hangs.wasm stdin\nbrief: exit_with1.wasm 0\n";

fn with_workers(rig: &ServerRig) -> Server<'_> {
    let folder = rig.path("jobs");
    app(&folder, &["hangs", "exit_with1"], PROCFILE);
    let server = rig.start();
    let said = deploy(&server, &folder);
    assert!(said.contains("jobs v1 is up"), "{said}");
    assert!(!said.contains("http://jobs"), "{said}");
    let next = "brief, worker have no dyno yet: start one with `dyno ps scale brief=1`";
    assert_eq!(said.matches(next).count(), 1, "{said}");
    server
}

fn up(server: &Server<'_>, names: &[&str]) {
    wait_until(&format!("{names:?} are up"), || {
        let dynos = server.list_dynos(APP);
        let is = |dyno: &Value, name: &str| dyno["id"] == name && dyno["state"] == "up";
        dynos.len() == names.len() && dynos.iter().zip(names).all(|(dyno, name)| is(dyno, name))
    });
}

#[test]
fn workers_are_scaled_restarted_and_stopped() {
    let rig = ServerRig::new();
    let server = with_workers(&rig);
    assert!(
        server.list_dynos(APP).is_empty(),
        "none unless somebody asks"
    );
    server
        .run(&["ps", "scale", "worker=2", "-a", APP])
        .success();
    up(&server, &["worker.1", "worker.2"]);
    for dyno in ["worker.1", "worker.2"] {
        server.wait_for_log(APP, &[&format!(" app[{dyno}]: begun")]);
    }
    server
        .run(&["ps", "restart", "worker.1", "-a", APP])
        .success();
    wait_until("another worker.1 has begun", || {
        server
            .read_log(APP)
            .matches(" app[worker.1]: begun")
            .count()
            == 2
    });
    up(&server, &["worker.1", "worker.2"]);
    server.run(&["ps", "stop", "worker.1", "-a", APP]).success();
    up(&server, &["worker.2"]);
    server.wait_for_log(APP, &[" app[worker.1]: stdin closed"]);
    assert_eq!(
        server.app_request(APP, "/").status,
        503,
        "there is no web process"
    );
    // The workers run again after a restart of the server.
    server.kill();
    let server = rig.start();
    up(&server, &["worker.2"]);
    server
        .run(&["ps", "scale", "worker=0", "-a", APP])
        .success();
    wait_until("no dyno is left", || server.list_dynos(APP).is_empty());
    let usage = server.get_json(&format!("/v1/apps/{APP}/usage"));
    assert!(usage.to_string().contains("\"worker\""), "{usage}");
    assert!(server.stop().success());
}

#[test]
fn a_worker_that_exits_is_restarted_with_growing_back_off() {
    let rig = ServerRig::new();
    let server = with_workers(&rig);
    server.run(&["ps", "scale", "brief=1", "-a", APP]).success();
    server.wait_for_log(APP, &[" dyno[brief.1]: Crashed: exited with code 0"]);
    // Restarted at once after the first crash, then after about ten seconds.
    server.wait_for_log(APP, &[" dyno[brief.1]: Restarting in 1"]);
    let dynos = server.list_dynos(APP);
    assert_eq!(dynos[0]["state"], "crashed", "{dynos:?}");
    assert_eq!(
        server
            .read_log(APP)
            .matches("app[brief.1]: ends with 0")
            .count(),
        2
    );
    assert!(server.stop().success());
}

#[test]
fn an_app_of_workers_runs_with_dyno_local() {
    let rig = ServerRig::new();
    let folder = rig.path("jobs");
    app(&folder, &["hangs", "exit_with1"], PROCFILE);
    let mut command = rig.home().dyno_command();
    command.arg("local").arg(&folder);
    let local = DynoProcess::spawn(command.args(["worker=2", "-p", "0"]));
    local.wait_for_line("that it is up", |line| {
        line == "jobs is up: it has no web process"
    });
    local.wait_for_line("who is not started", |line| {
        line.contains("brief is not started: add brief=1")
    });
    for dyno in ["worker.1", "worker.2"] {
        let begun = format!(" app[{dyno}]: begun");
        local.wait_for_line("the workers", |line| line.ends_with(&begun));
    }
    local.send_signal("INT");
    local.wait_for_line("the end of its input", |line| {
        line.contains("app[worker.1]: stdin closed")
    });
    assert!(local.wait_for_exit().success());
}
