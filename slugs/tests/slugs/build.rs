//! Real builds with the tools of this machine, and errors for folders without an app.

use std::fs;
use std::path::Path;

use grid::desired::ProcessKind;
use grid::name::ProcessType;
use slugs::World;
use slugs::build::{BuildProgress, build};
use slugs::detect::{DetectedBuilder, detect_builder};
use slugs::pack::pack;
use slugs::project::Project;

use crate::support::{App, tools, wasm};

/// A crate without dependencies whose `main` panics with its own path in the message.
fn rust_app() -> App {
    App::new()
        .file("Cargo.toml", "[package]\nname = \"tiny-app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n")
        .file("src/main.rs", "fn main() { let n = std::env::args().count(); assert!(n > 0, \"none\"); println!(\"{n}\"); }\n")
        .file("Cargo.lock", "version = 3\n\n[[package]]\nname = \"tiny-app\"\nversion = \"0.1.0\"\n")
}

fn packed(app: &App) -> (Vec<u8>, slugs::pack::PackedSlug) {
    app.pack()
}

#[test]
fn rust_builds_give_the_same_slug_in_any_folder() {
    let app = rust_app();
    let mut lines = Vec::new();
    let built =
        build(app.path(), &tools(), &mut |progress| lines.push(progress)).expect("it builds");
    assert!(lines.contains(&BuildProgress::Step(
        "cargo build --release --target wasm32-wasip2".to_owned()
    )));
    assert!(
        lines
            .iter()
            .any(|line| matches!(line, BuildProgress::Line(text) if text.contains("tiny-app")))
    );
    assert_eq!(
        built.components[0].path.as_str(),
        "target/wasm32-wasip2/release/tiny-app.wasm"
    );
    assert!(built.builder.tool.starts_with("rustc "));
    let bytes = fs::read(&built.components[0].file).expect("the component");
    for place in [app.path().to_str().expect("UTF-8"), "/.cargo/", "/.rustup/"] {
        let found = bytes
            .windows(place.len())
            .any(|window| window == place.as_bytes());
        assert!(!found, "`{place}` is in the component");
    }
    let (first, slug) = packed(&app);
    let web = &slug.slug.manifest().processes[&ProcessType::web()];
    assert_eq!((web.world, web.kind), (World::Run02, ProcessKind::Server));
    fs::remove_dir_all(app.path().join("target"))
        .or_else(allow_absent)
        .expect("it goes");
    assert!(packed(&app).0 == first, "the same folder gave other bytes");
    assert!(
        packed(&rust_app()).0 == first,
        "another folder gave other bytes"
    );
}

/// With CARGO_TARGET_DIR set, there is no `target` in the folder.
fn allow_absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

#[test]
fn the_procfile_names_the_programs_of_a_workspace() {
    let member = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    let app = App::new()
        .file(
            "Cargo.toml",
            "[workspace]\nmembers = [\"one\", \"two\"]\nresolver = \"2\"\n",
        )
        .file(
            "one/Cargo.toml",
            member("one", "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n"),
        )
        .file(
            "one/src/lib.rs",
            "#[unsafe(no_mangle)] pub extern \"C\" fn one() -> u32 { 1 }\n",
        )
        .file("one/src/main.rs", "fn main() {}\n")
        .file("two/Cargo.toml", member("two", ""))
        .file("two/src/main.rs", "fn main() {}\n")
        .file("two/src/bin/three.rs", "fn main() {}\n");
    let built = app.built();
    let names: Vec<&str> = built
        .components
        .iter()
        .map(|component| component.path.file_name())
        .collect();
    assert!(
        ["one.wasm", "two.wasm", "three.wasm"]
            .iter()
            .all(|name| names.contains(name)),
        "{names:?}"
    );
    let text = app.pack_error();
    assert!(
        text.contains("several components") && text.contains("three.wasm"),
        "{text}"
    );
    let app = app.file(
        "Procfile",
        "worker: target/wasm32-wasip2/release/three.wasm\n",
    );
    let (_, packed) = app.pack();
    assert_eq!(packed.slug.manifest().processes.len(), 1);
}

