//! Shapes of Go modules, and the messages for modules that cannot be built.

use crate::app_folder::App;

const MODULE: (&str, &str) = ("go.mod", "module example.com/shop\n\ngo 1.22\n");
const MODULE_WITH_IMAGE: &str =
    "module example.com/shop\n\ngo 1.22\n\nrequire example.org/image v1.0.0\n";
const VENDORED: &str = "# example.org/image v1.0.0\n## explicit; go 1.22\nexample.org/image\n";

/// A server that answers with `word`, an expression of Go.
fn server(imports: &str, word: &str) -> String {
    format!(
        "package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n{imports})\n\nfunc main() {{\n\
         \thandler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {{ fmt.Fprint(w, {word}) }})\n\
         \tserver := http.Server{{Addr: \":\" + os.Getenv(\"PORT\"), Handler: handler}}\n\tserver.ListenAndServe()\n}}\n"
    )
}

fn answer(app: &App) -> String {
    let local = app.run(&[]);
    let text = local.get("/").text();
    assert!(local.stop().success());
    text
}

#[test]
fn the_only_program_of_cmd_is_web() {
    let app = App::new(&[
        MODULE,
        ("cmd/server/main.go", &server("", "\"from cmd\"")),
        ("tools/gen.go", "package main\n\nfunc main() {}\n"),
        ("testdata/x.go", "package broken !\n"),
    ]);
    assert_eq!(answer(&app), "from cmd");
    let (_, slug) = app.build();
    assert_eq!(slug["processes"]["web"]["component"], "bin/server.wasm");
}

#[test]
fn several_programs_need_a_procfile() {
    let app = App::new(&[
        MODULE,
        ("cmd/a/main.go", &server("", "\"a\"")),
        ("cmd/b/main.go", &server("", "\"b\"")),
    ]);
    let told = app.refused();
    assert!(
        told.contains("several programs (bin/a, bin/b)") && told.contains("`web: bin/a`"),
        "{told}"
    );
    app.write("Procfile", "web: gunicorn app\n");
    let told = app.refused();
    assert!(
        told.contains("the Procfile's `web` runs `gunicorn`") && told.contains("bin/a, bin/b"),
        "{told}"
    );
    app.write("Procfile", "web: bin/b\n");
    assert_eq!(answer(&app), "b");
    let told = App::new(&[MODULE, ("x.go", "package x\n")]).refused();
    assert!(told.contains("the module has no program"), "{told}");
}

#[test]
fn vendored_modules_and_build_tags_are_used() {
    let app = App::new(&[
        ("go.mod", MODULE_WITH_IMAGE),
        (
            "main.go",
            &server("\t\"example.org/image\"\n", "image.Name + kind"),
        ),
        (
            "kind.go",
            "//go:build !special\n\npackage main\n\nconst kind = \" plain\"\n",
        ),
        (
            "special.go",
            "//go:build special\n\npackage main\n\nconst kind = \" special\"\n",
        ),
        ("vendor/modules.txt", VENDORED),
        (
            "vendor/example.org/image/image.go",
            "package image\n\nconst Name = \"vendored\"\n",
        ),
    ]);
    assert_eq!(answer(&app), "vendored plain");
    let built = app.try_build(|command| {
        command.env("GOFLAGS", "-tags=special");
    });
    assert!(built.slug.is_some(), "{}", built.told);
}

#[test]
fn packages_with_c_are_refused_by_name() {
    let app = App::new(&[
        ("go.mod", MODULE_WITH_IMAGE),
        (
            "main.go",
            &server("\t\"example.org/image\"\n", "image.Name()"),
        ),
        ("vendor/modules.txt", VENDORED),
        (
            "vendor/example.org/image/image.go",
            "package image\n\n// char *name() { return \"C\"; }\nimport \"C\"\n\nfunc Name() string { return C.GoString(C.name()) }\n",
        ),
    ]);
    let told = app.refused();
    assert!(
        told.contains("`example.org/image` is written in C (cgo)"),
        "{told}"
    );
    assert!(told.contains("use a package in plain Go"), "{told}");
    // A package whose file without C only fails when it is used.
    let sqlite = "github.com/mattn/go-sqlite3";
    let app = App::new(&[
        (
            "go.mod",
            &MODULE_WITH_IMAGE.replace("example.org/image", sqlite),
        ),
        ("main.go", &server(&format!("\t_ \"{sqlite}\"\n"), "\"x\"")),
        (
            "vendor/modules.txt",
            &VENDORED.replace("example.org/image", sqlite),
        ),
        (
            &format!("vendor/{sqlite}/sqlite3.go"),
            "//go:build cgo\n\npackage sqlite3\n\nimport \"C\"\n",
        ),
        (
            &format!("vendor/{sqlite}/static_mock.go"),
            "//go:build !cgo\n\npackage sqlite3\n",
        ),
    ]);
    let told = app.refused();
    assert!(
        told.contains("`github.com/mattn/go-sqlite3` is written in C"),
        "{told}"
    );
}

#[test]
fn modules_that_cannot_be_downloaded_are_reported_with_the_next_step() {
    let app = App::new(&[
        ("go.mod", MODULE_WITH_IMAGE),
        (
            "main.go",
            &server("\t\"example.org/image\"\n", "image.Name"),
        ),
        (
            "go.sum",
            "example.org/image v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
             example.org/image v1.0.0/go.mod h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        ),
    ]);
    let built = app.try_build(|command| {
        command.env("GOPROXY", "off");
    });
    let told = built.told;
    assert!(
        built.slug.is_none() && told.contains("module lookup disabled by GOPROXY=off"),
        "{told}"
    );
    assert!(
        told.contains("could not be downloaded") && told.contains("`go mod vendor`"),
        "{told}"
    );
    let app = App::new(&[
        MODULE,
        (
            "main.go",
            &server("\t\"example.org/image\"\n", "image.Name"),
        ),
    ]);
    let told = app.refused();
    assert!(
        told.contains("no required module provides package") && told.contains("`go mod tidy`"),
        "{told}"
    );
}

#[test]
fn messages_of_the_compiler_are_printed() {
    let told = App::new(&[MODULE, ("main.go", &server("", "missing"))]).refused();
    assert!(
        told.contains("main.go:") && told.contains("undefined: missing"),
        "{told}"
    );
    assert!(told.contains("`go build` failed"), "{told}");
}

#[test]
fn without_go_the_build_says_what_to_install() {
    let app = App::new(&[MODULE, ("main.go", &server("", "\"x\""))]);
    let empty = tempfile::tempdir().unwrap();
    let built = app.try_build(|command| {
        command.env("PATH", empty.path());
    });
    assert!(
        built.told.contains("`go` is not installed: get Go 1.22"),
        "{}",
        built.told
    );
    let old = empty.path().join("go");
    let text = "#!/bin/sh\necho '{\"GOVERSION\": \"go1.21.13\", \"GOROOT\": \"/x\", \"GOMODCACHE\": \"/y\"}'\n";
    std::fs::write(&old, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&old, mode).unwrap();
    let built = app.try_build(|command| {
        command.env("PATH", empty.path());
    });
    assert!(
        built.told.contains("go1.21.13 is too old"),
        "{}",
        built.told
    );
}
