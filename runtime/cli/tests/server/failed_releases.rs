//! Releases that fail to boot or crash soon: the previous release keeps serving, and users get the reason.
//!
//! The simulator tests releases whose dynos never finish booting, since the limit is a minute.

use serde_json::{Value, json};
use testkit::http::json_text;
use testkit::{Server, ServerRig, guest_path, wait_until};

use crate::constant_load::Load;

const APP: &str = "shop";

/// The only dyno of a release.
fn dyno_of(server: &Server<'_>, version: &str) -> Option<Value> {
    let mut dynos = server.list_dynos(APP).into_iter();
    dynos.find(|dyno| dyno["release"] == version)
}

#[test]
fn a_release_that_traps_at_boot_never_serves() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    let load = Load::start(server.apps, APP);
    let broken = rig.compile_wat("boot_trap");
    let said = server.run(&["deploy", broken.to_str().unwrap(), "-a", APP]);
    let error = said.failure();
    for words in [
        "v2 of shop failed: ",
        "unreachable",
        "v1 goes on serving",
        // The log's last lines.
        "dyno[web.1]: Crashed: ",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v1");

    let release = server.wait_for_outcome(APP, "v2");
    assert_eq!(release["status"], "failed");
    assert!(
        json_text(&release, "reason").contains("unreachable"),
        "{release}"
    );
    let releases = server.run(&["releases", "-a", APP]);
    let failed = |line: &str| line.starts_with("v2 ") && line.contains(" failed ");
    assert!(
        releases.success().lines().any(failed),
        "{}",
        releases.stdout
    );
    let info = server.run(&["releases", "info", "v2", "-a", APP]);
    assert!(info.success().contains("unreachable"), "{}", info.stdout);
    assert_eq!(dyno_of(&server, "v1").unwrap()["state"], "up");
    let ps = server.run(&["ps", "-a", APP]);
    assert!(
        ps.success().contains(" up ") && ps.stdout.contains(" v1 "),
        "{}",
        ps.stdout
    );
    server.wait_for_log(APP, &["dyno[web.1]: Crashed: ", "unreachable"]);
    server.wait_for_log(APP, &["dyno[api]: ", "v2", "failed"]);

    // The failed release does not affect the next one.
    let next = guest_path("good3");
    server
        .run(&["deploy", next.to_str().unwrap(), "-a", APP])
        .success();
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v3");
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    assert!(server.stop().success());
}

#[test]
fn a_config_change_after_a_failed_release_fails_until_a_rollback() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    let broken = rig.build_slug_of(&rig.compile_wat("boot_trap"), "broken");
    assert!(server.upload_slug(&broken).unwrap().status < 300);
    server.create_release(APP, &json!({ "slug": broken.id }));
    assert_eq!(server.wait_for_outcome(APP, "v2")["status"], "failed");
    let changed = server.run(&["config", "set", "A=b", "-a", APP]);
    // The outcome is reported for either slug.
    let release = server.wait_for_outcome(APP, "v3");
    assert_eq!(
        changed.code == Some(0),
        release["status"] == "serving",
        "{release} {changed:?}"
    );
    server.app_page(APP, "/");
    server.run(&["rollback", "v1", "-a", APP]).success();
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v4");
    assert!(server.stop().success());
}

/// Output of the guest `loads` when it cannot load its app, as `dyno` shows it.
const TRACEBACK: [&str; 3] = [
    "Traceback (most recent call last):",
    "  File \"/app.py\", line 3, in <module>",
    "ModuleNotFoundError: No module named 'shop'",
];

/// Checks the error of a release that could not be loaded, and the output of the app before it.
#[track_caller]
fn tells_why(error: &str, version: &str, instead: &str) {
    // Any dyno of the release may be the first.
    let dyno = if error.contains("failed: web.2 ") {
        "web.2"
    } else {
        "web.1"
    };
    let why = "did not start: ModuleNotFoundError: No module named 'shop'";
    let last = format!("error: {version} of shop failed: {dyno} {why}; {instead}");
    let own = TRACEBACK.map(|line| format!("  {dyno} | {line}"));
    for expected in own.iter().chain([&last]) {
        assert!(
            error.lines().any(|line| line == expected),
            "{expected}: {error}"
        );
    }
}

#[test]
fn a_release_that_cannot_load_its_app_leaves_the_old_release_serving() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    server.run(&["ps", "scale", "web=2", "-a", APP]).success();
    // The serving release is not affected.
    server
        .run(&["config", "set", "LOAD=err", "-a", APP])
        .success();
    let load = Load::start(server.apps, APP);
    let broken = guest_path("loads");
    let said = server.run(&["deploy", broken.to_str().unwrap(), "-a", APP]);
    tells_why(said.failure(), "v3", "v2 goes on serving");
    assert_eq!(said.stdout, "");
    let release = server.wait_for_outcome(APP, "v3");
    assert_eq!(release["status"], "failed");
    assert!(
        json_text(&release, "reason").ends_with("No module named 'shop'"),
        "{release}"
    );
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v2");
    for _ in 0..20 {
        assert_eq!(server.app_page(APP, "/"), "hello\n");
    }
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");

    // A release whose app exits while it loads fails too.
    for (how, why) in [("exit", "exited with code 1"), ("panic", "unreachable")] {
        let load = format!("LOAD={how}");
        let said = server.run(&["config", "set", &load, "-a", APP]);
        assert!(said.failure().contains(why), "{}", said.stderr);
        assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v2");
    }
    assert!(server.stop().success());
}

