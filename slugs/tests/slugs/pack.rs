//! Which files a slug contains, and that the same app gives the same bytes.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use grid::desired::ProcessKind;
use grid::name::ProcessType;
use slugs::pack::pack;
use slugs::verify::verify;
use slugs::{Slug, World};

use crate::support::{App, chain, files_below, wasm};

fn names(app: &App) -> Vec<String> {
    let (_, packed) = app.pack();
    packed
        .slug
        .manifest()
        .files
        .keys()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_manifest_describes_the_slug() {
    let app = App::hello()
        .file("Procfile", "web: web.wasm --port $PORT\nworker: jobs.wasm\n")
        .file("jobs.wasm", wasm::command_02())
        .file("dyno.toml", "[limits]\nmemory = \"64MiB\"\n[formation]\nweb = 2\n")
        .file("app.json", r#"{"name": "x", "env": {"MODE": "fast", "KEY": {"required": false}}, "formation": {"worker": {"quantity": 3}}}"#);
    let (bytes, packed) = app.pack();
    let slug = verify(bytes.as_slice()).expect("a good slug");
    assert_eq!(slug, packed.slug);
    let manifest = slug.manifest();
    let web = &manifest.processes[&ProcessType::web()];
    assert_eq!(
        (web.world, web.kind),
        (World::Handler02, ProcessKind::Handler)
    );
    assert_eq!(web.args, ["--port", "$PORT"]);
    assert_eq!(web.limits.memory_bytes, Some(64 << 20));
    assert_eq!(
        manifest.specs()[&ProcessType::web()].limits.memory_bytes,
        64 << 20
    );
    let counts: Vec<(String, u32)> = manifest
        .initial_formation()
        .into_iter()
        .map(|(name, count)| (name.to_string(), count))
        .collect();
    assert_eq!(counts, [("web".to_owned(), 2), ("worker".to_owned(), 3)]);
    assert_eq!(manifest.env["MODE"].value.as_deref(), Some("fast"));
    assert!(!manifest.env["KEY"].required);
    let components: Vec<String> = slug
        .components()
        .map(|(path, world, _)| format!("{path} {world}"))
        .collect();
    assert_eq!(
        components,
        [
            "jobs.wasm wasi:cli/run@0.2",
            "web.wasm wasi:http/incoming-handler@0.2"
        ]
    );
    assert_eq!(slug.bytes(), bytes.len() as u64);
}

#[test]
fn the_same_app_gives_the_same_bytes() {
    let (first, _) = App::hello().pack();
    // A different folder, order of writing, times and modes.
    let other = App::new()
        .file("notes.txt", "some notes\n")
        .file("web.wasm", wasm::handler_02())
        .file("public/index.html", "<h1>hello</h1>")
        .file("empty/gone", "");
    fs::remove_file(other.path().join("empty/gone")).expect("it is there");
    for file in files_below(other.path()) {
        let yesterday = SystemTime::now() - Duration::from_secs(86_400);
        File::open(&file)
            .expect("a file")
            .set_modified(yesterday)
            .expect("a time");
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("a mode");
    }
    let (second, packed) = other.pack();
    assert_eq!(first, second);
    assert_eq!(
        packed.slug.id(),
        verify(first.as_slice()).expect("a good slug").id()
    );
}

#[test]
fn one_more_byte_gives_a_different_slug() {
    let (_, first) = App::hello().pack();
    let (_, second) = App::hello().file("notes.txt", "some notes!\n").pack();
    assert_ne!(first.slug.id(), second.slug.id());
}

#[test]
fn build_output_is_left_out() {
    let app = App::hello()
        .file(".git/config", "x")
        .file("tmp/x", "x")
        .file("log/x", "x")
        .file("target/x", "x")
        .file("node_modules/x", "x")
        .file("sub/node_modules/x", "x")
        .file("sub/__pycache__/x.pyc", "x")
        .file("environment/pyvenv.cfg", "home = /usr/bin")
        .file("environment/lib/x.py", "x")
        .file(".env", "SECRET=1")
        .file("sub/.env", "SECRET=1")
        .file("old.slug", "x")
        .file(
            "cache/CACHEDIR.TAG",
            "Signature: 8a477f597d28d172789f06886806bc55",
        )
        .file("cache/x", "x")
        .file("sub/tmp/kept", "x")
        .file("slug.json", "an app may have a file of this name");
    assert_eq!(
        names(&app),
        [
            "notes.txt",
            "public/index.html",
            "slug.json",
            "sub/tmp/kept",
            "web.wasm"
        ]
    );
}

#[test]
fn slugignore_and_dyno_toml_exclude_and_include_files() {
    let app = App::hello()
        .file(
            ".slugignore",
            "*.psd\n/drafts/\n# a comment\n!keep.psd\n!/.env\n",
        )
        .file("a.psd", "x")
        .file("sub/b.psd", "x")
        .file("keep.psd", "x")
        .file("drafts/x", "x")
        .file("target/assets/app.css", "x")
        .file("target/assets/.env", "x")
        .file("target/other", "x")
        .file(".env", "SECRET=1")
        .file(
            "dyno.toml",
            "include = [\"target/assets/**\"]\nexclude = [\"notes.txt\"]\n",
        );
    assert_eq!(
        names(&app),
        [
            ".slugignore",
            "dyno.toml",
            "keep.psd",
            "public/index.html",
            "target/assets/app.css",
            "web.wasm"
        ]
    );
}

#[test]
fn a_component_named_by_the_procfile_is_packed_from_any_folder() {
    let app = App::hello()
        .file("target/out/jobs.wasm", wasm::command_02())
        .file(
            "Procfile",
            "web: web.wasm\nworker: ./target/out/jobs.wasm once\n",
        );
    assert!(names(&app).contains(&"target/out/jobs.wasm".to_owned()));
}

#[test]
fn a_slug_never_contains_an_earlier_slug_of_the_app() {
    let app = App::hello();
    for name in ["app.slug", "app.bin"] {
        let file = app.path().join(name);
        let first = pack(&app.built(), &file).expect("a slug").slug;
        let second = pack(&app.built(), &file).expect("a slug").slug;
        assert_eq!(first.id(), second.id());
        assert_eq!(Slug::open(&file).expect("a good slug"), second);
        fs::remove_file(file).expect("it is there");
    }
}

#[test]
fn links_out_of_the_app_are_refused_by_name() {
    for (target, why) in [
        ("/etc/passwd", "absolute"),
        ("../outside", "out of the app's folder"),
        ("public/../../outside", "out of the app's folder"),
        ("none", "target is not in the slug"),
        ("notes.txt/none", "target is not in the slug"),
        ("secrets", "in a circle"),
        // A file that is left out of the slug cannot be a target.
        ("target/x", "target is not in the slug"),
    ] {
        let app = App::hello().file("target/x", "made by the build");
        symlink(target, app.path().join("secrets")).expect("a link");
        let text = app.pack_error();
        for part in [
            &format!("symbolic link `secrets` -> `{target}`"),
            why,
            ".slugignore",
        ] {
            assert!(text.contains(part), "{target}: {text}");
        }
    }
    let app = App::hello();
    symlink("b", app.path().join("a")).expect("a link");
    symlink("a", app.path().join("b")).expect("a link");
    assert!(app.pack_error().contains("in a circle"));
    // A link that is left out may lead anywhere.
    let app = App::hello().file(".slugignore", "secrets\n");
    symlink("/etc/passwd", app.path().join("secrets")).expect("a link");
    symlink("/tmp", app.path().join("target")).expect("a link");
    assert!(!names(&app).contains(&"secrets".to_owned()));
    // Links of packages and virtual environments are in folders that are always left out.
    let app = App::hello()
        .file("node_modules/tool/cli.js", "tool()")
        .file(".venv/pyvenv.cfg", "home = /usr/bin\n")
        .file(".venv/lib/x", "x");
    fs::create_dir(app.path().join("node_modules/.bin")).expect("a folder");
    symlink("../tool/cli.js", app.path().join("node_modules/.bin/tool")).expect("a link");
    symlink("/usr/bin/python3", app.path().join(".venv/python")).expect("a link");
    symlink("lib", app.path().join(".venv/lib64")).expect("a link");
    assert_eq!(names(&app), ["notes.txt", "public/index.html", "web.wasm"]);
}

#[test]
fn links_within_the_app_are_kept() {
    let app = || {
        let app = App::hello().file("releases/v2/page.html", "<p>two</p>");
        for (target, link) in [
            ("releases/v2", "current"),
            ("../notes.txt", "public/notes.txt"),
            ("current/page.html", "page.html"),
            ("./public/../public/", "static"),
            ("tmp/uploads", "uploads"),
            (".", "here"),
        ] {
            symlink(target, app.path().join(link)).expect("a link");
        }
        fs::hard_link(app.path().join("notes.txt"), app.path().join("hard.txt")).expect("a link");
        app
    };
    let (bytes, packed) = app().pack();
    assert_eq!(app().pack().0, bytes, "the same app, the same bytes");
    let manifest = packed.slug.manifest();
    assert_eq!(manifest.format, 2);
    let links: Vec<String> = (manifest.links.iter())
        .map(|(link, target)| format!("{link} -> {target}"))
        .collect();
    assert_eq!(
        links,
        [
            "current -> releases/v2",
            "here -> .",
            "page.html -> current/page.html",
            "public/notes.txt -> ../notes.txt",
            "static -> ./public/../public/",
            "uploads -> tmp/uploads",
        ]
    );
    assert!(manifest.files.contains_key("hard.txt"));
    assert_eq!(verify(bytes.as_slice()).expect("a good slug"), packed.slug);
}

/// Components are packed as files, even where the source has a link.
#[test]
fn a_link_to_a_component_becomes_a_copy() {
    let app = App::hello()
        .file("bin/real.wasm", wasm::handler_02())
        .file("Procfile", "web: run.wasm\n");
    fs::remove_file(app.path().join("web.wasm")).expect("it is there");
    symlink("bin/real.wasm", app.path().join("run.wasm")).expect("a link");
    let (bytes, packed) = app.pack();
    let manifest = packed.slug.manifest();
    assert_eq!(manifest.files["run.wasm"], manifest.files["bin/real.wasm"]);
    assert!(manifest.links.is_empty() && manifest.format == 1);
    verify(bytes.as_slice()).expect("a good slug");
}

#[test]
fn names_of_255_bytes_are_kept() {
    let name = |letter: &str| letter.repeat(255);
    let folder = format!("{}/{}", name("d"), "ü".repeat(127));
    let app = || {
        let app = App::hello()
            .file(&name("a"), "at the top")
            .file(&format!("{folder}/file.txt"), "below")
            .file(&format!("{}/{}", "p".repeat(150), "n".repeat(100)), "plain");
        symlink(format!("{folder}/file.txt"), app.path().join(name("l"))).expect("a link");
        app
    };
    let (bytes, packed) = app().pack();
    assert_eq!(app().pack().0, bytes, "the same app, the same bytes");
    let slug = verify(bytes.as_slice()).unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(slug, packed.slug);
    assert_eq!(slug.manifest().format, 2);
    assert_eq!(slug.manifest().files.len(), 6);
    // Every archiver can read the slug.
    let tar = zstd::decode_all(bytes.as_slice()).expect("zstd");
    let mut archive = tar::Archive::new(tar.as_slice());
    let found: Vec<String> = (archive.entries().expect("entries"))
        .map(|entry| {
            entry
                .expect("an entry")
                .path()
                .expect("a path")
                .display()
                .to_string()
        })
        .collect();
    for path in [name("a"), format!("{folder}/file.txt"), name("l")] {
        assert!(found.contains(&format!("app/{path}")), "{path}");
    }
}

/// Slugs without long names or links keep the first format.
#[test]
fn names_that_fit_a_plain_header_do_not_change_the_format() {
    let app = App::hello().file(&format!("{}/{}", "p".repeat(150), "n".repeat(100)), "plain");
    let (_, packed) = app.pack();
    assert_eq!(packed.slug.manifest().format, 1);
    let (bytes, _) = App::hello().pack();
    let tar = zstd::decode_all(bytes.as_slice()).expect("zstd");
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries = archive.entries().expect("entries").raw(true);
    for entry in entries {
        let entry = entry.expect("an entry");
        assert_eq!(entry.header().entry_type(), tar::EntryType::Regular);
    }
}

#[test]
fn invalid_names_are_refused_by_name() {
    let text = App::hello().file("a\nb", "x").pack_error();
    assert!(
        text.contains("`a\\nb`") && text.contains("control character"),
        "{text}"
    );
    // Below the path limit of file systems, and above that of slugs.
    let long = vec!["x".repeat(240); 14].join("/");
    let text = App::hello().file(&long, "x").pack_error();
    assert!(text.contains("too long") && text.contains("3072"), "{text}");
    let app = App::hello();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::write(app.path().join(name), "x").expect("a file");
    let text = app.pack_error();
    assert!(
        text.contains("not UTF-8") && text.contains("`caf"),
        "{text}"
    );
}

#[test]
fn a_process_type_must_have_a_matching_component() {
    let app = App::new()
        .file("out/web.wasm", wasm::handler_02())
        .file(
            "dyno.toml",
            "[build]\ncommand = \"true\"\noutput = \"out\"\n",
        )
        .file("Procfile", "web: web.wasm\n");
    let text = app.pack_error();
    assert!(
        text.contains("`web` runs `web.wasm`, which is not there")
            && text.contains("`out/web.wasm`"),
        "{text}"
    );
    let app = App::new().file("web.wasm", wasm::wasip1());
    let text = app.pack_error();
    assert!(
        text.contains("`web.wasm` cannot be `web`") && text.contains("worker"),
        "{text}"
    );
    let app = App::hello().file("Procfile", "web: web.wasm\nworker: web.wasm\n");
    assert!(app.pack_error().contains("`web.wasm` cannot be `worker`"));
    let app = App::hello().file("dyno.toml", "[formation]\nworker = 1\n");
    let text = app.pack_error();
    assert!(
        text.contains("`worker`") && text.contains("the app has web"),
        "{text}"
    );
}

#[test]
fn a_core_module_is_packed_unchanged() {
    let app = App::new()
        .file("jobs.wasm", wasm::wasip1())
        .file("Procfile", "worker: jobs.wasm\n");
    let (bytes, packed) = app.pack();
    let worker = packed
        .slug
        .manifest()
        .processes
        .values()
        .next()
        .expect("one process");
    assert_eq!(
        (worker.world, worker.kind),
        (World::Wasip1, ProcessKind::Process)
    );
    assert!(verify(bytes.as_slice()).is_ok());
}

#[test]
fn a_failed_pack_keeps_the_previous_slug() {
    let app = App::hello();
    let place = tempfile::tempdir().expect("a temporary folder");
    let file = place.path().join("app.slug");
    pack(&app.built(), &file).expect("a slug");
    let before = fs::read(&file).expect("the slug");
    let app = app.file("zeros", vec![0; 40 << 20]);
    let error = pack(&app.built(), &file).expect_err("a bomb").to_string();
    assert!(error.contains("1/200"), "{error}");
    assert_eq!(files_below(place.path()), std::slice::from_ref(&file));
    assert_eq!(fs::read(&file).expect("the slug"), before);
    assert!(pack(&app.built(), &place.path().join("no/such/folder/app.slug")).is_err());
}

#[test]
fn a_single_component_file_is_an_app() {
    let app = App::hello();
    let built = slugs::build::ready_made(&app.path().join("web.wasm")).expect("a component");
    let packed = pack(&built, &app.path().join("one.slug")).expect("a slug");
    let manifest = packed.slug.manifest();
    assert_eq!(manifest.files.len(), 1);
    assert_eq!(
        manifest.processes[&ProcessType::web()].component.as_str(),
        "web.wasm"
    );
}

/// A byte order mark would become part of the first pattern, and the secret would ship.
#[test]
fn a_slugignore_with_a_byte_order_mark_excludes_its_patterns() {
    let names = |text: &[u8]| {
        let app = App::hello()
            .file("prod.key", "secret")
            .file("a.psd", "x")
            .file(".slugignore", text);
        let (_, packed) = app.pack();
        let files = packed.slug.manifest().files.keys();
        files
            .map(|path| path.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    for text in [
        &b"\xef\xbb\xbf*.key\r\n*.psd\r\n"[..],
        b"\xef\xbb\xbf*.key\n*.psd",
        b"*.key\n*.psd\n",
    ] {
        let names = names(text);
        let leaked = names
            .iter()
            .any(|name| name.ends_with(".key") || name.ends_with(".psd"));
        assert!(!leaked, "{names:?}");
    }
    for text in [&b"\xff\xfe*\0.\0k\0"[..], b"*\0.\0k\0e\0y\0"] {
        let text = App::hello().file(".slugignore", text).pack_error();
        assert!(
            text.contains(".slugignore is in UTF-16") && text.contains("UTF-8"),
            "{text}"
        );
    }
}
