//! Each template of `dyno new` gives an app that builds and answers.

use testkit::dyno_command;

use crate::app_folder::App;

/// A folder made from a template, without further changes.
fn made(template: &str) -> (App, std::path::PathBuf) {
    let place = App::new(&[]);
    let status = dyno_command()
        .args(["new", "shop", "--template", template])
        .current_dir(place.folder())
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    let folder = place.path("shop");
    (place, folder)
}

fn answers(template: &str) {
    let (place, folder) = made(template);
    let app = App::new(&[]);
    // An `App` with the same files.
    std::fs::remove_dir(app.folder()).unwrap();
    std::fs::rename(&folder, app.folder()).unwrap();
    drop(place);
    let local = app.run(&["web=2"]);
    let text = local.get("/").text();
    assert!(
        text.contains("shop") && text.contains("served by web."),
        "{text}"
    );
    assert_eq!(local.get("/elsewhere").status, 404);
    let echo = local.request("POST", "/echo", &["Content-Type: application/json"], b"[1]");
    let json: serde_json::Value = serde_json::from_slice(&echo.body).unwrap();
    assert_eq!(json, serde_json::json!({"received": [1]}));
    assert!(local.stop().success());
}

#[test]
fn the_javascript_template_builds_and_runs() {
    answers("javascript");
}

#[test]
fn the_typescript_template_builds_and_runs() {
    answers("typescript");
}

#[test]
fn the_express_template_builds_and_runs() {
    answers("express");
}

#[test]
fn the_python_template_builds_and_runs() {
    answers("python");
}

#[test]
fn the_starlette_template_builds_and_runs() {
    answers("starlette");
}

#[test]
fn the_ruby_template_builds_and_runs() {
    answers("ruby");
}

#[test]
fn the_go_template_builds_and_runs() {
    answers("go");
}

#[test]
fn the_axum_template_builds_and_runs() {
    answers("axum");
}

#[test]
fn the_static_site_template_builds_and_runs() {
    let (_place, folder) = made("static");
    let local = testkit::DynoProcess::start_local(&folder, &[]);
    let page = local.get("/");
    assert!(
        page.status == 200 && page.text().contains("Hello from shop"),
        "{page:?}"
    );
    assert_eq!(
        local.get("/style.css").header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert_eq!(local.get("/dyno.toml").status, 404);
    assert!(local.stop().success());
}

#[test]
fn the_c_template_builds_and_runs() {
    let (_place, folder) = made("c");
    let output = dyno_command()
        .arg("build")
        .arg(&folder)
        .arg("--json")
        .output()
        .unwrap();
    let slug: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(slug["processes"]["main"]["kind"], "process", "{output:?}");
}

#[test]
fn the_list_of_templates_is_complete() {
    let output = dyno_command().args(["new", "--list"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for name in [
        "rust ",
        "axum ",
        "javascript ",
        "typescript ",
        "express ",
        "python ",
        "ruby ",
        "go ",
        "static ",
        "c ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
    }
}