#[test]
fn a_config_change_or_rollback_that_cannot_load_leaves_the_old_release_serving() {
    let rig = ServerRig::new();
    let server = rig.start();
    let slug = guest_path("loads");
    server
        .run(&["deploy", slug.to_str().unwrap(), "-a", APP])
        .success();
    assert_eq!(server.app_page(APP, "/"), "loaded\n");
    let said = server.run(&["config", "set", "LOAD=err", "-a", APP]);
    tells_why(said.failure(), "v2", "v1 goes on serving");
    assert_eq!(server.app_page(APP, "/"), "loaded\n");
    let said = server.run(&["rollback", "v2", "-a", APP]);
    tells_why(said.failure(), "v3", "v1 goes on serving");
    assert_eq!(server.app_page(APP, "/"), "loaded\n");
    server
        .run(&["config", "set", "LOAD=ok", "-a", APP])
        .success();
    assert_eq!(server.app_page(APP, "/"), "loaded\n");
    let serving = server.get_json(&format!("/v1/apps/{APP}"));
    assert_eq!(serving["release"], "v4", "{serving}");
    assert!(server.stop().success());
}

#[test]
fn an_app_is_crashed_until_a_release_can_load() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.run(&["apps", "create", APP]).success();
    server
        .run(&["config", "set", "LOAD=err", "-a", APP])
        .success();
    let slug = guest_path("loads");
    let said = server.run(&["deploy", slug.to_str().unwrap(), "-a", APP]);
    let instead = "no release serves yet: correct this and deploy again";
    tells_why(said.failure(), "v1", instead);
    let page = server.app_request(APP, "/");
    assert_eq!(page.status, 503, "{}", page.text());
    assert!(page.text().contains("H10"), "{}", page.text());
    assert!(
        !page.text().contains("ModuleNotFoundError"),
        "{}",
        page.text()
    );
    server
        .run(&["config", "set", "LOAD=ok", "-a", APP])
        .success();
    assert_eq!(server.app_page(APP, "/"), "loaded\n");
    assert!(server.stop().success());
}

#[test]
fn an_app_with_a_failed_first_release_serves_the_next_release() {
    let rig = ServerRig::new();
    let server = rig.start();
    let broken = rig.compile_wat("boot_trap");
    let broken = broken.to_str().unwrap();
    let said = server.run(&["deploy", broken, "-a", APP]);
    assert!(
        said.failure().contains("v1 of shop failed: "),
        "{}",
        said.stderr
    );
    let page = server.app_request(APP, "/");
    assert_eq!(page.status, 503, "{}", page.text());
    assert!(page.text().contains("H10"), "{}", page.text());
    wait_until("ps shows the crash", || {
        let ps = server.run(&["ps", "-a", APP]);
        ps.success().contains("crashed")
    });
    server
        .run(&["deploy", guest_path("good").to_str().unwrap(), "-a", APP])
        .success();
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v2");
    assert!(server.stop().success());
}

#[test]
fn a_release_that_traps_on_requests_can_be_rolled_back() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    let trap = guest_path("trap_first_request");
    server
        .run(&["deploy", trap.to_str().unwrap(), "-a", APP])
        .success();
    let page = server.app_request(APP, "/");
    assert_eq!(page.status, 503);
    assert!(page.text().contains("H13"), "{}", page.text());
    assert!(!page.text().contains("unreachable"), "{}", page.text());
    server.wait_for_log(APP, &["dyno[router]: at=error code=H13 "]);
    server.wait_for_log(APP, &["dyno[web.1]: Crashed: "]);
    // Each request gets a fresh dyno, after any number of crashes.
    for _ in 0..10 {
        let page = server.app_request(APP, "/");
        assert!(page.text().contains("H13"), "{}", page.text());
    }
    let log = server.read_log(APP);
    assert!(
        !log.contains("code=H10") && !log.contains("Restarting in"),
        "{log}"
    );
    server.run(&["rollback", "-a", APP]).success();
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v3");
    assert!(server.stop().success());
}

#[test]
fn the_old_release_serves_while_the_new_one_boots_slowly() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    let slow = rig.build_slug_of(&rig.compile_wat("slow_boot"), "slow");
    assert!(server.upload_slug(&slow).unwrap().status < 300);
    let load = Load::start(server.apps, APP);
    let version = server.create_release(APP, &json!({ "slug": slow.id }));
    wait_until("both releases have a dyno", || {
        let coming = dyno_of(&server, "v2");
        let coming = coming.is_some_and(|dyno| dyno["state"] == "starting");
        let outcome = server.get_json(&format!("/v1/apps/{APP}/releases/v2"));
        // On a slow machine the release may be up before the request is sent.
        (coming && dyno_of(&server, "v1").is_some()) || outcome["status"] != "pending"
    });
    server.wait_until_serving(APP, &version);
    // The new release has an empty page, while `good` says hello.
    assert_eq!(server.app_page(APP, "/"), "");
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    assert!(server.stop().success());
}
