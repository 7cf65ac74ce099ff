//! Deploys, releases, rollbacks.

use std::fs;

use testkit::guest_path;

use crate::server::Server;

/// A handler whose instance traps as soon as it is made.
const BROKEN: &str = r#"
    (component
      (import "wasi:http/types@0.2.0" (instance $types
        (export "incoming-request" (type (sub resource)))
        (export "response-outparam" (type (sub resource)))))
      (alias export $types "incoming-request" (type $request))
      (alias export $types "response-outparam" (type $out))
      (core module $m
        (func $start unreachable)
        (start $start)
        (func (export "handle") (param i32 i32)))
      (core instance $i (instantiate $m))
      (func $handle (param "request" (own $request)) (param "response-out" (own $out))
        (canon lift (core func $i "handle")))
      (instance $handler (export "handle" (func $handle)))
      (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;

fn versions(server: &Server) -> Vec<String> {
    let list = server.run(&["releases", "--json"]).json();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["version"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_first_deploy_creates_the_app_and_prints_its_url() {
    let server = Server::start();
    assert!(server.run(&["apps"]).ok().is_empty());
    server.write("demo/app.wasm", fs::read(guest_path("good")).unwrap());
    let mut command = server.command(&["deploy", "demo", "-m", "The first"]);
    let done = crate::server::done(command.env_remove("DYNO_APP"));
    let port = server.process.port;
    assert!(done.err.contains("Created app demo"), "{done:?}");
    assert!(done.err.contains("Uploading "), "{done:?}");
    let expected = format!("demo v1 is up: http://demo.localhost:{port}/\n");
    assert_eq!(done.ok(), expected);
    let reply = server.process.get("/");
    assert_eq!((reply.status, reply.text()), (200, "hello\n".into()));
    let release = server.run(&["releases", "info", "v1", "--json"]).json();
    assert_eq!(release["description"], "The first");
    assert_eq!(release["status"], "serving");
    let text = server.run(&["releases"]).ok();
    assert!(
        text.contains("v1") && text.contains("serving") && text.contains("admin"),
        "{text}"
    );
    let apps = server.run(&["apps"]).ok();
    assert!(apps.contains("demo") && apps.contains("web=1"), "{apps}");
}

#[test]
fn the_same_slug_is_not_deployed_twice() {
    let server = Server::with_demo();
    let done = server.run(&["deploy", "demo"]);
    assert!(
        done.err
            .contains("nothing changed: v1 serves this slug already"),
        "{done:?}"
    );
    assert!(!done.err.contains("Uploading"), "{done:?}");
    done.ok();
    assert_eq!(versions(&server), ["v1"]);
}

#[test]
fn a_plan_shows_the_changes_and_makes_none() {
    let server = Server::start();
    server.write("demo/app.wasm", fs::read(guest_path("good")).unwrap());
    let first = server.run(&["deploy", "demo", "--plan"]).ok();
    assert!(
        first.contains("create the app demo") && first.contains("+ app.wasm"),
        "{first}"
    );
    assert!(server.run(&["apps"]).ok().is_empty());
    server.run(&["deploy", "demo"]).ok();
    server.write("demo/page.html", "<p>");
    let plan = server.run(&["deploy", "demo", "--plan"]).ok();
    for part in ["v2", "+ page.html", "config", "steps", "web.1"] {
        assert!(plan.contains(part), "no {part}: {plan}");
    }
    let plan = server.run(&["deploy", "demo", "--plan", "--json"]).json();
    assert_eq!(plan["files"]["added"], serde_json::json!(["page.html"]));
    assert_eq!(versions(&server), ["v1"]);
    server.run(&["deploy", "demo"]).ok();
    let back = server.run(&["rollback", "--plan"]).ok();
    assert!(
        back.contains("v3") && back.contains("- page.html"),
        "{back}"
    );
    assert_eq!(versions(&server), ["v2", "v1"]);
}

#[test]
fn a_rollback_is_a_new_release_with_the_old_slug() {
    let server = Server::with_demo();
    let error = server.run(&["rollback"]).failed();
    assert!(error.contains("no release that served before"), "{error}");
    server.write("demo/page.html", "<p>");
    server.run(&["deploy", "demo"]).ok();
    let slug = |version: &str| {
        let release = server.run(&["releases", "info", version, "--json"]).json();
        release["slug"].as_str().unwrap().to_owned()
    };
    let text = server.run(&["rollback"]).ok();
    assert!(text.starts_with("demo v3 is up: "), "{text}");
    assert_eq!(slug("v3"), slug("v1"));
    let text = server.run(&["rollback", "v2"]).ok();
    assert!(text.starts_with("demo v4 is up: "), "{text}");
    assert_eq!(slug("v4"), slug("v2"));
    let error = server.run(&["rollback", "v99"]).failed();
    assert!(error.contains("v99"), "{error}");
}

#[test]
fn a_failed_release_leaves_the_release_before() {
    let server = Server::with_demo();
    server.write("broken/app.wasm", wat::parse_str(BROKEN).unwrap());
    let error = server.run(&["deploy", "broken", "-a", "demo"]).failed();
    assert!(error.contains("v2 of demo failed: "), "{error}");
    assert!(error.contains("dyno[web.1]: "), "the log is shown: {error}");
    assert_eq!(server.process.get("/").status, 200);
    let text = server.run(&["releases"]).ok();
    assert!(
        text.contains("failed") && text.contains("serving"),
        "{text}"
    );
    let info = server.run(&["apps", "info"]).ok();
    assert!(info.contains("v1 serves, v2 is the newest"), "{info}");
}

#[test]
fn a_slug_and_a_component_are_deployed_without_a_build() {
    let server = Server::start();
    server.write("good.wasm", fs::read(guest_path("good")).unwrap());
    let text = server.run(&["deploy", "good.wasm"]).ok();
    assert!(text.starts_with("demo v1 is up: "), "{text}");
    server.write("demo/app.wasm", fs::read(guest_path("good3")).unwrap());
    server.run(&["build", "demo", "-o", "demo.slug"]).ok();
    let text = server.run(&["deploy", "demo.slug"]).ok();
    assert!(text.starts_with("demo v2 is up: "), "{text}");
    let slugs = server.run(&["slugs", "--json"]).json();
    assert_eq!(slugs["items"].as_array().unwrap().len(), 2);
    server.write("bad.slug", "no slug");
    let error = server.run(&["deploy", "bad.slug"]).failed();
    assert!(error.contains("bad.slug is not a sound slug"), "{error}");
}
