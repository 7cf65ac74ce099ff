//! From an empty folder to a page in the browser, and what a second time says.

use testkit::http::{items, text};
use testkit::{Example, Rig, say};

#[test]
fn a_first_start_a_deploy_and_a_page() {
    let hello = Example::copy("hello");
    let rig = Rig::new();
    let server = rig.start();
    // As the user who started it: logged in without a word, and no server to be named.
    let plain = |words: &[&str]| say(rig.home().dyno().args(words).current_dir(&hello.path));
    let who = plain(&["whoami", "--json"]).json();
    assert_eq!(text(&who, "role"), "admin");

    let said = plain(&["deploy"]);
    let url = format!("http://hello.localhost:{}/", server.apps);
    assert_eq!(said.ok().trim(), format!("hello v1 is up: {url}"));
    assert!(said.err.contains("Created app hello"), "{}", said.err);
    let page = server.page("hello", "/");
    assert!(page.contains("Hello"), "{page}");
    assert_eq!(server.app("nobody", "/").status, 404);

    let said = plain(&["deploy"]);
    said.ok();
    let unchanged = "nothing changed: v1 serves this slug already";
    assert!(said.err.contains(unchanged), "{}", said.err);
    assert_eq!(items(&server.get("/v1/apps/hello/releases")).len(), 1);
    assert!(server.stop().success());

    let server = rig.start();
    server.wait_until_ready();
    assert_eq!(server.page("hello", "/"), page);
    let lines = server.process.lines();
    let told = |line: &String| line.contains("token") || line.contains(rig.token());
    assert_eq!(lines.iter().find(|line| told(line)), None);
    assert!(server.stop().success());
    rig.home().assert_no_process();
}

#[test]
fn what_is_deployed_is_seen_by_every_command() {
    let rig = Rig::new();
    let server = rig.start();
    let app = rig.app(&testkit::guest("good"), "one");
    let app = app.to_str().unwrap();
    server
        .dyno(&["deploy", app, "-a", "shop", "-m", "The first"])
        .ok();
    server
        .dyno(&["config", "set", "GREETING=hi there", "-a", "shop"])
        .ok();
    assert_eq!(server.variable("shop", "GREETING"), "hi there");
    assert_eq!(server.variable("shop", "RELEASE_VERSION"), "v2");
    server.dyno(&["ps", "scale", "web=2", "-a", "shop"]).ok();
    server.wait_for_dynos("shop", 2);
    let ps = server.dyno(&["ps", "-a", "shop"]);
    assert!(
        ps.ok().contains("web.1") && ps.out.contains("web.2"),
        "{}",
        ps.out
    );
    server.dyno(&["rollback", "v1", "-a", "shop"]).ok();
    assert_eq!(server.app("shop", "/env/GREETING").status, 404);
    assert_eq!(server.variable("shop", "RELEASE_VERSION"), "v3");
    let releases = server.dyno(&["releases", "-a", "shop"]);
    for words in ["The first", "Rollback to v1", "admin"] {
        assert!(releases.ok().contains(words), "{}", releases.out);
    }
    server.wait_for_log("shop", &["dyno[api]: ", "Release v3 created by admin"]);
    server.wait_for_log("shop", &["dyno[api]: ", "Scaled to web@2", "by admin"]);
    let logs = server.dyno(&["logs", "-n", "500", "-a", "shop"]);
    assert!(logs.ok().contains("dyno[router]: at=info"), "{}", logs.out);
    server.dyno(&["maintenance", "on", "-a", "shop"]).ok();
    assert_eq!(server.app("shop", "/").status, 503);
    server.dyno(&["maintenance", "off", "-a", "shop"]).ok();
    server.page("shop", "/");
    server.dyno(&["apps", "destroy", "--confirm", "shop"]).ok();
    assert_eq!(server.app("shop", "/").status, 404);
    assert!(server.stop().success());
}

/// What the log tells of a swap, in the words of a plan.
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
fn a_plan_tells_what_then_happens() {
    let rig = Rig::new();
    let server = rig.start();
    server.make("shop", &rig.slug("good", "one"));
    server.scale("shop", 2);
    server.wait_for_dynos("shop", 2);
    server.set("shop", &serde_json::json!({"A": "1"}));
    server.wait_for_log(
        "shop",
        &["dyno[web.2]: State changed from stopping to down"],
    );
    let before = server.logs("shop");
    let plan = server.dyno(&["rollback", "v1", "--plan", "--json", "-a", "shop"]);
    let plan = plan.json();
    assert_eq!(server.logs("shop"), before, "a plan changes nothing");
    server.dyno(&["rollback", "v1", "-a", "shop"]).ok();
    let steps = plan["steps"].as_array().unwrap().iter();
    let planned: Vec<&str> = steps.map(|step| step.as_str().unwrap()).collect();
    let seen = |step: &&&str| !step.starts_with("fetch") && !step.starts_with("forget");
    let planned: Vec<&str> = planned.iter().filter(seen).copied().collect();
    assert_eq!(planned.len(), 5, "{planned:?}");
    testkit::eventually("the plan is carried out", || {
        let lines = server.logs("shop");
        happened(&lines[before.len()..], "v3", "v2") == planned
    });
    assert!(server.stop().success());
}
