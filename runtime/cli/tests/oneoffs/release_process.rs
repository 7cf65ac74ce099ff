//! The release process: it runs before new dynos start, its output is visible, and its failure keeps the old release.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use testkit::{DynoProcess, Server, ServerRig};

use crate::program_app::{APP, app, deploy};

/// An app whose release process prints three lines and exits as its config vars say.
fn stepping(rig: &ServerRig, note: &str) -> PathBuf {
    let folder = rig.path("jobs");
    let procfile = "web: good.wasm\nrelease: cmd_steps.wasm 3 $STEP_MS $STEP_CODE\n";
    app(&folder, &["good", "cmd_steps"], procfile);
    fs::write(folder.join("note.txt"), note).unwrap();
    folder
}

fn with_release<'a>(rig: &'a ServerRig, millis: &str) -> (Server<'a>, PathBuf) {
    let server = rig.start();
    server.run(&["apps", "create", APP]).success();
    let millis = format!("STEP_MS={millis}");
    server
        .run(&["config", "set", &millis, "STEP_CODE=0", "-a", APP])
        .success();
    (server, stepping(rig, "one"))
}

fn plan(server: &Server<'_>, folder: &Path) -> String {
    let said = server.run(&["deploy", "--plan", folder.to_str().unwrap()]);
    said.success().to_owned()
}

#[test]
fn a_failed_release_process_keeps_the_old_release() {
    let rig = ServerRig::new();
    let (server, folder) = with_release(&rig, "0");
    let said = deploy(&server, &folder);
    for step in 1..=3 {
        assert!(said.contains(&format!("release.1 | step {step}")), "{said}");
    }
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v1");
    // A config change makes a release, and each release runs the release process.
    let said = server.run(&["config", "set", "STEP_CODE=3", "-a", APP]);
    let why = "release command failed with exit code 3";
    assert!(said.failure().contains(why), "{}", said.stderr);
    assert!(
        said.stderr.contains("release.1 | step 3"),
        "{}",
        said.stderr
    );
    let release = server.wait_for_outcome(APP, "v2");
    assert_eq!(release["status"], "failed");
    assert_eq!(release["reason"], why);
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v1");
    server.wait_for_log(APP, &["dyno[release.1]: Process exited with status 3"]);
    server.wait_for_dynos(APP, 1);
    // A failed release is not retried. The next good release serves.
    server
        .run(&["config", "set", "STEP_CODE=0", "-a", APP])
        .success();
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v3");
    let steps = server.read_log(APP);
    let runs = steps.matches("app[release.1]: step 1").count();
    assert_eq!(runs, 3, "{steps}");
    let plan = plan(&server, &stepping(&rig, "two"));
    let (run, start) = (
        plan.find("run release.1 of v4"),
        plan.find("start web.1 of v4"),
    );
    assert!(run.is_some() && run < start, "{plan}");
    // The time of the release process counts as dyno time.
    let usage = server.get_json(&format!("/v1/apps/{APP}/usage"));
    assert!(usage.to_string().contains("\"release\""), "{usage}");
    assert!(server.stop().success());
}

#[test]
fn output_of_a_release_process_is_shown_while_it_runs() {
    let rig = ServerRig::new();
    let (server, folder) = with_release(&rig, "3000");
    let mut command = server.command(&["deploy", folder.to_str().unwrap()]);
    let deploy = DynoProcess::spawn(&mut command);
    deploy.wait_for_line("the first line", |line| line.contains("release.1 | step 1"));
    // The release process runs for six more seconds; no dyno of the release runs yet.
    let release = server.get_json(&format!("/v1/apps/{APP}/releases/v1"));
    assert_eq!(release["status"], "pending", "{:?}", deploy.lines());
    let dynos = server.list_dynos(APP);
    let all: Vec<_> = dynos
        .iter()
        .map(|dyno| dyno["id"].as_str().unwrap())
        .collect();
    assert_eq!(all, ["release.1"]);
    assert_eq!(dynos[0]["state"], "up");
    assert!(!deploy.lines().iter().any(|line| line.contains("step 3")));
    deploy.wait_for_line("the last line", |line| line.contains("release.1 | step 3"));
    deploy.wait_for_line("the end", |line| line.contains("jobs v1 is up: http://"));
    assert!(deploy.wait_for_exit().success());
    assert!(server.stop().success());
}

#[test]
fn a_release_process_interrupted_by_a_kill_of_the_server_runs_again() {
    let rig = ServerRig::new();
    let (server, _) = with_release(&rig, "2000");
    let folder = stepping(&rig, "one");
    let file = folder.with_extension("slug");
    let said = server.run(&[
        "build",
        folder.to_str().unwrap(),
        "-o",
        file.to_str().unwrap(),
    ]);
    said.success();
    let mut command = server.command(&["deploy", file.to_str().unwrap(), "-a", APP]);
    let deploy = DynoProcess::spawn(&mut command);
    deploy.wait_for_line("the first line", |line| line.contains("release.1 | step 1"));
    deploy.send_signal("KILL");
    deploy.wait_for_exit();
    server.kill();
    let server = rig.start();
    server.wait_until_serving(APP, "v1");
    let log = server.read_log(APP);
    assert!(log.contains("app[release.1]: step 3"), "{log}");
    assert!(server.stop().success());
}

#[test]
fn stopping_a_release_process_by_name_fails_its_release() {
    let rig = ServerRig::new();
    let (server, folder) = with_release(&rig, "60000");
    let mut command = server.command(&["deploy", folder.to_str().unwrap()]);
    let deploy = DynoProcess::spawn(&mut command);
    deploy.wait_for_line("the first line", |line| line.contains("release.1 | step 1"));
    let scale = server.run(&["ps", "scale", "release=1", "-a", APP]);
    assert!(scale.failure().contains("runs once"), "{}", scale.stderr);
    server
        .run(&["ps", "stop", "release.1", "-a", APP])
        .success();
    let release = server.wait_for_outcome(APP, "v1");
    assert_eq!(release["reason"], "release command failed: it was stopped");
    assert_eq!(deploy.wait_for_exit().code(), Some(1));
    assert_eq!(server.app_request(APP, "/").status, 503);
    let formation = server.get_json(&format!("/v1/apps/{APP}/formation"));
    assert_eq!(
        formation["items"].as_array().map(Vec::len),
        Some(1),
        "web alone"
    );
    let scale = json!({ "updates": [{ "type": "release", "quantity": 1 }] });
    let refused = server.request("PATCH", &format!("/v1/apps/{APP}/formation"), &scale);
    assert_eq!(refused.status, 422);
    assert!(server.stop().success());
}
