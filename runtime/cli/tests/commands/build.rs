//! `dyno build`: one slug file, with the same bytes each time.

use std::fs;
use std::path::Path;

use testkit::repository;

use crate::command_folder::{Place, copy};

#[test]
fn builds_of_the_same_source_are_identical_in_any_folder() {
    // Kept between runs, so that only the first one compiles all.
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("builds");
    let (one, two) = (kept.join("one/hello"), kept.join("elsewhere/two/hello"));
    for folder in [&one, &two] {
        // What the example no longer has must not be built with it.
        let _ = fs::remove_dir_all(folder.join("src"));
        copy(&repository().join("examples/hello"), folder);
    }
    let place = Place::new();
    let build = |folder: &Path, slug: &str| {
        let folder = folder.to_str().unwrap();
        place.run(&["build", folder, "-o", slug]).ok();
        fs::read(place.path(slug)).unwrap()
    };
    let first = build(&one, "1.slug");
    assert!(build(&one, "2.slug") == first, "the second build differs");
    assert!(
        build(&two, "3.slug") == first,
        "a build in another folder differs"
    );
    let text = String::from_utf8_lossy(&first);
    assert!(
        !text.contains(kept.to_str().unwrap()),
        "the slug tells where it was built"
    );
    let json = place.run(&["slug", "inspect", "1.slug", "--json"]).json();
    assert_eq!(
        json["processes"]["web"]["component"],
        "target/wasm32-wasip2/release/hello.wasm"
    );
    assert_eq!(json["builder"]["name"], "rust");
}

#[test]
fn times_and_modes_of_files_do_not_change_the_slug() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    for app in ["a/app", "b/app"] {
        place
            .app(app)
            .write(&format!("{app}/data/x.txt"), "x")
            .write(&format!("{app}/a.txt"), "a");
    }
    fs::set_permissions(place.path("b/app/a.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(place.path("b/app/app.wasm"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    for app in ["a/app", "b/app"] {
        place.run(&["build", app]).ok();
    }
    let read = |path| fs::read(place.path(path)).unwrap();
    assert!(read("a/app/app.slug") == read("b/app/app.slug"));
}

