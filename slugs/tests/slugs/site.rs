//! Static sites: which files are public, and the file list that the component gets.

use std::fs;
use std::path::Path;

use grid::desired::ProcessKind;
use grid::name::ProcessType;
use slugs::World;
use slugs::build::{BuiltApp, Tools, build};
use slugs::pack::pack;

use crate::support::{App, chain};

fn built(app: &App, cache: &Path) -> BuiltApp {
    let built = build(app.path(), &Tools::attached(cache), &mut |_| {});
    built.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// The list of the site's files: names and sizes.
fn listed(app: &App) -> Vec<String> {
    let cache = tempfile::tempdir().expect("a folder");
    let built = built(app, cache.path());
    let list = fs::read_to_string(&built.extra_files[0].file).expect("the list");
    let files = list.lines().filter_map(|line| line.strip_prefix("file "));
    files
        .map(|line| {
            let parts: Vec<&str> = line.splitn(3, ' ').collect();
            assert_eq!(parts[1].len(), 32, "{line}");
            format!("{} {}", parts[2], parts[0])
        })
        .collect()
}

fn error(app: &App) -> String {
    let cache = tempfile::tempdir().expect("a folder");
    match build(app.path(), &Tools::attached(cache.path()), &mut |_| {}) {
        Ok(_) => panic!("it was built"),
        Err(error) => chain(&error),
    }
}

#[test]
fn a_folder_with_a_start_page_builds_a_reproducible_handler() {
    let app = App::new()
        .file("index.html", "<h1>hello</h1>")
        .file("a b/é.css", "x");
    let cache = tempfile::tempdir().expect("a folder");
    let slug = || {
        let place = tempfile::tempdir().expect("a folder");
        let packed = pack(&built(&app, cache.path()), &place.path().join("site.slug"));
        let packed = packed.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let manifest = packed.slug.manifest();
        let web = &manifest.processes[&ProcessType::web()];
        assert_eq!(
            (web.world, web.kind),
            (World::Handler02, ProcessKind::Handler)
        );
        assert_eq!(manifest.builder.name, "static");
        fs::read(&packed.file).expect("the slug")
    };
    assert!(slug() == slug());
    assert_eq!(listed(&app), ["a b/é.css 1", "index.html 14"]);
    let names = fs::read_dir(app.path()).expect("the folder");
    assert_eq!(
        names.count(),
        2,
        "something is written into the app's folder"
    );
}

#[test]
fn secrets_and_configuration_files_are_not_public() {
    let app = App::new()
        .file("index.html", "x")
        .file(".env", "SECRET=1")
        .file(".git/config", "x")
        .file(".htpasswd", "x")
        .file("docs/.hidden/x", "x")
        .file(".well-known/security.txt", "x")
        .file("notes.key", "x")
        .file("dyno.toml", "name = \"site\"\n")
        .file("app.json", "{}")
        .file(".slugignore", b"\xef\xbb\xbf*.key\r\n");
    assert_eq!(listed(&app), [".well-known/security.txt 1", "index.html 1"]);
}

#[test]
fn the_root_setting_is_accepted_at_the_top_and_under_static() {
    for toml in [
        "root = \"public\"\n",
        "root = \"./public/\"\n",
        "[static]\nroot = \"public\"\n",
    ] {
        let app = App::new()
            .file("public/index.html", "x")
            .file("public/app.json", "{}")
            .file("publicity.html", "x")
            .file("Procfile", "web: serve -s public\n")
            .file("dyno.toml", toml);
        assert_eq!(listed(&app), ["app.json 2", "index.html 1"], "{toml}");
    }
    let app = App::new()
        .file("index.html", "x")
        .file("dyno.toml", "root = \".\"\n");
    assert_eq!(listed(&app), ["index.html 1"]);
}

#[test]
fn a_wasm_file_beside_the_start_page_is_a_public_file() {
    let module = crate::support::wasm::module(&[("env", "alert")], &["main"]);
    let app = App::new()
        .file("index.html", "x")
        .file("demo.wasm", &module);
    let size = format!("demo.wasm {}", module.len());
    assert_eq!(listed(&app), [size.as_str(), "index.html 1"]);
}

#[test]
fn the_build_command_runs_before_the_root_is_read() {
    let app = App::new().file(
        "dyno.toml",
        "root = \"out\"\n[build]\ncommand = \"mkdir -p out && echo hello > out/index.html\"\n",
    );
    assert_eq!(listed(&app), ["index.html 6"]);
}

#[test]
fn errors_say_what_to_do() {
    for (toml, says) in [
        (
            "root = \"gone\"\n",
            "`gone`, which is not a folder of the app",
        ),
        ("root = \"../x\"\n", "dyno.toml line 1: `../x`"),
        ("root = \"/srv\"\n", "dyno.toml line 1: `/srv`"),
        ("root = 1\n", "dyno.toml line 1"),
        ("root = \"a\"\n[static]\nroot = \"b\"\n", "remove one"),
        ("[static]\nrooot = \"a\"\n", "did you mean `root`?"),
        (
            "root = \"target\"\n",
            "holds no file that belongs to the app",
        ),
    ] {
        let app = App::new()
            .file("target/index.html", "x")
            .file("dyno.toml", toml);
        let text = error(&app);
        assert!(text.contains(says), "{toml}: {text}");
    }
    let text = error(&App::new().file("dist/index.html", "x"));
    assert!(
        text.contains("write `root = \"dist\"` into dyno.toml"),
        "{text}"
    );
    let app = App::new()
        .file("index.html", "x")
        .file("Procfile", "web: nginx -g x\n");
    let text = error(&app);
    assert!(
        text.contains("Procfile line 1") && text.contains("a static site needs no Procfile"),
        "{text}"
    );
}

#[test]
fn a_missing_start_page_or_fallback_is_a_warning() {
    let app = App::new().file("public/a.html", "x").file(
        "dyno.toml",
        "[static]\nroot = \"public\"\nfallback = \"app.html\"\n",
    );
    let cache = tempfile::tempdir().expect("a folder");
    let built = built(&app, cache.path());
    let warnings: Vec<String> = built.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("/ answers 404"), "{warnings:?}");
    assert!(warnings[1].contains("app.html"), "{warnings:?}");
}

#[test]
fn files_behind_symbolic_links_are_public_under_both_names() {
    let app = App::new()
        .file("site/index.html", "x")
        .file("shared/assets/style.css", "12")
        .file("logo.svg", "123")
        .file("dyno.toml", "root = \"site\"\n");
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, app.path().join(name)).expect("a link");
    };
    link("../shared/assets", "site/assets");
    link("../logo.svg", "site/logo.svg");
    let expected = ["assets/style.css 2", "index.html 1", "logo.svg 3"];
    assert_eq!(listed(&app), expected);
}