#[test]
fn a_build_that_fails_shows_why() {
    let app = rust_app().file("src/main.rs", "fn main() { does_not_exist(); }\n");
    let mut lines = Vec::new();
    let error = build(app.path(), &tools(), &mut |progress| lines.push(progress))
        .expect_err("it cannot build")
        .to_string();
    assert!(
        error.contains("cargo build") && error.contains("exit status"),
        "{error}"
    );
    assert!(
        lines.iter().any(
            |line| matches!(line, BuildProgress::Line(text) if text.contains("does_not_exist"))
        )
    );
}

#[test]
fn a_build_command_replaces_detection_and_shows_its_output() {
    let app = App::new()
        .file("parts/web.wasm", wasm::handler_03())
        .file("Cargo.toml", "this is not read")
        .file("dyno.toml", "[build]\ncommand = \"mkdir -p out && cp parts/web.wasm out/ && echo done && echo why >&2\"\noutput = [\"out/web.wasm\"]\n");
    let mut lines = Vec::new();
    let built =
        build(app.path(), &tools(), &mut |progress| lines.push(progress)).expect("it builds");
    assert!(
        lines.contains(&BuildProgress::Line("done".to_owned()))
            && lines.contains(&BuildProgress::Line("why".to_owned()))
    );
    assert_eq!(built.components[0].path.as_str(), "out/web.wasm");
    let place = tempfile::tempdir().expect("a temporary folder");
    let packed = pack(&built, &place.path().join("x.slug")).expect("a slug");
    assert_eq!(packed.slug.manifest().builder.name, "command");
    let text = App::new()
        .file("dyno.toml", "[build]\ncommand = \"echo no; exit 3\"\n")
        .build_error();
    assert!(
        text.contains("`echo no; exit 3` failed") && text.contains('3'),
        "{text}"
    );
    let text = App::new()
        .file(
            "dyno.toml",
            "[build]\ncommand = \"true\"\noutput = \"web.wasm\"\n",
        )
        .build_error();
    assert!(text.contains("output `web.wasm` is not there"), "{text}");
    let text = App::new()
        .file(
            "dyno.toml",
            "[build]\ncommand = \"true\"\noutput = \"../web.wasm\"\n",
        )
        .build_error();
    assert!(
        text.contains("`../web.wasm` is not a path in the app's folder"),
        "{text}"
    );
}

