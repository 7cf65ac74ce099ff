//! From an empty folder to a page in the browser, and what a second time says.

use crate::folder::Hello;
use crate::http::{items, text};
use crate::stage::{Rig, say};

#[test]
fn a_first_start_a_deploy_and_a_page() {
    let hello = Hello::copy();
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
    let app = rig.app(&crate::support::guest("good"), "one");
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
