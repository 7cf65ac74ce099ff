//! `dyno new`: an app that builds and runs unchanged.

use std::fs;
use std::path::Path;

use testkit::DynoProcess;

use crate::command_folder::{Place, copy};

#[test]
fn a_new_app_builds_and_runs() {
    let place = Place::new();
    let done = place.run(&["new", "shop"]);
    assert!(done.err.contains("dyno local shop"), "{}", done.err);
    assert_eq!(done.ok(), "");
    assert_eq!(place.names("."), ["shop"]);
    assert_eq!(
        place.names("shop"),
        [".gitignore", "Cargo.toml", "Procfile", "README.md", "src"]
    );
    for name in [
        "Cargo.toml",
        "Procfile",
        "README.md",
        "src/main.rs",
        ".gitignore",
    ] {
        let text = fs::read_to_string(place.path("shop").join(name)).unwrap();
        assert!(!text.contains("{{"), "{name}: {text}");
    }
    // Built in a folder that is kept between runs, so that only the first one compiles all.
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("builds/new/shop");
    copy(&place.path("shop"), &kept);
    let local = DynoProcess::start_local(&kept, &["web=2"]);
    let text = local.get("/").text();
    assert!(text.contains("shop") && text.contains("web."), "{text}");
    assert_eq!(local.get("/elsewhere").status, 404);
    assert!(local.stop().success());
    place
        .run(&["build", kept.to_str().unwrap(), "-o", "shop.slug"])
        .ok();
    let local = DynoProcess::start_local(&place.path("shop.slug"), &[]);
    assert_eq!(local.get("/").status, 200);
    assert!(local.stop().success());
}

#[test]
fn an_existing_folder_is_refused_and_not_changed() {
    let place = Place::new();
    place.write("shop/mine.txt", "x");
    let text = place.run(&["new", "shop"]).failed();
    assert!(text.contains("shop exists already"), "{text}");
    assert_eq!(
        (place.names("."), place.names("shop")),
        (vec!["shop".into()], vec!["mine.txt".into()])
    );
}

#[test]
fn invalid_names_and_templates_are_refused() {
    let place = Place::new();
    for name in ["Shop", "a", "-x", "x-", "a/b", "../x", &"x".repeat(31)] {
        let done = place.run(&["new", "--", name]);
        let text = done.failed();
        assert!(
            text.contains("lower-case") || text.contains("a-z"),
            "{name}: {text}"
        );
    }
    let text = place.run(&["new", "shop", "--template", "cobol"]).failed();
    assert!(text.contains("cobol") && text.contains("rust"), "{text}");
    assert!(place.names(".").is_empty());
}

#[test]
fn the_list_shows_the_templates() {
    let place = Place::new();
    let text = place.run(&["new", "--list"]).ok();
    assert!(text.lines().any(|line| line.starts_with("rust ")), "{text}");
    let json = place.run(&["new", "--list", "--json"]).json();
    assert_eq!(json[0]["name"], "rust");
    assert!(place.names(".").is_empty());
}
