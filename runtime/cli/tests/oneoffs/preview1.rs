//! WASI preview 1, call by call, under `dyno local run --dir FOLDER::/`. Each call must give the recorded result. If
//! `wasmtime` is installed, its results are compared too. The calls include those of the public test suite of WASI.

mod assemble;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::local_run::{command, place, text};

/// Scripts of calls, with their expected output.
const SCRIPTS: [(&str, &str); 9] = [
    ("opening", include_str!("preview1/opening.txt")),
    ("contents", include_str!("preview1/contents.txt")),
    ("paths", include_str!("preview1/paths.txt")),
    ("links", include_str!("preview1/links.txt")),
    ("renaming", include_str!("preview1/renaming.txt")),
    ("removing", include_str!("preview1/removing.txt")),
    ("descriptors", include_str!("preview1/descriptors.txt")),
    ("polling", include_str!("preview1/polling.txt")),
    ("limits", include_str!("preview1/limits.txt")),
];

/// The calls of a script: each line up to the first colon outside of quotes.
fn calls(printed: &str) -> String {
    let call = |line: &str| {
        let mut quoted = false;
        let end = line.find(|letter| {
            quoted ^= letter == '\'';
            letter == ':' && !quoted
        });
        line[..end.unwrap_or(line.len())].to_owned() + "\n"
    };
    printed.lines().map(call).collect()
}

fn run(command: &mut Command, module: &Path, root: &Path) -> Output {
    fs::create_dir(root).unwrap();
    fs::write(root.join("old"), "old contents").unwrap();
    let dir = format!("{}::/", root.display());
    command
        .args(["--dir", &dir])
        .arg("--")
        .arg(module)
        .output()
        .unwrap()
}

#[test]
fn each_call_gives_the_result_of_wasmtime() {
    let mut wrong = String::new();
    for (name, printed) in SCRIPTS {
        let place = place();
        let module = place.path().join(format!("{name}.wasm"));
        let wasm = wat::parse_str(assemble::assemble(&calls(printed))).unwrap();
        fs::write(&module, wasm).unwrap();
        let ours = run(
            &mut command(&place, &[]),
            &module,
            &place.path().join("ours"),
        );
        let mut given = text(&ours.stdout) + &text(&ours.stderr);
        assert_eq!(ours.status.code(), Some(0), "{name}: {given}");
        if let Some(wasmtime) = std::env::var_os("DYNO_TEST_WASMTIME") {
            let mut wasmtime = Command::new(wasmtime);
            let theirs = run(wasmtime.arg("run"), &module, &place.path().join("theirs"));
            let theirs = text(&theirs.stdout) + &text(&theirs.stderr);
            for (ours, theirs) in given.lines().zip(theirs.lines()) {
                if ours != theirs {
                    wrong += &format!("{name}: {ours}\n  wasmtime: {theirs}\n");
                }
            }
            if theirs.lines().count() != given.lines().count() {
                wrong += &format!("{name}: other numbers of lines\n{given}\n{theirs}\n");
            }
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let file = format!("tests/oneoffs/preview1/{name}.txt");
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), &given).unwrap();
            given = printed.to_owned();
        }
        for (given, printed) in given.lines().zip(printed.lines()) {
            if given != printed {
                wrong += &format!("{name}: {given}\n  written: {printed}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
