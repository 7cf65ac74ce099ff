//! The examples that need no other server, deployed: `api-ts` in TypeScript, `blog-py` in Python, `notes-rb` in Ruby.

use serde_json::{Value, json};
use testkit::{ExampleApp, Server, ServerRig};

use crate::site::{Site, word};

/// Deploys an example under its own name.
fn deploy(server: &Server<'_>, name: &str) -> Site {
    let example = ExampleApp::copy_from_repository(name);
    let said = server.run(&["deploy", word(&example.folder), "-a", name]);
    assert!(said.success().contains("v1 is up"), "{}", said.stdout);
    Site::deployed(server, name)
}

#[test]
fn a_typescript_api_is_deployed() {
    let rig = ServerRig::new();
    let server = rig.start();
    let site = deploy(&server, "api-ts");
    let made = site.json("POST", "/tasks", &json!({"title": "deploy it"}));
    assert_eq!(made.status, 201, "{}", made.text());
    let task: Value = made.json();
    assert_eq!(task["title"], "deploy it");
    let place = made.header("location").unwrap().to_owned();
    let found: Value = serde_json::from_str(&site.page(&place)).unwrap();
    assert_eq!(found, task);
    assert!(server.stop().success());
    rig.home().assert_no_process();
}

#[test]
fn a_python_blog_is_deployed() {
    let rig = ServerRig::new();
    let server = rig.start();
    let site = deploy(&server, "blog-py");
    let has_posts = || {
        let page = site.page("/");
        assert!(page.contains("Trust nobody"), "{page}");
    };
    has_posts();
    assert_eq!(site.get("/nowhere").status, 404);
    // A second release of the unchanged app needs no new build.
    server
        .run(&["config", "set", "A=1", "-a", "blog-py"])
        .success();
    has_posts();
    assert!(server.stop().success());
    rig.home().assert_no_process();
}

#[test]
fn ruby_notes_are_deployed_with_a_release_process_and_one_off_dynos() {
    let rig = ServerRig::new();
    let server = rig.start();
    let site = deploy(&server, "notes-rb");
    let log = server.wait_for_log(
        "notes-rb",
        &["app[release.1]: first-notes.json has 2 notes"],
    );
    assert!(!log.contains("rashed"), "{log}");
    let kept = site.form("/notes", "text=Tea+%26+milk");
    assert_eq!(kept.status, 303, "{}", kept.text());
    assert!(site.page("/").contains("<p>Tea &amp; milk</p>"));
    let run = |words: &[&str]| server.run(&[&["run", "-a", "notes-rb", "--"], words].concat());
    let checked = run(&["rake", "check"]);
    assert_eq!(checked.success(), "first-notes.json has 2 notes\n");
    let code = run(&["ruby", "-e", "puts ARGV; exit 7", "a b"]);
    assert_eq!(
        (code.code, code.stdout.as_str()),
        (Some(7), "a b\n"),
        "{code:?}"
    );
    assert!(server.stop().success());
    rig.home().assert_no_process();
}
