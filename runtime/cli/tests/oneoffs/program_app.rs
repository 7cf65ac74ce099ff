//! An app that consists of programs: a folder with test guests and a Procfile.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use testkit::{Server, ServerRig, core_guest_path, guest_path, wait_until};

pub(crate) const APP: &str = "jobs";

/// Writes an app with `guests`, each as `NAME.wasm`, and with a Procfile.
pub(crate) fn app(folder: &Path, guests: &[&str], procfile: &str) {
    fs::create_dir_all(folder).unwrap();
    for name in guests {
        let file = match name.ends_with('1') {
            true => core_guest_path(name),
            false => guest_path(name),
        };
        fs::copy(file, folder.join(format!("{name}.wasm"))).unwrap();
    }
    fs::write(folder.join("Procfile"), procfile).unwrap();
    fs::write(folder.join("dyno.toml"), format!("name = \"{APP}\"\n")).unwrap();
}

/// An app with runnable programs and a web process.
pub(crate) const PROGRAMS: &str = "\
web: good.wasm
code: exit_with_code.wasm
code1: exit_with1.wasm
cat: cat.wasm
cat1: cat1.wasm
lines: lines.wasm
hangs: hangs.wasm
surroundings: surroundings.wasm fixed
";
pub(crate) const GUESTS: [&str; 8] = [
    "good",
    "exit_with_code",
    "exit_with1",
    "cat",
    "cat1",
    "lines",
    "hangs",
    "surroundings",
];

/// Deploys the app in a folder. Returns stderr and stdout.
#[track_caller]
pub(crate) fn deploy(server: &Server<'_>, folder: &Path) -> String {
    let said = server.run(&["deploy", folder.to_str().unwrap()]);
    said.success();
    format!("{}{}", said.stderr, said.stdout)
}

/// Starts a server and deploys the app.
pub(crate) fn with_programs(rig: &ServerRig) -> Server<'_> {
    let folder = rig.path("jobs");
    app(&folder, &GUESTS, PROGRAMS);
    let server = rig.start();
    deploy(&server, &folder);
    server
}

/// Starts `dyno run` with pipes for stdin, stdout and stderr.
pub(crate) fn spawn_run(server: &Server<'_>, words: &[&str]) -> Child {
    let mut all = vec!["run", "-a", APP, "--"];
    all.extend(words);
    let mut command = server.command(&all);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until no one-off dyno is left.
#[track_caller]
pub(crate) fn wait_for_no_one_off(server: &Server<'_>) {
    wait_until("no one-off dyno is left", || {
        let dynos = server.list_dynos(APP);
        !dynos.iter().any(|dyno| dyno["process"] == "run")
    });
    let said = server.run(&["ps", "-a", APP]);
    assert!(!said.success().contains("run."), "{}", said.stdout);
}

/// Sends a signal to a process.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}
