//! The first deploy, from an empty folder to a page, and the output of later commands.

use testkit::http::{json_items, json_text};
use testkit::{ExampleApp, ServerRig, run_command};

#[test]
fn a_first_start_and_deploy_serve_a_page() {
    let hello = ExampleApp::copy_from_repository("hello");
    let rig = ServerRig::new();
    let server = rig.start();
    // The user who started the server is logged in automatically and need not name the server.
    let plain = |words: &[&str]| {
        run_command(
            rig.home()
                .dyno_command()
                .args(words)
                .current_dir(&hello.folder),
        )
    };
    let who = plain(&["whoami", "--json"]).success_json();
    assert_eq!(json_text(&who, "role"), "admin");

    let said = plain(&["deploy"]);
    let url = format!("http://hello.localhost:{}/", server.apps);
    assert_eq!(said.success().trim(), format!("hello v1 is up: {url}"));
    assert!(said.stderr.contains("Created app hello"), "{}", said.stderr);
    let page = server.app_page("hello", "/");
    assert!(page.contains("Hello"), "{page}");
    assert_eq!(server.app_request("nobody", "/").status, 404);

    let said = plain(&["deploy"]);
    said.success();
    let unchanged = "nothing changed: v1 serves this slug already";
    assert!(said.stderr.contains(unchanged), "{}", said.stderr);
    assert_eq!(
        json_items(&server.get_json("/v1/apps/hello/releases")).len(),
        1
    );
    assert!(server.stop().success());

    let server = rig.start();
    server.wait_until_ready();
    assert_eq!(server.app_page("hello", "/"), page);
    let lines = server.process.lines();
    let told = |line: &String| line.contains("token") || line.contains(rig.admin_token());
    assert_eq!(lines.iter().find(|line| told(line)), None);
    assert!(server.stop().success());
    rig.home().assert_no_process();
}

#[test]
fn every_command_shows_the_deployed_app() {
    let rig = ServerRig::new();
    let server = rig.start();
    let app = rig.write_app(&testkit::guest_path("good"), "one");
    let app = app.to_str().unwrap();
    server
        .run(&["deploy", app, "-a", "shop", "-m", "The first"])
        .success();
    server
        .run(&["config", "set", "GREETING=hi there", "-a", "shop"])
        .success();
    assert_eq!(server.app_variable("shop", "GREETING"), "hi there");
    assert_eq!(server.app_variable("shop", "RELEASE_VERSION"), "v2");
    server
        .run(&["ps", "scale", "web=2", "-a", "shop"])
        .success();
    server.wait_for_dynos("shop", 2);
    let ps = server.run(&["ps", "-a", "shop"]);
    assert!(
        ps.success().contains("web.1") && ps.stdout.contains("web.2"),
        "{}",
        ps.stdout
    );
    server.run(&["rollback", "v1", "-a", "shop"]).success();
    assert_eq!(server.app_request("shop", "/env/GREETING").status, 404);
    assert_eq!(server.app_variable("shop", "RELEASE_VERSION"), "v3");
    let releases = server.run(&["releases", "-a", "shop"]);
    for words in ["The first", "Rollback to v1", "admin"] {
        assert!(releases.success().contains(words), "{}", releases.stdout);
    }
    server.wait_for_log("shop", &["dyno[api]: ", "Release v3 created by admin"]);
    server.wait_for_log("shop", &["dyno[api]: ", "Scaled to web@2", "by admin"]);
    let logs = server.run(&["logs", "-n", "500", "-a", "shop"]);
    assert!(
        logs.success().contains("dyno[router]: at=info"),
        "{}",
        logs.stdout
    );
    server.run(&["maintenance", "on", "-a", "shop"]).success();
    assert_eq!(server.app_request("shop", "/").status, 503);
    server.run(&["maintenance", "off", "-a", "shop"]).success();
    server.app_page("shop", "/");
    server
        .run(&["apps", "destroy", "--confirm", "shop"])
        .success();
    assert_eq!(server.app_request("shop", "/").status, 404);
    assert!(server.stop().success());
}

/// The log of a swap, translated into the steps of a plan.
fn happened(lines: &str, new: &str, old: &str) -> Vec<String> {
    let told = lines.lines().filter_map(|line| {
        let (head, text) = line.split_once("]: ")?;
        let who = head.rsplit('[').next()?;
        match text {
            "State changed from down to starting" => Some(format!("start {who} of {new}")),
            "State changed from up to stopping" => Some(format!("drain {who} of {old}")),
            _ if text == format!("Release {new} is serving") => {
                Some(format!("send requests to {new} (2 dynos)"))
            }
            _ => None,
        }
    });
    told.collect()
}

#[test]
fn a_deploy_follows_its_plan() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app("shop", &rig.build_slug("good", "one"));
    server.scale("shop", 2);
    server.wait_for_dynos("shop", 2);
    server.set_config_vars("shop", &serde_json::json!({"A": "1"}));
    server.wait_for_log(
        "shop",
        &["dyno[web.2]: State changed from stopping to down"],
    );
    let before = server.read_log("shop");
    let plan = server.run(&["rollback", "v1", "--plan", "--json", "-a", "shop"]);
    let plan = plan.success_json();
    assert_eq!(server.read_log("shop"), before, "a plan changes nothing");
    server.run(&["rollback", "v1", "-a", "shop"]).success();
    let steps = plan["steps"].as_array().unwrap().iter();
    let planned: Vec<&str> = steps.map(|step| step.as_str().unwrap()).collect();
    let seen = |step: &&&str| !step.starts_with("fetch") && !step.starts_with("forget");
    let planned: Vec<&str> = planned.iter().filter(seen).copied().collect();
    assert_eq!(planned.len(), 5, "{planned:?}");
    testkit::wait_until("the plan is carried out", || {
        let lines = server.read_log("shop");
        happened(&lines[before.len()..], "v3", "v2") == planned
    });
    assert!(server.stop().success());
}