#[test]
fn a_build_prints_its_result_and_the_next_command() {
    let place = Place::new();
    place.app("shop");
    let done = place.run(&["build", "shop"]);
    assert!(
        done.err.contains("dyno local shop/shop.slug"),
        "{}",
        done.err
    );
    let text = done.ok();
    for part in [
        "shop/shop.slug",
        "sha256:",
        "web",
        "handler",
        "wasi:http/incoming-handler@0.2",
        "app.wasm",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    assert_eq!(place.names("shop"), ["app.wasm", "shop.slug"]);
}

#[test]
fn with_json_stdout_contains_only_json() {
    let place = Place::new();
    place
        .app("shop")
        .write("shop/Procfile", "web: app.wasm --flag $PORT\nBad Line\n");
    let done = place.run(&["build", "shop", "--json", "-o", "out.slug"]);
    let code = done.code;
    if code == Some(1) {
        assert!(done.failed().contains("Procfile"));
        place.write("shop/Procfile", "web: app.wasm --flag $PORT\n");
    }
    let json = place
        .run(&["build", "shop", "--json", "-o", "out.slug"])
        .json();
    let id = json["id"].as_str().unwrap();
    assert!(
        id.starts_with("sha256:") && id.len() == "sha256:".len() + 64,
        "{id}"
    );
    assert_eq!(json["path"], "out.slug");
    assert_eq!(
        json["bytes"],
        fs::metadata(place.path("out.slug")).unwrap().len()
    );
    assert_eq!(
        json["processes"]["web"]["args"],
        serde_json::json!(["--flag", "$PORT"])
    );
    assert!(json["warnings"].is_array());
}

#[test]
fn ignored_files_are_left_out() {
    let place = Place::new();
    place.app("shop");
    for name in [
        ".git/x",
        "tmp/x",
        "log/x",
        "node_modules/x",
        "target/x",
        "notes.psd",
        ".env",
        "in.txt",
    ] {
        place.write(&format!("shop/{name}"), "x");
    }
    place.write("shop/.slugignore", "*.psd\n");
    place.run(&["build", "shop"]).ok();
    let json = place
        .run(&["slug", "inspect", "shop/shop.slug", "--json"])
        .json();
    let files: Vec<&String> = json["files"].as_object().unwrap().keys().collect();
    assert!(
        files.iter().any(|name| *name == "in.txt") && files.iter().any(|name| *name == "app.wasm")
    );
    for name in [
        ".git",
        "tmp",
        "log/",
        "node_modules",
        "target",
        "notes.psd",
        ".env",
    ] {
        assert!(
            files.iter().all(|file| !file.starts_with(name)),
            "{name} in {files:?}"
        );
    }
}

#[test]
fn a_slug_does_not_contain_the_previous_slug() {
    let place = Place::new();
    place.app("shop");
    place.run(&["build", "shop"]).ok();
    let first = fs::read(place.path("shop/shop.slug")).unwrap();
    place.run(&["build", "shop"]).ok();
    assert!(fs::read(place.path("shop/shop.slug")).unwrap() == first);
}

#[test]
fn a_build_command_makes_the_component() {
    let place = Place::new();
    place.app("shop");
    fs::rename(place.path("shop/app.wasm"), place.path("shop/source.bin")).unwrap();
    place.write(
        "shop/dyno.toml",
        "[build]\ncommand = \"echo made by hand && mkdir -p out && cp source.bin out/web.wasm\"\noutput = \"out/web.wasm\"\n",
    );
    let done = place.run(&["build", "shop"]);
    assert!(done.err.contains("made by hand"), "{}", done.err);
    assert!(done.ok().contains("out/web.wasm"));
    place.write(
        "shop/dyno.toml",
        "[build]\ncommand = \"echo what is wrong >&2; exit 7\"\n",
    );
    let text = place.run(&["build", "shop"]).failed();
    assert!(
        text.contains("what is wrong") && text.contains("exit status: 7"),
        "{text}"
    );
}

#[test]
fn a_failed_build_keeps_the_previous_slug() {
    let place = Place::new();
    place.app("shop");
    place.run(&["build", "shop"]).ok();
    let before = fs::read(place.path("shop/shop.slug")).unwrap();
    place.write("shop/app.wasm", "broken");
    place.run(&["build", "shop"]).failed();
    assert!(fs::read(place.path("shop/shop.slug")).unwrap() == before);
    assert_eq!(place.names("shop"), ["app.wasm", "shop.slug"]);
}

#[test]
fn build_errors_say_what_to_do() {
    let place = Place::new();
    place
        .app("shop")
        .write("empty/notes.txt", "x")
        .write("js/package.json", "{}");
    let cases = [
        (
            "absent",
            "absent is not a folder: name the folder of the app",
        ),
        ("empty", "dyno new NAME"),
        (
            "js",
            "nothing says in which file the app begins: set `main`",
        ),
    ];
    for (folder, expected) in cases {
        let text = place.run(&["build", folder]).failed();
        assert!(text.contains(expected), "{folder}: {text}");
    }
    for (toml, expected) in [
        ("nmae = \"x\"\n", "unknown key `nmae`: did you mean `name`"),
        ("[limits]\ntimeuot = \"1s\"\n", "`timeout`"),
        ("[buidl]\ncommand = \"make\"\n", "`build`"),
        ("[limits]\ntimeout = \"soon\"\n", "dyno.toml"),
        ("name = \"Not Valid\"\n", "dyno.toml"),
    ] {
        place.write("shop/dyno.toml", toml);
        let text = place.run(&["build", "shop"]).failed();
        assert!(
            text.contains(expected) && text.contains("dyno.toml"),
            "{toml}: {text}"
        );
    }
}
