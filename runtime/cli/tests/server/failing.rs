//! Releases that do not come up, or not for long: what served before goes on serving, and everybody is told why.
//!
//! A release whose dynos never finish booting is the simulator's: the limit of a minute is nothing to wait for here.

use serde_json::{Value, json};
use testkit::http::text;
use testkit::{Rig, Server, eventually, guest};

use crate::load::Load;

const APP: &str = "shop";

/// The only dyno of a release.
fn dyno_of(server: &Server<'_>, version: &str) -> Option<Value> {
    let mut dynos = server.dynos(APP).into_iter();
    dynos.find(|dyno| dyno["release"] == version)
}

#[test]
fn a_release_that_traps_at_boot_never_serves() {
    let rig = Rig::new();
    let server = rig.start();
    server.make(APP, &rig.slug("good", "one"));
    let load = Load::start(server.apps, APP);
    let broken = rig.wat("boot_trap");
    let said = server.dyno(&["deploy", broken.to_str().unwrap(), "-a", APP]);
    let error = said.fails();
    for words in [
        "v2 of shop failed: ",
        "unreachable",
        "v1 goes on serving",
        // The log's last lines.
        "dyno[web.1]: Crashed: ",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert_eq!(server.variable(APP, "RELEASE_VERSION"), "v1");

    let release = server.outcome(APP, "v2");
    assert_eq!(release["status"], "failed");
    assert!(
        text(&release, "reason").contains("unreachable"),
        "{release}"
    );
    let releases = server.dyno(&["releases", "-a", APP]);
    let failed = |line: &str| line.starts_with("v2 ") && line.contains(" failed ");
    assert!(releases.ok().lines().any(failed), "{}", releases.out);
    let info = server.dyno(&["releases", "info", "v2", "-a", APP]);
    assert!(info.ok().contains("unreachable"), "{}", info.out);
    assert_eq!(dyno_of(&server, "v1").unwrap()["state"], "up");
    let ps = server.dyno(&["ps", "-a", APP]);
    assert!(
        ps.ok().contains(" up ") && ps.out.contains(" v1 "),
        "{}",
        ps.out
    );
    server.wait_for_log(APP, &["dyno[web.1]: Crashed: ", "unreachable"]);
    server.wait_for_log(APP, &["dyno[api]: ", "v2", "failed"]);

    // The next one is none the worse for it.
    let next = guest("good3");
    server
        .dyno(&["deploy", next.to_str().unwrap(), "-a", APP])
        .ok();
    assert_eq!(server.variable(APP, "RELEASE_VERSION"), "v3");
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    assert!(server.stop().success());
}

#[test]
fn a_config_change_on_top_of_a_failed_release_fails_as_well_and_a_rollback_mends_it() {
    let rig = Rig::new();
    let server = rig.start();
    server.make(APP, &rig.slug("good", "one"));
    let broken = rig.slug_of(&rig.wat("boot_trap"), "broken");
    assert!(server.upload(&broken).unwrap().status < 300);
    server.release(APP, &json!({ "slug": broken.id }));
    assert_eq!(server.outcome(APP, "v2")["status"], "failed");
    let changed = server.dyno(&["config", "set", "A=b", "-a", APP]);
    // Whichever slug it is made of, it is told whether it serves.
    let release = server.outcome(APP, "v3");
    assert_eq!(
        changed.code == Some(0),
        release["status"] == "serving",
        "{release} {changed:?}"
    );
    server.page(APP, "/");
    server.dyno(&["rollback", "v1", "-a", APP]).ok();
    assert_eq!(server.variable(APP, "RELEASE_VERSION"), "v4");
    assert!(server.stop().success());
}

/// What the guest `loads` writes when it cannot load its app, as `dyno` shows it.
const TRACEBACK: [&str; 3] = [
    "Traceback (most recent call last):",
    "  File \"/app.py\", line 3, in <module>",
    "ModuleNotFoundError: No module named 'shop'",
];

/// The error of a release that could not be loaded, with the app's own words before it.
#[track_caller]
fn tells_why(error: &str, version: &str, instead: &str) {
    // Whichever of its dynos was the first.
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
fn a_release_that_cannot_load_its_app_does_not_replace_the_one_that_serves() {
    let rig = Rig::new();
    let server = rig.start();
    server.make(APP, &rig.slug("good", "one"));
    server.dyno(&["ps", "scale", "web=2", "-a", APP]).ok();
    // The app that serves does not mind.
    server.dyno(&["config", "set", "LOAD=err", "-a", APP]).ok();
    let load = Load::start(server.apps, APP);
    let broken = guest("loads");
    let said = server.dyno(&["deploy", broken.to_str().unwrap(), "-a", APP]);
    tells_why(said.fails(), "v3", "v2 goes on serving");
    assert_eq!(said.out, "");
    let release = server.outcome(APP, "v3");
    assert_eq!(release["status"], "failed");
    assert!(
        text(&release, "reason").ends_with("No module named 'shop'"),
        "{release}"
    );
    assert_eq!(server.variable(APP, "RELEASE_VERSION"), "v2");
    for _ in 0..20 {
        assert_eq!(server.page(APP, "/"), "hello\n");
    }
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");

    // Nor does one that ends while it loads.
    for (how, why) in [("exit", "exited with code 1"), ("panic", "unreachable")] {
        let load = format!("LOAD={how}");
        let said = server.dyno(&["config", "set", &load, "-a", APP]);
        assert!(said.fails().contains(why), "{}", said.err);
        assert_eq!(server.variable(APP, "RELEASE_VERSION"), "v2");
    }
    assert!(server.stop().success());
}

#[test]
fn neither_does_a_change_of_config_or_a_rollback_to_what_cannot_load() {
    let rig = Rig::new();
    let server = rig.start();
    let slug = guest("loads");
    server
        .dyno(&["deploy", slug.to_str().unwrap(), "-a", APP])
        .ok();
    assert_eq!(server.page(APP, "/"), "loaded\n");
    let said = server.dyno(&["config", "set", "LOAD=err", "-a", APP]);
    tells_why(said.fails(), "v2", "v1 goes on serving");
    assert_eq!(server.page(APP, "/"), "loaded\n");
    let said = server.dyno(&["rollback", "v2", "-a", APP]);
    tells_why(said.fails(), "v3", "v1 goes on serving");
    assert_eq!(server.page(APP, "/"), "loaded\n");
    server.dyno(&["config", "set", "LOAD=ok", "-a", APP]).ok();
    assert_eq!(server.page(APP, "/"), "loaded\n");
    let serving = server.get(&format!("/v1/apps/{APP}"));
    assert_eq!(serving["release"], "v4", "{serving}");
    assert!(server.stop().success());
}

#[test]
fn an_app_whose_first_release_cannot_load_has_crashed_until_one_can() {
    let rig = Rig::new();
    let server = rig.start();
    server.dyno(&["apps", "create", APP]).ok();
    server.dyno(&["config", "set", "LOAD=err", "-a", APP]).ok();
    let slug = guest("loads");
    let said = server.dyno(&["deploy", slug.to_str().unwrap(), "-a", APP]);
    let instead = "no release serves yet: deploy again when that is mended";
    tells_why(said.fails(), "v1", instead);
    let page = server.app(APP, "/");
    assert_eq!(page.status, 503, "{}", page.text());
    assert!(page.text().contains("H10"), "{}", page.text());
    assert!(
        !page.text().contains("ModuleNotFoundError"),
        "{}",
        page.text()
    );
    server.dyno(&["config", "set", "LOAD=ok", "-a", APP]).ok();
    assert_eq!(server.page(APP, "/"), "loaded\n");
    assert!(server.stop().success());
}

#[test]
fn an_app_whose_first_release_fails_says_so_and_serves_the_next() {
    let rig = Rig::new();
    let server = rig.start();
    let broken = rig.wat("boot_trap");
    let broken = broken.to_str().unwrap();
    let said = server.dyno(&["deploy", broken, "-a", APP]);
    assert!(said.fails().contains("v1 of shop failed: "), "{}", said.err);
    let page = server.app(APP, "/");
    assert_eq!(page.status, 503, "{}", page.text());
    assert!(page.text().contains("H10"), "{}", page.text());
    eventually("ps shows the crash", || {
        let ps = server.dyno(&["ps", "-a", APP]);
        ps.ok().contains("crashed")
    });
    server
        .dyno(&["deploy", guest("good").to_str().unwrap(), "-a", APP])
        .ok();
    assert_eq!(server.variable(APP, "RELEASE_VERSION"), "v2");
    assert!(server.stop().success());
}

#[test]
fn a_release_that_traps_on_requests_is_seen_and_rolled_back() {
    let rig = Rig::new();
    let server = rig.start();
    server.make(APP, &rig.slug("good", "one"));
    let trap = guest("trap_first_request");
    server
        .dyno(&["deploy", trap.to_str().unwrap(), "-a", APP])
        .ok();
    let page = server.app(APP, "/");
    assert_eq!(page.status, 503);
    assert!(page.text().contains("H13"), "{}", page.text());
    assert!(!page.text().contains("unreachable"), "{}", page.text());
    server.wait_for_log(APP, &["dyno[router]: at=error code=H13 "]);
    server.wait_for_log(APP, &["dyno[web.1]: Crashed: "]);
    // However often: each request has a fresh dyno.
    for _ in 0..10 {
        let page = server.app(APP, "/");
        assert!(page.text().contains("H13"), "{}", page.text());
    }
    let log = server.logs(APP);
    assert!(
        !log.contains("code=H10") && !log.contains("Restarting in"),
        "{log}"
    );
    server.dyno(&["rollback", "-a", APP]).ok();
    assert_eq!(server.variable(APP, "RELEASE_VERSION"), "v3");
    assert!(server.stop().success());
}

#[test]
fn a_release_that_takes_its_time_to_boot_is_waited_for_while_the_old_one_serves() {
    let rig = Rig::new();
    let server = rig.start();
    server.make(APP, &rig.slug("good", "one"));
    let slow = rig.slug_of(&rig.wat("slow_boot"), "slow");
    assert!(server.upload(&slow).unwrap().status < 300);
    let load = Load::start(server.apps, APP);
    let version = server.release(APP, &json!({ "slug": slow.id }));
    eventually("both releases have a dyno", || {
        let coming = dyno_of(&server, "v2");
        let coming = coming.is_some_and(|dyno| dyno["state"] == "starting");
        let outcome = server.get(&format!("/v1/apps/{APP}/releases/v2"));
        // It may be up already on a machine that is slow to ask.
        (coming && dyno_of(&server, "v1").is_some()) || outcome["status"] != "pending"
    });
    server.wait_until_serving(APP, &version);
    // It says nothing at all, where `good` says hello.
    assert_eq!(server.page(APP, "/"), "");
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    assert!(server.stop().success());
}
