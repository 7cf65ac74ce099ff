//! Apps that do not boot, and the cache of compiled code.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use testkit::{
    DemoApp, DynoProcess, HomeFolder, dyno_command, error_of, file_names, guest_path, repository,
};

/// Compiles a guest written as WAT to `file`.
fn assemble(name: &str, file: &Path) {
    let text = repository().join(format!("runtime/dyno/tests/guests/wat/{name}.wat"));
    fs::write(file, wat::parse_file(text).unwrap()).unwrap();
}

#[test]
fn a_trap_at_boot_is_an_error_with_the_reason() {
    let demo = DemoApp::new();
    assemble("boot_trap", &demo.file_path("app.wasm"));
    let text = demo.local_error(&[]);
    assert!(text.contains("error: demo did not come up: "), "{text}");
    assert!(text.contains("unreachable"), "{text}");
}

#[test]
fn with_watch_a_failed_boot_waits_for_the_next_change() {
    let demo = DemoApp::new();
    assemble("boot_trap", &demo.file_path("app.wasm"));
    let mut command = dyno_command();
    let mut local = DynoProcess::spawn(
        command
            .arg("local")
            .arg(demo.folder())
            .args(["-p", "0", "--watch"]),
    );
    local.wait_for_line("the error", |line| {
        line.starts_with("error: demo did not come up: ")
    });
    local.wait_for_line("watching", |line| line.contains("Watching"));
    demo.replace_component("good");
    local.port = local.wait_for_port();
    assert_eq!(local.get("/").text(), "hello\n");
    assert!(local.stop().success());
}

/// If the app cannot be loaded, `dyno local` prints the app's output and exits.
#[test]
fn an_app_that_cannot_be_loaded_is_an_error_with_its_output() {
    let demo = DemoApp::from_guest("loads");
    demo.write_file(".env", "LOAD=err\n");
    let output = dyno_command()
        .arg("local")
        .arg(demo.folder())
        .args(["-p", "0"])
        .output()
        .unwrap();
    let (out, err) = (output.stdout, output.stderr);
    let (out, err) = (
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    );
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    let why = "web.1 did not start: ModuleNotFoundError: No module named 'shop'";
    let last = format!("error: demo did not come up: {why}");
    assert!(err.lines().any(|line| line == last), "{err}");
    assert!(
        out.contains("app[web.1]: Traceback (most recent call last):"),
        "{out}"
    );
    assert!(!out.contains(" is up: "), "{out}");
}

#[test]
fn a_change_that_cannot_be_loaded_leaves_the_old_version_serving() {
    let demo = DemoApp::from_guest("loads");
    let local = demo.start_local(&["web=2", "--watch"]);
    local.wait_for_line("watching", |line| line.contains("Watching"));
    assert_eq!(local.get("/").text(), "loaded\n");
    let mark = local.line_count();
    demo.write_file(".env", "LOAD=err\n");
    local.wait_for_line_after(mark, "the traceback", |line| {
        line.ends_with("app[web.1]: Traceback (most recent call last):")
    });
    local.wait_for_line_after(mark, "the error", |line| {
        line.starts_with("error: demo did not come up: ")
            && line.ends_with("No module named 'shop'")
    });
    local.wait_for_line_after(mark, "what goes on", |line| {
        line.contains("what was there before")
    });
    for _ in 0..10 {
        assert_eq!(local.get("/").text(), "loaded\n");
    }
    let mark = local.line_count();
    demo.write_file(".env", "LOAD=ok\n");
    local.wait_for_line_after(mark, "the new release", |line| line.contains("demo is up"));
    assert_eq!(local.get("/").text(), "loaded\n");
    assert!(local.stop().success());
}

#[test]
fn a_slow_boot_is_waited_for() {
    let demo = DemoApp::new();
    assemble("slow_boot", &demo.file_path("app.wasm"));
    let local = demo.start_local(&[]);
    local.wait_for_line("its states", |line| {
        line.ends_with("State changed from starting to up")
    });
    assert!(local.stop().success());
}

/// The only file in the compile cache, and its inode number, which differs after a new compilation.
fn cached(home: &HomeFolder) -> (PathBuf, u64) {
    let folder = home.cache_folder().join("compiled");
    let files = file_names(&folder);
    assert_eq!(files.len(), 1, "{files:?}");
    let file = folder.join(&files[0]);
    let number = file.metadata().unwrap().ino();
    (file, number)
}

fn serve_once(home: &HomeFolder) {
    let mut command = home.dyno_command();
    let command = command
        .arg("local")
        .arg(guest_path("good"))
        .args(["-p", "0"]);
    let local = DynoProcess::start(command);
    assert_eq!(local.get("/").text(), "hello\n");
    assert!(local.stop().success());
}

#[test]
fn a_component_is_compiled_once_and_damaged_cache_files_are_replaced() {
    let home = HomeFolder::new();
    serve_once(&home);
    let (file, number) = cached(&home);
    let code = fs::read(&file).unwrap();
    serve_once(&home);
    assert_eq!(cached(&home), (file.clone(), number));
    let half = &code[..code.len() / 2];
    let garbage = vec![0xa5; code.len()];
    for damaged in [half, &garbage, b""] {
        fs::write(&file, damaged).unwrap();
        serve_once(&home);
        assert_eq!(cached(&home).0, file);
        assert!(
            fs::read(&file).unwrap() == code,
            "the damaged file is still there"
        );
    }
    home.assert_clean();
}

#[test]
fn a_file_that_is_no_component_is_refused_with_a_clear_error() {
    let demo = DemoApp::new();
    demo.write_file("app.wasm", "no WebAssembly");
    let text = error_of(
        dyno_command()
            .arg("local")
            .arg(demo.file_path("app.wasm"))
            .args(["-p", "0"]),
    );
    assert!(text.contains("not a WebAssembly file"), "{text}");
}