#[test]
fn the_error_for_a_folder_without_an_app_lists_the_files_looked_for() {
    let text = App::new().build_error();
    for part in [
        "[build] command",
        "Cargo.toml",
        "Procfile",
        ".wasm",
        "dyno new",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let text = App::new().file("main.go", "package main").build_error();
    assert!(
        text.contains("a Go program (main.go)")
            && text.contains("`go mod init NAME`")
            && text.contains("`command`"),
        "{text}"
    );
    let text = App::new()
        .file("pom.xml", "")
        .file("Procfile", "web: app.wasm\n")
        .build_error();
    assert!(text.contains("pom.xml"), "{text}");
    let text = App::new().file("Procfile", "web: app.wasm\n").build_error();
    assert!(
        text.contains("`app.wasm`, which is not in the app's folder"),
        "{text}"
    );
    let text = App::new()
        .file("a.wasm", "x")
        .file("b.wasm", "x")
        .build_error();
    assert!(
        text.contains("several `.wasm` files (a.wasm, b.wasm)"),
        "{text}"
    );
    let gone = build(Path::new("/no/such/folder"), &tools(), &mut |_| {})
        .expect_err("no folder")
        .to_string();
    assert!(gone.contains("/no/such/folder is not a folder"), "{gone}");
}

/// The Procfiles have globs, pipes, variable assignments, a missing component, or nothing.
#[test]
fn unsupported_languages_get_a_one_line_error_with_any_procfile() {
    for (file, says) in [
        ("worker.rb", "a Ruby program"),
        ("composer.json", "a PHP app"),
        ("main.go", "a Go program"),
        ("pom.xml", "a Java or Kotlin app"),
        ("build.gradle.kts", "a Java or Kotlin app"),
        ("mix.exs", "an Elixir app"),
        ("Shop.csproj", "a .NET app"),
        ("Package.swift", "a Swift app"),
        ("deps.edn", "a Clojure app"),
        ("Dockerfile", "an app in a container"),
        ("heroku.yml", "an app in a container"),
    ] {
        for procfile in [
            None,
            Some(""),
            Some("web: app.wasm\n"),
            Some("web: bin/start -C config/*.rb | tee log\n"),
            Some("web: A=1 bin/start target/*.jar ~ 'unclosed\n"),
            Some("no colon"),
        ] {
            let mut app = App::new().file(file, "x");
            if let Some(text) = procfile {
                app = app.file("Procfile", text);
            }
            let text = app.build_error();
            assert!(
                text.contains(says) && !text.contains('\n'),
                "{file}, {procfile:?}: {text}"
            );
            assert!(
                text.contains("Rust, JavaScript, TypeScript, Python"),
                "{text}"
            );
        }
    }
    let text = App::new()
        .file("Procfile", "web: bundle exec puma *\n")
        .build_error();
    assert!(
        text.contains("a Ruby program (`bundle` in the Procfile)"),
        "{text}"
    );
}

#[test]
fn an_unsupported_language_is_recognized_beside_a_package_json() {
    let laravel = || {
        App::new()
            .file("composer.json", "")
            .file("package.json", "{}")
    };
    let text = laravel()
        .file("Procfile", "web: php artisan serve\n")
        .build_error();
    assert!(text.contains("a PHP app (composer.json)"), "{text}");
    let text = laravel().file("artisan", "").build_error();
    assert!(text.contains("a PHP app"), "{text}");
    let node = laravel().file("Procfile", "web: node x.js\n");
    assert_eq!(builder_of(&node), DetectedBuilder::JavaScript);
}

#[test]
fn a_ruby_app_is_recognized_beside_files_of_other_languages() {
    let rails = || App::new().file("Gemfile", "").file("package.json", "{}");
    for command in [
        "bundle exec puma",
        "RACK_ENV=production bin/rails server",
        "ruby app.rb",
    ] {
        let app = rails().file("Procfile", format!("web: {command}\n"));
        assert_eq!(builder_of(&app), DetectedBuilder::Ruby, "{command}");
    }
    assert_eq!(
        builder_of(&rails().file("config.ru", "")),
        DetectedBuilder::Ruby
    );
    // A Gemfile alone may be a tool's.
    assert_eq!(builder_of(&rails()), DetectedBuilder::JavaScript);
    let node = rails()
        .file("config.ru", "")
        .file("Procfile", "web: node x.js\n");
    assert_eq!(builder_of(&node), DetectedBuilder::JavaScript);
    let python = App::new().file("Gemfile", "").file("requirements.txt", "");
    assert_eq!(builder_of(&python), DetectedBuilder::Python);
    assert_eq!(
        builder_of(&App::new().file("Gemfile", "")),
        DetectedBuilder::Ruby
    );
}

fn builder_of(app: &App) -> DetectedBuilder {
    let project = Project::load(app.path()).expect("sound");
    detect_builder(&project).expect("a builder")
}

#[test]
fn a_prebuilt_component_of_an_unsupported_language_is_accepted() {
    let app = App::hello().file("pom.xml", "");
    let project = Project::load(app.path()).expect("sound");
    assert!(matches!(
        detect_builder(&project),
        Ok(DetectedBuilder::Ready(_))
    ));
}

/// The builder that is detected for `files`.
fn detected(files: &[(&str, &str)]) -> DetectedBuilder {
    let mut app = App::new();
    for (name, text) in files {
        app = app.file(name, text);
    }
    let project = Project::load(app.path()).expect("sound");
    detect_builder(&project).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_first_matching_builder_is_chosen() {
    let (wasm, named) = (("app.wasm", "x"), ("Procfile", "web: app.wasm\n"));
    let (js, py) = (("package.json", "{}"), ("requirements.txt", ""));
    let (c, rust) = (("main.c", ""), ("Cargo.toml", ""));
    let command = ("dyno.toml", "[build]\ncommand = \"make\"\n");
    let output = ("dyno.toml", "[build]\noutput = \"app.wasm\"\n");
    assert!(matches!(
        detected(&[command, rust, js]),
        DetectedBuilder::Command(_)
    ));
    assert_eq!(
        detected(&[rust, js, py, wasm, named]),
        DetectedBuilder::Rust
    );
    assert!(matches!(
        detected(&[js, py, wasm, named]),
        DetectedBuilder::Ready(_)
    ));
    assert!(matches!(
        detected(&[js, wasm, output]),
        DetectedBuilder::Ready(_)
    ));
    assert_eq!(detected(&[js, py, c, wasm]), DetectedBuilder::JavaScript);
    assert_eq!(
        detected(&[js, ("Procfile", "web: npm start\n")]),
        DetectedBuilder::JavaScript
    );
    assert_eq!(detected(&[py, c, wasm]), DetectedBuilder::Python);
    for mark in [
        "pyproject.toml",
        "Pipfile",
        "setup.py",
        "setup.cfg",
        "uv.lock",
        "app.py",
        "manage.py",
    ] {
        assert_eq!(detected(&[(mark, "")]), DetectedBuilder::Python, "{mark}");
    }
    // A Django project with a JavaScript front end: the Procfile names the server.
    for web in ["web: gunicorn mysite.wsgi\n", "web: python app.py\n"] {
        assert_eq!(
            detected(&[js, py, ("Procfile", web)]),
            DetectedBuilder::Python
        );
    }
    assert_eq!(detected(&[c, wasm]), DetectedBuilder::C);
    assert_eq!(
        detected(&[("src/a.c", ""), ("Procfile", "job: main.wasm -x\n")]),
        DetectedBuilder::C
    );
    assert!(matches!(
        detected(&[c, wasm, ("Makefile", "")]),
        DetectedBuilder::Ready(_)
    ));
}

#[test]
fn a_single_page_or_a_root_setting_makes_a_static_site() {
    let (js, py) = (("package.json", "{}"), ("requirements.txt", ""));
    let (wasm, rust) = (("app.wasm", "x"), ("Cargo.toml", ""));
    let (index, root) = (("index.html", ""), ("dyno.toml", "root = \"public\"\n"));
    assert_eq!(detected(&[js, index]), DetectedBuilder::JavaScript);
    assert_eq!(detected(&[py, index]), DetectedBuilder::Python);
    assert!(matches!(
        detected(&[wasm, index]),
        DetectedBuilder::Ready(_)
    ));
    assert_eq!(
        detected(&[index, ("Dockerfile", "")]),
        DetectedBuilder::Static
    );
    assert_eq!(detected(&[js, rust, root]), DetectedBuilder::Static);
}

#[test]
fn a_procfile_named_by_an_option_must_exist() {
    let app = App::hello().file("Procfile.dev", "site: web.wasm\n");
    let project =
        Project::load_with(app.path(), &app.path().join("Procfile.dev")).expect("it is there");
    assert_eq!(project.procfile.expect("it has types").processes.len(), 1);
    let error =
        Project::load_with(app.path(), &app.path().join("Procfile.gone")).expect_err("it is gone");
    assert!(
        error.to_string().contains("Procfile.gone cannot be read"),
        "{error}"
    );
}

#[test]
fn files_with_a_byte_order_mark_are_read_and_utf_16_is_refused() {
    let marked = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let app = App::hello()
        .file(
            "dyno.toml",
            marked("name = \"shop\"\r\n[formation]\r\nweb = 2\r\n"),
        )
        .file("Procfile", marked("web: web.wasm # the site\r\n"))
        .file("app.json", marked("{\"env\": {\"A\": \"1\"}}\r\n"));
    let project = Project::load(app.path()).expect("sound");
    assert_eq!(project.settings.name.expect("a name").as_str(), "shop");
    assert_eq!(project.procfile.expect("types").processes.len(), 1);
    assert_eq!(project.app_json.env.len(), 1);
    for name in ["dyno.toml", "Procfile", "app.json"] {
        let app = App::hello().file(name, b"\xff\xfew\0e\0b\0");
        let error = Project::load(app.path()).expect_err(name).to_string();
        assert!(
            error.contains("is in UTF-16") && error.contains(name),
            "{error}"
        );
    }
}
