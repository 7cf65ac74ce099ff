//! The example `notes-rb`, used as described in its README.

use testkit::{DynoProcess, dyno_command, run_command};

use crate::app_folder::{App, steps};

const FORM: [&str; 1] = ["Content-Type: application/x-www-form-urlencoded"];

/// The example, built and running. The first test compiles its component.
#[track_caller]
fn start() -> DynoProcess {
    App::example("notes-rb").run(&[])
}

#[test]
fn the_page_shows_the_first_notes_and_a_form() {
    let local = start();
    let page = local.get("/");
    let media_type = Some("text/html;charset=utf-8");
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, media_type)
    );
    let text = page.text();
    assert!(
        text.contains("<textarea id=\"text\" name=\"text\""),
        "{text}"
    );
    assert!(
        text.contains("try &lt;b&gt;bold&lt;&#x2F;b&gt; &amp; &quot;quoted&quot;."),
        "{text}"
    );
    assert!(text.contains("Served by web.1"), "{text}");
    let style = local.get("/style.css");
    assert_eq!(style.header("content-type"), Some("text/css;charset=utf-8"));
    assert!(style.text().contains("color-scheme") && style.complete);
    let nothing = local.get("/elsewhere");
    assert!(
        nothing.status == 404 && nothing.text().contains("no such page"),
        "{nothing:?}"
    );
    local.wait_for_line("the release process", |line| {
        line.ends_with("app[release.1]: first-notes.json has 2 notes")
    });
    assert!(local.stop().success());
}

#[test]
fn notes_are_kept_escaped_and_deleted() {
    let local = start();
    let body = b"text=%3Cscript%3Ealert(1)%3C%2Fscript%3E+%26+caf%C3%A9";
    let sent = local.request("POST", "/notes", &FORM, body);
    let place = sent.header("location").map(str::to_owned);
    assert_eq!(
        (sent.status, place.as_deref()),
        (303, Some("http://demo.localhost/"))
    );
    let page = local.get("/").text();
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;&#x2F;script&gt; &amp; café"),
        "{page}"
    );
    assert!(!page.contains("<script"), "{page}");
    let notes = local.get("/notes.json");
    assert_eq!(notes.header("content-type"), Some("application/json"));
    let notes = notes.json();
    let first = &notes["notes"][0];
    assert_eq!(first["text"], "<script>alert(1)</script> & café");
    assert_eq!(notes["notes"].as_array().unwrap().len(), 3);
    let delete = format!("/notes/{}/delete", first["id"].as_str().unwrap());
    assert_eq!(local.request("POST", &delete, &FORM, b"").status, 303);
    assert_eq!(local.request("POST", &delete, &FORM, b"").status, 404);
    assert_eq!(
        local.get("/notes.json").json()["notes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let empty = local.request("POST", "/notes", &FORM, b"text=+");
    assert!(
        empty.status == 422 && empty.text().contains("role=\"alert\">Please write"),
        "{empty:?}"
    );
    let long = format!("text={}", "x".repeat(1001));
    let long = local.request("POST", "/notes", &FORM, long.as_bytes());
    assert!(
        long.status == 422 && long.text().contains("at most 1000"),
        "{long:?}"
    );
    assert!(local.stop().success());
}

#[test]
fn the_tasks_and_commands_of_the_readme_run() {
    let app = App::example("notes-rb");
    app.build_and_compile();
    let run = |words: &[&str]| {
        let mut command = dyno_command();
        command.args(["local", "run", "--"]).args(words);
        run_command(command.current_dir(app.folder()))
    };
    let tasks = run(&["rake", "-T"]);
    assert!(tasks.success().starts_with("rake check "), "{tasks:?}");
    let readme = app.read("README.md");
    let words = ["ruby", "-r", "./lib/notes", "-e", "puts Notes.first.size"];
    assert!(
        readme.contains("ruby -r ./lib/notes -e 'puts Notes.first.size'"),
        "{readme}"
    );
    assert_eq!(run(&words).success(), "2\n");
    app.write("first-notes.json", "[\"good\", \" \"]\n");
    let broken = run(&["release"]);
    assert_eq!(broken.code, Some(1));
    assert!(
        broken.stderr.contains("Please write something."),
        "{broken:?}"
    );
}

#[test]
fn a_changed_view_or_line_needs_no_compilation_and_no_network() {
    let app = App::example("notes-rb");
    let (_, first) = app.build();
    let (told, second) = app.build_offline();
    assert_eq!(
        (steps(&told), &first["id"]),
        (vec![], &second["id"]),
        "{told}"
    );
    let view = app
        .read("views/index.erb")
        .replace("New note", "Another note");
    app.write("views/index.erb", &view);
    let code = app
        .read("app.rb")
        .replace("get \"/notes.json\"", "get \"/other.json\"");
    app.write("app.rb", &code);
    let (told, third) = app.build_offline();
    assert!(steps(&told).is_empty(), "{told}");
    assert_ne!(first["id"], third["id"]);
    let local = app.run(&[]);
    assert!(local.get("/").text().contains("Another note"));
    let (old, new) = (local.get("/notes.json"), local.get("/other.json"));
    assert_eq!((old.status, new.status), (404, 200));
    assert!(local.stop().success());
}
