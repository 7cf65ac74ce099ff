//! Static sites over HTTP, as users of a static host expect them.

use std::path::Path;
use std::process::Command;

use testkit::{DynoProcess, HttpReply, repository};

use crate::app_folder::App;

/// A page large enough to be sent in many chunks.
const LARGE: usize = 3 << 20;

fn site() -> (App, DynoProcess) {
    let app = App::new(&[
        ("index.html", "<h1>hello</h1>\n"),
        ("404.html", "<h1>nothing here</h1>\n"),
        ("docs/index.html", "docs\n"),
        ("docs/a b.txt", "spaces\n"),
        ("style.css", "body {}\n"),
        ("style.css.gz", "not really gzip"),
        (".env", "SECRET=1\n"),
        (".htpasswd", "secret"),
        (".well-known/security.txt", "Contact: me\n"),
        ("dyno.toml", "name = \"site\"\n"),
    ]);
    app.write("large.bin", &"0123456789abcdef".repeat(LARGE / 16));
    let local = DynoProcess::start_local(app.folder(), &[]);
    (app, local)
}

fn header<'r>(reply: &'r HttpReply, name: &str) -> &'r str {
    reply
        .header(name)
        .unwrap_or_else(|| panic!("no {name} in {reply:?}"))
}

#[test]
fn pages_folders_and_missing_files_are_answered() {
    let (_app, local) = site();
    let page = local.get("/");
    assert_eq!(
        (page.status, page.text().as_str()),
        (200, "<h1>hello</h1>\n")
    );
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&page, "content-length"), "15");
    let folder = local.get("/docs?x=1");
    assert_eq!(
        (folder.status, header(&folder, "location")),
        (301, "/docs/?x=1")
    );
    assert_eq!(local.get("/docs/").text(), "docs\n");
    assert_eq!(local.get("/docs/a%20b.txt").text(), "spaces\n");
    assert_eq!(local.get("/.well-known/security.txt").status, 200);
    for path in [
        "/gone",
        "/.env",
        "/.htpasswd",
        "/dyno.toml",
        "/.dyno/site",
        "/.dyno/site.wasm",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/docs/..%2f.env",
        "/index.html%00",
    ] {
        let gone = local.get(path);
        assert_eq!(
            (gone.status, gone.text().as_str()),
            (404, "<h1>nothing here</h1>\n"),
            "{path}"
        );
    }
    let other = local.post("/", b"x");
    assert_eq!((other.status, header(&other, "allow")), (405, "GET, HEAD"));
    let head = local.request("HEAD", "/", &[], b"");
    assert_eq!(
        (
            head.status,
            header(&head, "content-length"),
            head.body.len()
        ),
        (200, "15", 0)
    );
    assert_eq!(local.get("/").status, 200, "the dyno lives");
    assert!(local.stop().success());
}

#[test]
fn etags_ranges_and_encodings_are_supported() {
    let (_app, local) = site();
    let page = local.get("/");
    let (tag, date) = (header(&page, "etag"), header(&page, "last-modified"));
    for condition in [
        format!("If-None-Match: {tag}"),
        format!("If-Modified-Since: {date}"),
    ] {
        let known = local.request("GET", "/", &[&condition], b"");
        assert_eq!((known.status, known.body.len()), (304, 0), "{condition}");
        assert_eq!(header(&known, "etag"), tag);
    }
    let other = local.request("GET", "/", &["If-None-Match: \"other\""], b"");
    assert_eq!(other.status, 200);
    let part = local.request("GET", "/large.bin", &["Range: bytes=1048570-1048580"], b"");
    assert_eq!((part.status, part.text().as_str()), (206, "abcdef01234"));
    assert_eq!(
        header(&part, "content-range"),
        format!("bytes 1048570-1048580/{LARGE}")
    );
    let none = local.request("GET", "/large.bin", &["Range: bytes=99999999-"], b"");
    assert_eq!(
        (none.status, header(&none, "content-range")),
        (416, format!("bytes */{LARGE}").as_str())
    );
    let whole = local.get("/large.bin");
    assert!(
        whole.complete && whole.body.len() == LARGE && whole.body.ends_with(b"0123456789abcdef")
    );
    let packed = local.request("GET", "/style.css", &["Accept-Encoding: gzip"], b"");
    assert_eq!(
        (header(&packed, "content-encoding"), packed.text().as_str()),
        ("gzip", "not really gzip")
    );
    assert_eq!(header(&packed, "content-type"), "text/css; charset=utf-8");
    assert_eq!(local.get("/style.css").header("content-encoding"), None);
    assert!(local.stop().success());
}

#[test]
fn a_fallback_page_serves_routes_of_the_browser() {
    let app = App::new(&[
        ("dist/index.html", "app"),
        (
            "dyno.toml",
            "[static]\nroot = \"dist\"\nfallback = \"index.html\"\n",
        ),
    ]);
    let local = DynoProcess::start_local(app.folder(), &[]);
    assert_eq!(local.get("/users/7").text(), "app");
    assert_eq!(local.get("/gone.js").status, 404);
    assert!(local.stop().success());
}

/// Builds the component again from its source. Compared only if the kept component was built by the same compiler.
#[test]
fn the_kept_component_equals_a_build_of_its_source() {
    assert_kept_equals_build("slugs/site", "site.wasm");
}

/// As above, for the bridge of Ruby apps.
#[test]
fn the_kept_bridge_equals_a_build_of_its_source() {
    assert_kept_equals_build("slugs/ruby", "bridge.wasm");
}

/// As above, for the compiled code of JavaScript apps.
#[test]
fn the_kept_native_code_equals_a_build_of_its_source() {
    assert_kept_equals_build("slugs/javascript", "native.wasm");
}

fn assert_kept_equals_build(folder: &str, name: &str) {
    let source = repository().join(folder);
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let status = Command::new(source.join("build"))
        .arg(&made)
        .status()
        .unwrap();
    assert!(status.success());
    // The build script notes its compiler beside what it keeps.
    let compiler = std::fs::read_to_string(source.join("compiler.txt")).unwrap();
    let version = Command::new("rustc").arg("-V").output().unwrap().stdout;
    let is_same_compiler = compiler.as_bytes() == version;
    let (kept, made) = (
        std::fs::read(source.join(name)).unwrap(),
        std::fs::read(made).unwrap(),
    );
    assert!(
        !is_same_compiler || kept == made,
        "{folder} has changed: run {folder}/build"
    );
}
