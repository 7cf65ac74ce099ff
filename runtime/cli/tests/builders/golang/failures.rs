//! Go apps that fail: in a request, when they boot, or where they ask for what a dyno does not have.

use testkit::{ServerRig, dyno_command};

use super::site_app::{assert_goes_on, start};
use crate::app_folder::App;

const MODULE: (&str, &str) = ("go.mod", "module example.com/shop\n\ngo 1.22\n");

/// A program around these lines of `main`.
fn program(lines: &str) -> String {
    format!(
        "package main\n\nimport (\n\t\"fmt\"\n\t\"log\"\n\t\"net/http\"\n\t\"os\"\n)\n\nfunc main() {{\n\
         \thttp.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) {{ fmt.Fprint(w, \"shop\") }})\n\
         {lines}\n\tlog.Fatal(http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil))\n}}\n"
    )
}

#[test]
fn a_panic_ends_its_request_and_not_the_dyno() {
    let local = start();
    for served in 0..3 {
        let before = local.get("/panic");
        assert_eq!(before.status, 503, "{before:?}");
        let after = local.get("/late-panic");
        assert_eq!(
            (after.status, after.text(), after.complete),
            (200, "half".to_owned(), false)
        );
        assert_goes_on(&local, 3 * served + 2);
    }
    for told in [
        "panic serving 127.0.0.1:1: nothing of panic",
        "no more of late-panic",
        "main.go:",
    ] {
        local.wait_for_line(told, |line| line.contains(told));
    }
    let lines = local.lines();
    assert!(
        !lines.iter().any(|line| line.contains("rashed")),
        "{lines:#?}"
    );
    // A program that exits is another matter: its dyno is replaced.
    assert_eq!(local.get("/exit").status, 503);
    assert_eq!(local.get("/served").text(), "1");
    assert!(local.stop().success());
}

#[test]
fn listening_elsewhere_fails_at_once_and_says_why() {
    let local = start();
    let told = local.get("/listens").text();
    let other = "listen tcp :8080: a dyno can listen only on $PORT";
    assert!(told.contains(other), "{told}");
    let again = "bind: Address already in use";
    assert!(told.contains(again), "{told}");
    assert!(told.contains("in process: pong"), "{told}");
    assert!(local.stop().success());
}

/// Runs an app that does not come up, and returns what `dyno local` says.
fn boot_failure(lines: &str) -> String {
    let app = App::new(&[MODULE, ("main.go", &program(lines))]);
    let output = dyno_command()
        .arg("local")
        .arg(app.folder())
        .args(["-p", "0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn an_app_that_fails_to_boot_says_why() {
    for (lines, reasons) in [
        (
            "\tif os.Getenv(\"FINE\") == \"\" {\n\t\tpanic(\"nothing of boot\")\n\t}",
            &["panic: nothing of boot", "exited with code 2"][..],
        ),
        ("\tos.Exit(7)", &["exited with code 7"]),
        (
            "\tpanic(\"always\")",
            &["bin/shop.wasm` cannot be `web`", "accepts no connections"],
        ),
        (
            "\tlog.Fatal(http.ListenAndServe(\":8080\", nil))",
            &[
                "listen tcp :8080: a dyno can listen only on $PORT",
                "exited with code 1",
            ],
        ),
    ] {
        let told = boot_failure(lines);
        for reason in reasons {
            assert!(told.contains(reason), "{told}");
        }
    }
}

#[test]
fn a_broken_app_never_replaces_a_working_release() {
    let rig = ServerRig::new();
    let server = rig.start();
    let app = App::new(&[MODULE, ("main.go", &program(""))]);
    app.build_and_compile();
    let folder = app.folder().to_str().unwrap();
    server.run(&["deploy", folder, "-a", "shop"]).success();
    assert_eq!(server.app_page("shop", "/"), "shop");
    app.write(
        "main.go",
        &program("\tif len(os.Args) < 9 {\n\t\tpanic(\"nothing of boot\")\n\t}"),
    );
    let told = server.run(&["deploy", folder, "-a", "shop"]);
    assert!(told.failure().contains("exited with code 2"), "{told:?}");
    app.write("main.go", &program("\tmissing()"));
    let told = server.run(&["deploy", folder, "-a", "shop"]);
    assert!(told.failure().contains("undefined: missing"), "{told:?}");
    assert_eq!(server.app_page("shop", "/"), "shop");
    assert!(server.stop().success());
}
